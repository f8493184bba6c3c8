"""Libraries, in small programs of ours: `acme`, lacme, aioacme, acme-client of npm, autocert, acmez, cert-manager's client."""

from __future__ import annotations

import json
import shutil
import subprocess
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from tests.tools import go_programs
from tests.tools.acme_clients.client import Challenge, Client, program
from tests.tools.acme_clients.python_packages import environment_with_clients
from tests.tools.infisical_sdks import installed, run

PROGRAMS = Path(__file__).parent / "programs"
NEW_ORDER = "a new order"
NO_FUNCTION = "no such function"


class Program(Client):
    """A program that runs one operation of a library: `PROGRAM OPERATION [ARGUMENTS]`."""

    file: ClassVar[str]  # below `programs`, for the documentation
    without: ClassVar[Mapping[str, str]] = {"renew": NEW_ORDER}

    @abstractmethod
    def start(self) -> list[str | Path]:
        """Return the start of the command line."""

    def environment(self) -> dict[str, str]:
        return {**super().environment(), **self._settings()}

    def example(self) -> str:
        exports = "".join(f"export {name}={value}\n" for name, value in self._settings().items())
        return self.plain(exports) + super().example()

    def _settings(self) -> dict[str, str]:
        return {
            "ACME_DIRECTORY": self.server.directory,
            "ACME_CA_BUNDLE": str(self.server.ca_bundle),
            "ACME_KEY_ID": self.server.key_id,
            "ACME_HMAC_KEY": self.server.hmac_key,
            "ACME_RECORDS": str(self.server.records),
            "ACME_HTTP_ADDRESS": f"127.0.0.1:{self.server.http_port}",
        }

    def _run(self, *arguments: str | Path) -> str:
        return self.call(*self.start(), *arguments)

    def issue(self, *names: str, challenge: Challenge = "http-01") -> Path:
        if not (self.folder / "account.pem").exists():
            self._run("register")
        return self._chain("issue", names, challenge)

    def renew(self, *names: str) -> Path:
        return self._chain("renew", names, "http-01")

    def _chain(self, operation: str, names: tuple[str, ...], challenge: Challenge) -> Path:
        self._run(operation, challenge, *names)
        return self.folder / f"{names[0].replace('*', '_')}.crt"

    def revoke(self, file: Path) -> None:
        self._run("revoke", file)

    def change_key(self) -> None:
        self._run("change-key")

    def deactivate(self) -> None:
        self._run("deactivate")


class PythonLibrary(Program):
    """A library of PyPI."""

    source = "PyPI"

    def start(self) -> list[str | Path]:
        return [environment_with_clients() / "bin" / "python", PROGRAMS / self.file]

    def installed_version(self) -> str:
        code = f"from importlib.metadata import version; print(version({self.name!r}))"
        return self.call(environment_with_clients() / "bin" / "python", "-c", code)


class AcmeLibrary(PythonLibrary):
    """`acme`, the library of certbot."""

    name, version, file = "acme", "5.9.0", "python/acme_library.py"
    without = {"renew": NEW_ORDER, "key change": NO_FUNCTION}


class Lacme(PythonLibrary):
    """lacme."""

    name, version, file = "lacme", "1.2.1", "python/lacme_library.py"


class Aioacme(PythonLibrary):
    """aioacme."""

    name, version, file = "aioacme", "0.6.0", "python/aioacme_library.py"


class NodeLibrary(Program):
    """acme-client of npm."""

    name, version, source, program, file = "acme-client", "5.4.0", "npm", "npm", "node/client.mjs"
    ca_variable = "NODE_EXTRA_CA_CERTS"

    def start(self) -> list[str | Path]:
        return [program("node"), PROGRAMS / self.file, node_modules()]

    def installed_version(self) -> str:
        package = node_modules() / "node_modules" / "acme-client" / "package.json"
        return str(json.loads(package.read_text())["version"])


def node_modules() -> Path:
    """Return a folder from which Node.js can load acme-client; package-lock.json pins it with its dependencies."""
    lock = PROGRAMS / "node"

    def install(folder: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(lock / name, folder)
        run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(folder))

    return installed(
        f"acme-client@{json.loads((lock / 'package.json').read_text())['dependencies']['acme-client']}", install
    )


class GoLibrary(Program):
    """A Go library; go.sum pins it with its dependencies."""

    source, program = "Go", "go"
    module: ClassVar[str]
    without: ClassVar[Mapping[str, str]] = {}

    def start(self) -> list[str | Path]:
        return [go_programs.built(PROGRAMS / "go") / Path(self.file).parent.name]

    def installed_version(self) -> str:
        """Return the version of the module that is in the program."""
        text = subprocess.run(
            ["go", "version", "-m", *self.start()], capture_output=True, text=True, timeout=20, check=True
        ).stdout
        return next(line.split()[2] for line in text.splitlines() if line.split()[:2] == ["dep", self.module])


class Autocert(GoLibrary):
    """golang.org/x/crypto/acme/autocert, with its own handler for http-01, one name in each certificate."""

    own_web_server = True
    name, version, file = "autocert", "0.59.0", "go/autocert/main.go"
    module = "golang.org/x/crypto"
    without = {
        "dns-01": "http-01 and tls-alpn-01 only",
        "wildcard": "http-01 and tls-alpn-01 only",
        "several names": "one certificate for each name",
    }

    def issue(self, *names: str, challenge: Challenge = "http-01") -> Path:
        """Issue; autocert registers by itself."""
        return self._chain("issue", names, challenge)


class Acmez(GoLibrary):
    """acmez, the client of CertMagic."""

    name, version, file = "acmez", "3.1.7", "go/acmez/main.go"
    module = "github.com/mholt/acmez/v3"
    names_replaced = True


class CertManager(GoLibrary):
    """cert-manager's own client."""

    name, version, file = "cert-manager's client", "1.21.2", "go/certmanager/main.go"
    module = "github.com/cert-manager/cert-manager"
    names_replaced = True
