"""The part of the demo for hosts that have nginx: it serves the authority's certificate, and `evercert agent` reloads it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.tools import server_certificate
from tests.tools.host import nginx_configuration
from tests.tools.local_stack import ROOT
from tests.tools.openssl import require
from tests.tools.operator_session import Example, OperatorSession, say
from tests.tools.ports import free_port

SECONDS = 20


def enabled() -> bool:
    """Return whether nginx is at hand; print why the demo leaves it out."""
    if shutil.which("nginx") is not None:
        return True
    print("nginx is not installed: the demo ends with secrets, and shows no host")
    return False


class DemoHost:
    """A host with nginx and the agent, for the certificate of one document of the Infisical agent."""

    def __init__(self, session: OperatorSession, document: Path, resources: ExitStack) -> None:
        self._session, self._resources = session, resources
        self._folder = Path(resources.enter_context(tempfile.TemporaryDirectory()))
        self._port = free_port()
        tls = self._folder / "tls"
        configuration = nginx_configuration(self._folder, self._port, tls / "fullchain.pem", tls / "private-key.pem")
        (self._folder / "nginx.conf").write_text(configuration)
        self._nginx = (
            f"{shutil.which('nginx')} -p {self._folder} -e {self._folder}/error.log -c {self._folder}/nginx.conf"
        )
        self._write_document(yaml.safe_load(document.read_text()))

    def _write_document(self, document: dict[str, Any]) -> None:
        """Write the document with files in a folder of the demo, and a reload of its nginx."""
        entry = document["certificates"][0]
        entry["file-output"] = {
            kind: {"path": f"{self._folder}/tls/{kind}.pem"} for kind in ("fullchain", "private-key")
        }
        entry["post-hooks"]["on-renewal"]["command"] = f"{self._nginx} -t -q && {self._nginx} -s reload"
        (self._folder / "agent.yaml").write_text(yaml.safe_dump(document))

    def start(self) -> None:
        """Install the certificate, start nginx with it, and let the agent follow its renewals."""
        options = ["--config", f"{self._folder}/agent.yaml", "--state-directory", f"{self._folder}/state"]
        self._session.evercert("agent", *options, "--once")
        self._resources.enter_context(_running(self._nginx.split(), {}, self._folder / "nginx.log"))
        agent = [str(ROOT / ".venv" / "bin" / "evercert"), "agent", *options, "--interval", "10s"]
        self._resources.enter_context(_running(agent, self._session.environment, self._folder / "agent.log"))

    def require_served(self, example: Example, certificate: str) -> None:
        """Wait until nginx serves the certificate of the secret."""
        expected, found, end = server_certificate.of_pem(certificate), None, time.monotonic() + SECONDS
        while found != expected and time.monotonic() < end:
            found = server_certificate.of_port(self._port)
            time.sleep(0.2)
        say((self._folder / "agent.log").read_text())
        require(found == expected, f"nginx does not serve the renewed certificate of {example.name}")
        say(f"nginx serves the certificate of {example.secret}: yes")


@contextmanager
def _running(command: list[str], environment: Any, log: Path) -> Iterator[None]:
    """Run a program until the end of the demo."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **environment}, stdout=output, stderr=output
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)
