"""lego, dehydrated and acme-tiny of Debian."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.tools.acme_clients.client import EMAIL, NO_COMMAND, Challenge, Client, program


class Lego(Client):
    """lego 4, with its own server for http-01."""

    own_web_server = True
    name, version, source, program = "lego", "4.9", "Debian", "lego"
    ca_variable = "LEGO_CA_CERTIFICATES"
    without = {"key change": NO_COMMAND, "deactivate": NO_COMMAND}

    def installed_version(self) -> str:
        return debian_version("lego")

    def _run(self, names: Sequence[str], *command: str, challenge: Challenge = "http-01") -> str:
        where = ["--server", self.server.directory, "--path", self.folder, "--email", EMAIL, "--accept-tos"]
        how = ["--http", "--http.port", f"127.0.0.1:{self.server.http_port}"]
        if challenge == "dns-01":
            how = ["--dns", "exec", "--dns.disable-cp", "--dns.resolvers", f"127.0.0.1:{self.server.dns_port}"]
        eab = ["--eab", "--kid", self.server.key_id, "--hmac", self.server.hmac_key]
        body = 'case "$1" in present) add "${2%.}" "$3";; cleanup) remove "${2%.}" "$3";; esac'
        hook = {"EXEC_PATH": str(self.hook("txt", body)), "EXEC_SEQUENCE_INTERVAL": "1"}
        return self.call(
            program("lego"), *where, *how, *eab, *(f"--domains={name}" for name in names), *command, **hook
        )

    def issue(self, *names: str, challenge: Challenge = "http-01") -> Path:
        self._run(names, "run", challenge=challenge)
        return self.folder / "certificates" / f"{names[0]}.crt"

    def renew(self, *names: str) -> Path:
        self._run(names, "renew", "--days", "9999", "--no-random-sleep")
        return self.folder / "certificates" / f"{names[0]}.crt"

    def revoke(self, file: Path) -> None:
        self._run([file.stem], "revoke", "--keep", "--reason", "4")


class Dehydrated(Client):
    """dehydrated, which writes answers into a folder that a web server serves."""

    name, version, source, program = "dehydrated", "0.7", "Debian", "dehydrated"
    without = {"key change": NO_COMMAND}

    def installed_version(self) -> str:
        return debian_version("dehydrated")

    def _run(self, *command: str | Path) -> str:
        (self.folder / "config").write_text(
            f"CA={self.server.directory}\nBASEDIR={self.folder}\nWELLKNOWN={self.folder / 'challenges'}\n"
            f"CURL_OPTS='--cacert {self.server.ca_bundle}'\nEAB_KID={self.server.key_id}\n"
            f"EAB_HMAC_KEY={self.server.hmac_key}\nCONTACT_EMAIL={EMAIL}\nLOCKFILE={self.folder / 'lock'}\n"
        )
        return self.call(program("dehydrated"), "-f", self.folder / "config", *command)

    def issue(self, *names: str, challenge: Challenge = "http-01") -> Path:
        if not (self.folder / "accounts").exists():
            self._run("--register", "--accept-terms")
        body = (
            'case "$1" in deploy_challenge) add "_acme-challenge.$2" "$4";;'
            ' clean_challenge) remove "_acme-challenge.$2" "$4";; esac'
        )
        how: list[str | Path] = ["-t", "dns-01", "-k", self.hook("txt", body)] if challenge == "dns-01" else []
        self._run("-c", *_named(names), *how)
        return self.folder / "certs" / names[0] / "fullchain.pem"

    def renew(self, *names: str) -> Path:
        self._run("-c", "-x", *_named(names))
        return self.folder / "certs" / names[0] / "fullchain.pem"

    def revoke(self, file: Path) -> None:
        self._run("--revoke", file.with_name("cert.pem"))

    def deactivate(self) -> None:
        self._run("--deactivate")

    def example(self) -> str:
        return self.plain(f"cat > config <<'END'\n{(self.folder / 'config').read_text()}END\n") + super().example()


class AcmeTiny(Client):
    """acme-tiny, which takes keys and CSRs from openssl, and has no EAB."""

    name, version, source, program, eab = "acme-tiny", "5.0", "Debian", "acme-tiny", False
    ca_variable = "SSL_CERT_FILE"
    without = {
        "dns-01": "http-01 only",
        "wildcard": "http-01 only",
        "revoke": NO_COMMAND,
        "key change": NO_COMMAND,
        "deactivate": NO_COMMAND,
    }

    def installed_version(self) -> str:
        return debian_version("acme-tiny")

    def issue(self, *names: str, challenge: Challenge = "http-01") -> Path:
        account, key, csr = (self.folder / name for name in ("account.key", "host.key", "host.csr"))
        if not account.exists():
            self.call("openssl", "genrsa", "-out", account, "2048")
        self.call("openssl", "genrsa", "-out", key, "2048")
        alternative = "subjectAltName=" + ",".join(f"DNS:{name}" for name in names)
        self.call("openssl", "req", "-new", "-key", key, "-subj", "/", "-addext", alternative, "-out", csr)
        return self.renew(*names)

    def renew(self, *names: str) -> Path:
        """Run the same command again: acme-tiny has no state of certificates."""
        files = ["--account-key", self.folder / "account.key", "--csr", self.folder / "host.csr"]
        challenges = ["--acme-dir", self.folder / "challenges", "--disable-check"]
        chain = self.call(
            program("acme-tiny"), *files, *challenges, "--quiet", "--directory-url", self.server.directory
        )
        file = self.folder / "host.pem"
        file.write_text(chain)
        return file


def debian_version(package: str) -> str:
    """Return the version of an installed Debian package, for clients that print none or another one."""
    command = ["dpkg-query", "--show", "--showformat=${Version}", package]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout


def _named(names: Sequence[str]) -> list[str]:
    return [part for name in names for part in ("-d", name)]
