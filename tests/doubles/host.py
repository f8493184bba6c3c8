"""A host without AWS: the stack that it follows, its hooks, its log, and its clock."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509

from evercert.contracts.certificate_status import CertificateStatus, DeliveredSecret, StackFailure
from evercert.errors import EvercertError, Misconfigured
from evercert.host.acknowledgement import Acknowledger
from evercert.host.certificate import HookEvent, HostCertificate
from evercert.host.context import HostContext
from evercert.host.follower import Follower
from evercert.host.hooks import Hook, HookResult
from evercert.host.outputs import Output
from evercert.host.state import States
from evercert.pki.certificate import to_pem
from tests.doubles.fakes import START
from tests.samples import chains
from tests.samples.certificates import key_pem, private_key

UID = "0ba4b4b0-6f0c-4a6e-9d8f-52d9a4b0c001"
LOCATION = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:evercert/certificates/web-AbCdEf"
ALGORITHM = "EC_prime256v1"
ROOT = chains.issue("Example Root")
CA = chains.issue("Example CA", ROOT)


@cache
def secret_value(revision: int, *, lasts: timedelta = timedelta(days=90), with_key: bool = True) -> str:
    """Return the value of a secret, as the destination writes it; each revision has its own serial number."""
    leaf = chains.leaf(CA, serial=1_000 + revision, lasts=lasts, key=private_key(ALGORITHM, revision))
    value = {"certificate": to_pem([leaf.certificate]), "certificate_chain": to_pem([CA.certificate])}
    return json.dumps(value | ({"private_key": key_pem(ALGORITHM, revision).decode()} if with_key else {}))


@dataclass
class FakeStack:
    """Holds one certificate of a stack; `error` is raised by every call."""

    status_: CertificateStatus | None = None
    values: dict[str, str] = field(default_factory=dict)
    error: EvercertError | None = None
    calls: list[str] = field(default_factory=list)

    def deliver(self, revision: int, *, value: str | None = None, **facts: timedelta) -> None:
        """Let the stack deliver a revision."""
        version = f"version-{revision}"
        self.values[version] = value if value is not None else secret_value(revision, **facts)
        self.status_ = CertificateStatus(UID, "ready", revision, (DeliveredSecret(LOCATION, version, revision),))

    def fail(self, kind: str = "rejected", message: str = "policy says no") -> None:
        """Let the stack fail to renew."""
        known = self.status_ or CertificateStatus(UID, "failing", 0)
        self.status_ = replace(known, state="failing", failure=StackFailure(kind, message, START))

    def status(self, name: str) -> CertificateStatus | None:
        """Return the state of the certificate."""
        self.calls.append(f"status {name}")
        if self.error is not None:
            raise self.error
        return self.status_

    def secret(self, location: str, version: str) -> str:
        """Return the value of a version."""
        self.calls.append(f"secret {version}")
        if self.error is not None:
            raise self.error
        if version not in self.values:
            raise Misconfigured(f"secret {location} was deleted or replaced; the stack repairs it")
        return self.values[version]


@dataclass
class FakeHooks:
    """Records the hooks that run; `problems` are the results of the next ones, None for success."""

    problems: list[str | None] = field(default_factory=list)
    ran: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def run(self, hook: Hook, variables: Mapping[str, str]) -> HookResult:
        """Record a hook."""
        self.ran.append((hook.command, dict(variables)))
        return HookResult(self.problems.pop(0) if self.problems else None, "")

    @property
    def commands(self) -> list[str]:
        """Return the commands, in their order."""
        return [command for command, _ in self.ran]


@dataclass
class ListLog:
    """Keeps the lines of a log."""

    lines: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def info(self, message: str, **_: object) -> None:
        """Keep what happened."""
        self.lines.append(message)

    def error(self, message: str, **_: object) -> None:
        """Keep what failed."""
        self.errors.append(message)


class FakeHost:
    """One host with one certificate, `web`; `restart` begins a new process with the same files and states."""

    def __init__(self, folder: Path, *, outputs: tuple[str, ...] = ("certificate", "private-key", "chain")) -> None:
        self.folder = folder / "tls"
        self.now = START
        self.stack, self.hooks, self.log = FakeStack(), FakeHooks(), ListLog()
        self.states = States(folder / "state")
        self.acknowledger: Acknowledger | None = None
        self.outputs = tuple(Output(kind, self.folder / f"web.{kind}") for kind in outputs)  # type: ignore[arg-type]
        self.commands: dict[HookEvent, Hook] = {
            event: Hook(event) for event in ("on-issuance", "on-renewal", "on-failure")
        }
        self.follower = self.restart()

    def restart(self) -> Follower:
        """Return the follower of a new process."""
        certificate = HostCertificate("web", self.outputs, self.commands, "www.example.com", "agent.yaml:3")
        self.follower = Follower(
            certificate, HostContext(self.stack, self.states, self.hooks, self.clock, self.acknowledger), self.log
        )
        return self.follower

    def clock(self) -> datetime:
        """Return the time of the host."""
        return self.now

    def path(self, kind: str) -> Path:
        """Return the path of a file."""
        return self.folder / f"web.{kind}"

    def serial(self) -> int:
        """Return the serial number of the certificate's file."""
        return serial_of(self.path("certificate").read_bytes())


def serial_of(pem: bytes) -> int:
    """Return the serial number of the first certificate."""
    return x509.load_pem_x509_certificate(pem).serial_number
