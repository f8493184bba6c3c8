"""certbot, of Debian and of PyPI, with its own server for http-01."""

from __future__ import annotations

from pathlib import Path

from tests.tools.acme_clients.client import EMAIL, NO_COMMAND, Challenge, Client, program
from tests.tools.acme_clients.python_packages import environment_with_clients


class Certbot(Client):
    """certbot 5 from PyPI."""

    own_web_server = True
    name, version, source = "certbot", "5.8", "PyPI"
    ca_variable = "REQUESTS_CA_BUNDLE"
    without = {"key change": NO_COMMAND}

    def start(self) -> list[str | Path]:
        """Return the start of its command line."""
        folder = environment_with_clients() / "bin"  # it was moved, so the first line of the script is wrong
        return [folder / "python", folder / "certbot"]

    def example(self) -> str:
        return super().example().replace("python certbot", "certbot")

    def installed_version(self) -> str:
        return self.call(*self.start(), "--version")

    def _run(self, command: str, *options: str) -> str:
        folders = [f"--{kind}-dir={self.folder / kind}" for kind in ("config", "work", "logs")]
        server = ["--server", self.server.directory, "--non-interactive"]
        return self.call(*self.start(), command, *server, *folders, *options)

    def issue(self, *names: str, challenge: Challenge = "http-01") -> Path:
        if challenge == "dns-01":
            hook = self.hook("txt", '"$1" "_acme-challenge.$CERTBOT_DOMAIN" "$CERTBOT_VALIDATION"')
            how = ["--manual", "--preferred-challenges", "dns"]
            how += ["--manual-auth-hook", f"{hook} add", "--manual-cleanup-hook", f"{hook} remove"]
        else:
            how = ["--standalone", "--http-01-address", "127.0.0.1", "--http-01-port", str(self.server.http_port)]
        account = ["--agree-tos", "--email", EMAIL, "--no-eff-email"]
        account += ["--eab-kid", self.server.key_id, "--eab-hmac-key", self.server.hmac_key]
        self._run("certonly", *how, *account, "--cert-name", names[0], f"--domains={','.join(names)}")
        return self.folder / "config" / "live" / names[0] / "fullchain.pem"

    def renew(self, *names: str) -> Path:
        self._run("renew", "--cert-name", names[0], "--force-renewal", "--no-random-sleep-on-renew")
        return self.folder / "config" / "live" / names[0] / "fullchain.pem"

    def revoke(self, file: Path) -> None:
        self._run("revoke", "--cert-path", str(file), "--reason", "superseded", "--no-delete-after-revoke")

    def deactivate(self) -> None:
        self._run("unregister")


class DebianCertbot(Certbot):
    """certbot 2 of Debian."""

    version, source, program = "2.1", "Debian", "certbot"

    def start(self) -> list[str | Path]:
        return [program("certbot")]
