"""Web servers that obtain their certificates themselves: Caddy, and Apache with mod_md."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.tools.acme_clients.client import EMAIL, SECONDS, Challenge, Client, ClientFailed, program
from tests.tools.acme_clients.commands import debian_version

NOT_HERE = "not in this program"


class WebServer(Client):
    """A web server that runs until it has the wanted certificate."""

    own_web_server = True

    @contextmanager
    def running(self, *command: str | Path) -> Iterator[subprocess.Popen[bytes]]:
        """Run a server, with its output in the file `output`."""
        self.commands.append([str(part) for part in command])
        with (self.folder / "output").open("ab") as output:
            process = subprocess.Popen(
                command, env=self.environment(), cwd=self.folder, stdout=output, stderr=output, start_new_session=True
            )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(5)
            self.said.append((self.folder / "output").read_text(errors="replace"))

    def await_file(self, process: subprocess.Popen[bytes], file: Path, before: bytes = b"") -> None:
        """Wait until a file is there and differs from before."""
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            if process.poll() is not None:
                break
            if file.is_file() and file.read_bytes() not in {b"", before}:
                return
            time.sleep(0.1)
        raise ClientFailed(f"no new {file.name}:\n{self.log()[-6000:]}")

    def log(self) -> str:
        """Return what the server wrote."""
        return (self.folder / "output").read_text(errors="replace")

    @abstractmethod
    def configuration(self) -> Path:
        """Return the configuration file."""

    def example(self) -> str:
        file = self.configuration()
        return self.plain(f"cat > {file.name} <<'END'\n{file.read_text()}END\n") + super().example()


class Caddy(WebServer):
    """Caddy, with one certificate for each name."""

    name, version, source, program = "Caddy", "2.6", "Debian", "caddy"
    without = {
        "dns-01": "needs a DNS module",
        "wildcard": "needs a DNS module",
        "several names": "one certificate for each name",
        "revoke": NOT_HERE,
        "key change": NOT_HERE,
        "deactivate": NOT_HERE,
    }

    def installed_version(self) -> str:
        return self.call(program("caddy"), "version")

    def configuration(self) -> Path:
        return self.folder / "Caddyfile"

    def _file(self, name: str) -> Path:
        folders = list((self.folder / "data" / "certificates").glob("*"))
        return (folders[0] if folders else self.folder) / name / f"{name}.crt"

    def issue(self, *names: str, challenge: Challenge = "http-01") -> Path:
        self.configuration().write_text(
            "{\n"
            f"  acme_ca {self.server.directory}\n"
            f"  acme_ca_root {self.server.ca_bundle}\n"
            f"  acme_eab {{\n    key_id {self.server.key_id}\n    mac_key {self.server.hmac_key}\n  }}\n"
            f"  email {EMAIL}\n"
            f"  storage file_system {self.folder / 'data'}\n"
            f"  http_port {self.server.http_port}\n"
            f"  https_port {self.tls_port}\n"
            "  default_bind 127.0.0.1\n"
            "  admin off\n"
            "}\n\n"
            f"{names[0]} {{\n  respond ok\n}}\n"
        )
        self._wait(names[0], "run", "--config", str(self.configuration()))
        return self._file(names[0])

    def renew(self, *names: str) -> Path:
        """Run again with a setting under which every certificate is due."""
        adapted = json.loads(self._adapt())
        for policy in adapted["apps"]["tls"]["automation"]["policies"]:
            policy["renewal_window_ratio"] = 0.99999
        file = self.folder / "renew.json"
        file.write_text(json.dumps(adapted))
        self._wait(names[0], "run", "--config", str(file), before=self._file(names[0]).read_bytes())
        return self._file(names[0])

    def _adapt(self) -> str:
        command = [program("caddy"), "adapt", "--config", self.configuration()]
        return subprocess.run(
            command, env=self.environment(), capture_output=True, text=True, timeout=20, check=True
        ).stdout

    def _wait(self, name: str, *arguments: str, before: bytes = b"") -> None:
        with self.running(program("caddy"), *arguments) as process:
            until = time.monotonic() + SECONDS
            while not self._file(name).is_file() and process.poll() is None and time.monotonic() < until:
                time.sleep(0.1)
            self.await_file(process, self._file(name), before)


MODULES = ("mpm_event", "authz_core", "ssl", "md", "socache_shmcb")


class Apache(WebServer):
    """Apache httpd with mod_md, as a server of ours."""

    name, version, source, program = "Apache mod_md", "2.4", "Debian", "apache2"
    without = {"revoke": NOT_HERE, "key change": NOT_HERE, "deactivate": NOT_HERE}

    def __post_init__(self) -> None:
        # Its processes run as another user, who cannot enter the folder of the test.
        self.folder = Path(tempfile.mkdtemp(prefix="evercert-apache-"))
        self.folder.chmod(0o755)

    def installed_version(self) -> str:
        return debian_version("apache2-bin")

    def example(self) -> str:
        """Return the settings of mod_md with a virtual host, for a server that has the modules ssl and md."""
        kept = ("MD", "Listen", "<", "  ")
        lines = [line for line in self.configuration().read_text().splitlines() if line.startswith(kept)]
        text = self.plain("\n".join(lines))
        return text.replace("Listen 0.0.0.0:", "Listen ").replace("Host 0.0.0.0:", "Host *:")

    def configuration(self) -> Path:
        return self.folder / "httpd.conf"

    def issue(self, *names: str, challenge: Challenge = "http-01") -> Path:
        return self._run(names, challenge)

    def renew(self, *names: str) -> Path:
        return self._run(names, "http-01", "MDRenewWindow 9999d")

    def _run(self, names: tuple[str, ...], challenge: Challenge, *more: str) -> Path:
        """Run the server until it has stored a new certificate, and once more, which activates it."""
        self._configure(names, challenge, *more)
        live = self.folder / "md" / "domains" / names[0] / "pubcert.pem"
        before = live.read_bytes() if live.exists() else b""
        staged = self.folder / "md" / "staging" / names[0] / "pubcert.pem"
        command = [program("apache2"), "-D", "FOREGROUND", "-f", self.configuration()]
        with self.running(*command) as process:
            self.await_file(process, staged)
        with self.running(*command) as process:
            self.await_file(process, live, before)
        self.commands.pop()
        return live

    def _configure(self, names: tuple[str, ...], challenge: Challenge, *more: str) -> None:
        port = self.tls_port
        body = 'case "$1" in setup) add "_acme-challenge.$2" "$3";; teardown) remove "_acme-challenge.$2" "$3";; esac'
        lines = [
            f"ServerRoot {self.folder}",
            *(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in MODULES),
            *(["User www-data", "Group www-data"] if os.geteuid() == 0 else []),
            "PidFile httpd.pid",
            "ErrorLog /dev/stderr",
            "LogLevel warn md:debug",
            f"DefaultRuntimeDir {self.folder}",
            f"ServerName {names[0]}",
            f"Listen 127.0.0.1:{self.server.http_port}",
            f"Listen 127.0.0.1:{port}",
            "MDStoreDir md",
            f"MDCertificateAuthority {self.server.directory}",
            f"MDCACertificateFile {self.server.ca_bundle}",
            f"MDExternalAccountBinding {self.server.key_id} {self.server.hmac_key}",
            "MDCertificateAgreement accepted",
            f"MDContactEmail {EMAIL}",
            f"MDPortMap http:{self.server.http_port} https:{port}",
            f"MDCAChallenges {challenge}",
            *(
                [f"MDChallengeDns01 {self.hook('txt', body)}", "MDChallengeDns01Version 2"]
                if challenge == "dns-01"
                else []
            ),
            f"MDomain {' '.join(names)}",
            *more,
            f"<VirtualHost 127.0.0.1:{port}>",
            f"  ServerName {names[0]}",
            "  SSLEngine on",
            "</VirtualHost>",
        ]
        self.configuration().write_text("\n".join(lines) + "\n")
