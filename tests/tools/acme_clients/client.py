"""Base of the classes that run ACME clients of other people."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import pytest

from tests.doubles.infisical.http_server import Answer, Serving
from tests.tools.acme_clients import examples

Challenge = Literal["http-01", "dns-01"]
EMAIL = "ops@example.com"
SECONDS = 120  # for one command
NO_COMMAND = "no such command"


class ClientFailed(AssertionError):
    """Failure of a client, with its output."""


@dataclass(frozen=True)
class Server:
    """A directory, the CA bundle of its API, a credential, and where it validates names.

    It loads the page of every host from `http_port` on loopback, and asks a name server that reads `records`. `dns_port`
    is that of the name server. Without `key_id`, clients register without a credential.
    """

    directory: str
    ca_bundle: Path
    http_port: int
    dns_port: int
    records: Path
    key_id: str = ""
    hmac_key: str = ""


@dataclass
class Client:
    """A client in a folder of its own; each method runs one operation and fails if the client does.

    `without` has the operations that the client does not have, with the reason.
    """

    server: Server
    folder: Path
    mark: str  # the start of its names
    tls_port: int = 0
    commands: list[list[str]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    name: ClassVar[str]
    version: ClassVar[str]  # `installed_version` must contain it
    source: ClassVar[str]
    program: ClassVar[str] = "python3"  # without it, the test is skipped
    eab: ClassVar[bool] = True
    ca_variable: ClassVar[str] = ""
    own_web_server: ClassVar[bool] = False
    names_replaced: ClassVar[bool] = False  # renews with `replaces` (RFC 9773 §5)
    without: ClassVar[Mapping[str, str]] = {}

    def __post_init__(self) -> None:
        """Prepare the folder, if the client needs another one."""

    @abstractmethod
    def installed_version(self) -> str:
        """Return a text with the version of the client at hand."""

    @abstractmethod
    def issue(self, *names: str, challenge: Challenge = "http-01") -> Path:
        """Issue a certificate, and register before if there is no account; return the file of the chain."""

    def renew(self, *names: str) -> Path:
        """Renew a certificate before its time; return the file of the chain."""
        raise NotImplementedError

    def revoke(self, file: Path) -> None:
        """Revoke the certificate in this file."""
        raise NotImplementedError

    def change_key(self) -> None:
        raise NotImplementedError

    def deactivate(self) -> None:
        raise NotImplementedError

    def example(self) -> str:
        """Return the commands so far as documentation: with placeholders instead of this run's values."""
        trust = {name: self.plain(value) for name, value in self.trust().items()}
        commands = [[self.plain(part) for part in command] for command in self.commands]
        return "\n".join(examples.line(command, trust if command[0] != "openssl" else {}) for command in commands)

    def plain(self, text: str) -> str:
        """Return a text with placeholders instead of this run's values."""
        server = self.server
        values = {
            server.directory: "DIRECTORY",
            server.key_id: "KEY-ID",
            server.hmac_key: "HMAC-KEY",
            str(server.ca_bundle): "ca.pem",
            str(server.records): "records",
            f"{self.folder}/": "",
            str(self.folder): ".",
            str(server.http_port): "80",
            str(self.tls_port): "443",
            "127.0.0.1": "0.0.0.0",
            f"{self.mark}.example.com": "www.example.com",
            f"{self.mark}-2.example.com": "api.example.com",
        }
        return examples.plain(text, values)

    def trust(self) -> dict[str, str]:
        """Return the environment variable that makes the client trust the server's CA."""
        return {self.ca_variable: str(self.server.ca_bundle)} if self.ca_variable else {}

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Serve the pages in the client's folder `challenges`, unless it has a web server of its own."""
        if self.own_web_server:
            yield
            return
        folder = self.folder / "challenges"
        folder.mkdir(exist_ok=True)

        def answer(_method: str, path: str, *_: object) -> Answer:
            file = folder / path.rpartition("/")[2]
            return (200, {}, file.read_bytes()) if file.is_file() else (404, {}, b"")

        serving = Serving(answer, port=self.server.http_port)
        serving.start()
        try:
            yield
        finally:
            serving.stop()

    def call(self, *command: str | Path, given: str = "", **environment: str) -> str:
        """Run a command that trusts the server's CA; return its output."""
        done = subprocess.run(
            [str(part) for part in command],
            env={**self.environment(), **environment},
            cwd=self.folder,
            input=given,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        self.commands.append([str(part) for part in command])
        self.said.append(done.stdout + done.stderr)
        if done.returncode != 0:
            raise ClientFailed(f"{shlex.join(self.commands[-1])}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def environment(self) -> dict[str, str]:
        """Return the environment of the client's processes."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), **self.trust()}

    def hook(self, name: str, body: str) -> Path:
        """Write a shell script, which can `add` and `remove` a TXT record: `add NAME VALUE`."""
        record = f'"{self.server.records}/$1=$2"'
        file = self.folder / name
        file.write_text(f"#!/bin/sh\nset -eu\nadd() {{ touch {record}; }}\nremove() {{ rm -f {record}; }}\n{body}\n")
        file.chmod(0o755)
        return file


def program(name: str) -> str:
    """Return the path of a program; skip the test if it is not installed."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found
