"""uacme of Debian, whose hook answers challenges."""

from __future__ import annotations

from pathlib import Path

from tests.tools.acme_clients.client import EMAIL, Challenge, Client, program
from tests.tools.acme_clients.commands import debian_version

SYSTEM_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


class Uacme(Client):
    """uacme, which trusts the system's CAs only: it runs with another bundle mounted over the system's."""

    name, version, source, program = "uacme", "1.7", "Debian", "uacme"

    def installed_version(self) -> str:
        return debian_version("uacme")

    def example(self) -> str:
        """Return its commands without the mount, which only the tests need."""
        shown = Uacme(self.server, self.folder, self.mark, self.tls_port)
        shown.commands = [command[command.index(program("uacme")) :] for command in self.commands]
        return super(Uacme, shown).example()

    def _run(self, *command: str | Path, challenge: Challenge = "http-01") -> str:
        (self.folder / "challenges").mkdir(exist_ok=True)
        pages = self.folder / "challenges"
        body = (
            'case "$1/$2" in begin/http-01|done/http-01|failed/http-01|begin/dns-01|done/dns-01|failed/dns-01) ;; *) exit 1;; esac\n'
            f'[ "$2" = {challenge} ] || exit 1\n'
            'case "$1/$2" in\n'
            f'  begin/http-01) printf %s "$5" > "{pages}/$4";;\n'
            '  begin/dns-01) add "_acme-challenge.$3" "$5";;\n'
            '  */dns-01) remove "_acme-challenge.$3" "$5";;\n'
            "esac"
        )
        where = ["--yes", "--acme-url", self.server.directory, "--confdir", self.folder / "uacme"]
        how = ["--hook", self.hook("hook", body), "--eab", f"{self.server.key_id}:{self.server.hmac_key}"]
        line = [program("uacme"), *where, *how, *command]
        mount = f'mount --bind "$0" {SYSTEM_BUNDLE}; exec "$@"'
        return self.call("unshare", "--map-root-user", "--mount", "sh", "-c", mount, self.server.ca_bundle, *line)

    def issue(self, *names: str, challenge: Challenge = "http-01") -> Path:
        if not (self.folder / "uacme").exists():
            self._run("new", EMAIL)
        self._run("issue", *names, challenge=challenge)
        return self.folder / "uacme" / names[0] / "cert.pem"

    def renew(self, *names: str) -> Path:
        self._run("--force", "issue", *names)
        return self.folder / "uacme" / names[0] / "cert.pem"

    def revoke(self, file: Path) -> None:
        self._run("--reason", "4", "revoke", file)

    def change_key(self) -> None:
        self._run("newkey")

    def deactivate(self) -> None:
        self._run("deactivate")
