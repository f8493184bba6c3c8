"""ACME clients of other people, as commands: how each is pointed at a directory, its CA bundle and a credential."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from tests.tools.infisical_sdks import installed, run
from tests.tools.local_stack import ROOT

CERTBOT = "certbot==5.8.0"


@dataclass(frozen=True)
class Server:
    """A directory with its CA bundle, a credential, and the port on loopback at which it validates http-01."""

    directory: str
    ca_bundle: Path
    http_port: int
    key_id: str = ""
    hmac_key: str = ""


@dataclass
class Client:
    """A client of other people in a folder of its own; each method runs one operation and fails if the client does."""

    server: Server
    folder: Path
    said: list[str] = field(default_factory=list)

    def call(self, *command: str | Path, **environment: str) -> str:
        """Run a command that trusts the server's CA."""
        bundle = str(self.server.ca_bundle)
        trust = dict.fromkeys(("REQUESTS_CA_BUNDLE", "LEGO_CA_CERTIFICATES", "SSL_CERT_FILE"), bundle)
        values = {"PATH": os.environ["PATH"], "HOME": str(self.folder), **trust, **environment}
        done = subprocess.run(
            [str(part) for part in command],
            env=values,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        self.said.append(done.stdout + done.stderr)
        assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"
        return done.stdout


class Certbot(Client):
    """certbot 5 from PyPI, with its own server for http-01."""

    def _run(self, command: str, *options: str) -> str:
        where = [f"--{kind}-dir={self.folder / kind}" for kind in ("config", "work", "logs")]
        python = certbot_python()
        start = [python, python.with_name("certbot"), command, "--server", self.server.directory, "--non-interactive"]
        return self.call(*start, *where, *options)

    def issue(self, *names: str) -> Path:
        """Register and issue; return the file of the chain."""
        http = ["--standalone", "--http-01-address", "127.0.0.1", "--http-01-port", str(self.server.http_port)]
        account = ["--agree-tos", "--email", "ops@example.com", "--no-eff-email"]
        account += ["--eab-kid", self.server.key_id, "--eab-hmac-key", self.server.hmac_key]
        self._run("certonly", *http, *account, "--cert-name", names[0], f"--domains={','.join(names)}")
        return self.folder / "config" / "live" / names[0] / "fullchain.pem"

    def renew(self, *names: str) -> None:
        self._run("renew", "--cert-name", names[0], "--force-renewal", "--no-random-sleep-on-renew")

    def revoke(self, name: str) -> None:
        self._run("revoke", "--cert-name", name, "--reason", "superseded", "--no-delete-after-revoke")

    def deactivate(self) -> None:
        self._run("unregister")


class Lego(Client):
    """lego 4 of Debian, with its own server for http-01."""

    def _run(self, names: Sequence[str], *command: str) -> str:
        where = ["--server", self.server.directory, "--path", self.folder, "--email", "ops@example.com", "--accept-tos"]
        http = ["--http", "--http.port", f"127.0.0.1:{self.server.http_port}"]
        eab = ["--eab", "--kid", self.server.key_id, "--hmac", self.server.hmac_key]
        return self.call(program("lego"), *where, *http, *eab, *(f"--domains={name}" for name in names), *command)

    def issue(self, *names: str) -> Path:
        """Register and issue; return the file of the chain."""
        self._run(names, "run")
        return self.folder / "certificates" / f"{names[0]}.crt"

    def renew(self, *names: str) -> None:
        self._run(names, "renew", "--days", "9999", "--no-random-sleep")

    def revoke(self, name: str) -> None:
        self._run([name], "revoke", "--keep", "--reason", "4")


class Dehydrated(Client):
    """dehydrated of Debian, which writes answers into a folder that a web server serves."""

    def _run(self, *command: str) -> str:
        (self.folder / "config").write_text(
            f"CA={self.server.directory}\nBASEDIR={self.folder}\nWELLKNOWN={self.folder / 'challenges'}\n"
            f"CURL_OPTS='--cacert {self.server.ca_bundle}'\nEAB_KID={self.server.key_id}\n"
            f"EAB_HMAC_KEY={self.server.hmac_key}\nCONTACT_EMAIL=ops@example.com\nLOCKFILE={self.folder / 'lock'}\n"
        )
        (self.folder / "challenges").mkdir(exist_ok=True)
        return self.call(program("dehydrated"), "-f", self.folder / "config", *command)

    def issue(self, *names: str) -> Path:
        """Register and issue; return the file of the chain."""
        self._run("--register", "--accept-terms")
        self._run("-c", *self._named(names))
        return self.folder / "certs" / names[0] / "fullchain.pem"

    def renew(self, *names: str) -> None:
        self._run("-c", "-x", *self._named(names))

    def revoke(self, name: str) -> None:
        self._run("--revoke", str(self.folder / "certs" / name / "cert.pem"))

    def deactivate(self) -> None:
        self._run("--deactivate")

    @staticmethod
    def _named(names: Sequence[str]) -> list[str]:
        return [part for name in names for part in ("-d", name)]


@cache
def certbot_python() -> Path:
    """Return a Python with certbot, which is installed once in .local/sdks."""

    def install(folder: Path) -> None:
        run(sys.executable, "-m", "venv", "--without-pip", str(folder / "venv"))
        python = str(folder / "venv" / "bin" / "python")
        run(str(ROOT / ".venv" / "uv" / "bin" / "uv"), "pip", "install", "--quiet", "--python", python, CERTBOT)

    return installed(CERTBOT, install) / "venv" / "bin" / "python"


def program(name: str) -> str:
    """Return the path of a program; skip the test if it is not installed."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found
