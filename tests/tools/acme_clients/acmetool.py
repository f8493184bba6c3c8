"""acmetool of Debian, which has no EAB."""

from __future__ import annotations

import json
from pathlib import Path

from tests.tools.acme_clients.client import EMAIL, NO_COMMAND, Challenge, Client, program
from tests.tools.acme_clients.commands import debian_version

NOT_SENT = "sends no request"  # `revoke` marks the certificate, and `reconcile` ignores the mark
NOT_EARLY = "in the last third only"  # version 0.2.2 ignores the member `margin` of its targets


class Acmetool(Client):
    """acmetool, with its own server for http-01, and a hook for dns-01."""

    own_web_server = True
    name, version, source, program, eab = "acmetool", "0.2.2", "Debian", "acmetool", False
    ca_variable = "SSL_CERT_FILE"
    without = {"renew": NOT_EARLY, "revoke": NOT_SENT, "key change": NO_COMMAND, "deactivate": NO_COMMAND}

    def installed_version(self) -> str:
        return debian_version("acmetool")

    def _run(self, *command: str | Path) -> str:
        state, hooks = self.folder / "state", self.folder / "hooks"
        start = [program("acmetool"), "--batch", "--state", state, "--hooks", hooks]
        return self.call(*start, "--response-file", self.folder / "responses", *command)

    def _configure(self, challenge: Challenge) -> None:
        """Write configuration, answers and hook; JSON is YAML."""
        for folder in ("state/conf", "hooks"):
            (self.folder / folder).mkdir(parents=True, exist_ok=True)
        ports = [f"127.0.0.1:{self.server.http_port}"] if challenge == "http-01" else []
        request = {
            "provider": self.server.directory,
            "challenge": {"http-ports": ports, "http-self-test": False},
        }
        (self.folder / "state" / "conf" / "target").write_text(json.dumps({"request": request}, indent=1) + "\n")
        (self.folder / "responses").write_text(json.dumps({"acme-enter-email": EMAIL}) + "\n")
        body = (
            'case "$1" in challenge-dns-start) add "_acme-challenge.$2" "$4";;'
            ' challenge-dns-stop) remove "_acme-challenge.$2" "$4";; *) exit 42;; esac'
        )
        self.hook("hooks/txt", body)

    def example(self) -> str:
        files = (self.folder / "state" / "conf" / "target", self.folder / "responses")
        texts = [f"cat > {file.relative_to(self.folder)} <<'END'\n{file.read_text()}END\n" for file in files]
        return self.plain("mkdir -p state/conf hooks\n" + "".join(texts)) + super().example()

    def issue(self, *names: str, challenge: Challenge = "http-01") -> Path:
        self._configure(challenge)
        self._run("want", *names)
        return self._live(names[0])

    def _live(self, name: str) -> Path:
        return self.folder / "state" / "live" / name / "fullchain"
