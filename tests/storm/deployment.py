"""A deployed local stack with three issuers: the stack's own authority, the double of Infisical, and self-signed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.doubles.infisical import Planted
from tests.stack.conftest import Stack
from tests.tools.local_authority import LocalAuthority, serve_authority, set_up
from tests.tools.local_infisical import beside, definition, logins
from tests.tools.local_stack import build, deploy, emulator
from tests.tools.ports import free_port

AUTHORITY, DOUBLE, SELF_SIGNED = "authority", "double", "self-signed"
ISSUERS = (AUTHORITY, DOUBLE, SELF_SIGNED)
LONG = "30d"  # lifetime of the certificates after the storm


@dataclass
class Site:
    """The stack of a storm, its CAs, and the documents of its certificates."""

    stack: Stack
    double: Planted
    authority: LocalAuthority
    issuers: dict[str, dict[str, Any]]
    roots: tuple[str, ...]
    folder: Path
    lifetime: int  # seconds
    edits: dict[str, int] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)

    def document(self, names: Sequence[str], *, ttl: str | None = None) -> str:
        """Write the document of these certificates and return its path."""
        file = self.folder / f"{'-'.join(names[:1])}-{len(names)}.yaml"
        content = {
            "version": "evercert/v1",
            "issuers": self.issuers if len(names) > 1 else {issuer_of(names[0]): self.issuers[issuer_of(names[0])]},
            "certificates": [self._certificate(name, ttl) for name in names],
        }
        file.write_text(json.dumps(content))
        return str(file)

    def _certificate(self, name: str, ttl: str | None) -> dict[str, Any]:
        edits = [host(f"edit-{self.edits[name]}-{name}")] if name in self.edits else []
        return {
            "name": name,
            "issuer": issuer_of(name),
            "attributes": {
                "common-name": host(name),
                "alt-names": edits,
                "ttl": ttl or f"{self.lifetime}s",
            },
            "lifecycle": {} if ttl else {"renew-before-expiry": f"{self.lifetime * 2 // 3}s"},
            "destinations": [{"type": "secrets-manager"}, *([{"type": "acm"}] if in_acm(name) else [])],
            "labels": {"storm": str(self.labels.get(name, 0))},
        }


def names_of(each: int) -> tuple[str, ...]:
    """Return the names of a fleet with so many certificates of each issuer."""
    return tuple(f"{issuer}-{number:02d}" for number in range(each) for issuer in ISSUERS)


def issuer_of(name: str) -> str:
    return name.rpartition("-")[0]


def in_acm(name: str) -> bool:
    """Return whether the certificate is also delivered to ACM: every third one."""
    return int(name.rpartition("-")[2]) % 3 == 0


def host(name: str) -> str:
    return f"{name}.example.com"


@contextmanager
def site(folder: Path, lifetime: int) -> Iterator[Site]:
    """Deploy the stack and set up its issuers."""
    with emulator() as running:
        build()
        stack = Stack(running, deploy(running, AuthorityAddress=f"https://127.0.0.1:{free_port()}"))

        def command(*arguments: str) -> str:
            done = stack.evercert(*arguments)
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        with beside(running) as double, serve_authority(running, stack.outputs) as authority:
            identity = set_up(command, stack.outputs["IssuerRole"])
            issuers = {
                AUTHORITY: {
                    "type": "infisical",
                    "address": authority.address,
                    "application": "my-app",
                    "profile": "tls-server",
                    "ca-bundle": authority.ca_bundle,
                    "auth": {"type": "aws-iam", "identity-id": identity},
                },
                DOUBLE: definition(double, logins(double, "")["aws-iam"]),
                SELF_SIGNED: {"type": "self-signed"},
            }
            roots = (command("authority", "ca", "show", "root", "--pem"), double.authority.chain()[-1])
            yield Site(stack, double, authority, issuers, roots, folder, lifetime)
