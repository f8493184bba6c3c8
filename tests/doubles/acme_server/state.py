"""Resources that the server keeps, and their JSON (RFC 8555 §7.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from evercert.acme.jwk import JWK
from evercert.acme.problem import URN
from evercert.timestamps import to_text


@dataclass(eq=False)
class Account:
    """A registered account."""

    jwk: JWK
    contact: list[str]
    external: str | None = None
    url: str = ""
    status: str = "valid"

    def body(self) -> dict[str, Any]:
        """Return the account object."""
        return {"status": self.status, "contact": self.contact, "orders": f"{self.url}/orders"}


@dataclass(eq=False)
class Challenge:
    """A challenge of an authorization."""

    type: str
    token: str
    url: str = ""
    status: str = "pending"
    error: dict[str, Any] | None = None

    def body(self) -> dict[str, Any]:
        """Return the challenge object."""
        error = {"error": self.error} if self.error else {}
        return {"type": self.type, "url": self.url, "token": self.token, "status": self.status, **error}


@dataclass(eq=False)
class Authorization:
    """An authorization for one identifier of one order."""

    account: Account
    identifier: dict[str, str]
    wildcard: bool
    expires: datetime
    challenges: list[Challenge] = field(default_factory=list)
    url: str = ""
    status: str = "pending"

    @property
    def name(self) -> str:
        """The name as the order has it."""
        return f"*.{self.identifier['value']}" if self.wildcard else self.identifier["value"]

    def body(self) -> dict[str, Any]:
        """Return the authorization object."""
        return {
            "identifier": self.identifier,
            "status": self.status,
            "expires": to_text(self.expires),
            "challenges": [challenge.body() for challenge in self.challenges],
            **({"wildcard": True} if self.wildcard else {}),
        }


@dataclass(eq=False)
class Order:
    """An order; the counts are the reads that it still answers with an older state."""

    account: Account
    identifiers: list[dict[str, str]]
    expires: datetime
    profile: str | None
    processing_challenges: int
    late_ready: int
    late_finalize: int
    processing: int
    authorizations: list[Authorization] = field(default_factory=list)
    listed: list[str] = field(default_factory=list)
    url: str = ""
    finalize: str = ""
    certificate: str | None = None
    csr: bytes | None = None
    status: str = "pending"
    error: dict[str, Any] | None = None

    def body(self) -> dict[str, Any]:
        """Return the order object; without its own URL, which is in the Location header."""
        return {
            "status": self.status,
            "expires": to_text(self.expires),
            "identifiers": self.identifiers,
            "authorizations": self.listed,
            "finalize": self.finalize,
            **({"certificate": self.certificate} if self.status == "valid" else {}),
            **({"error": self.error} if self.error else {}),
        }


def error_body(kind: str, detail: str) -> dict[str, Any]:
    """Return a problem inside of a resource."""
    return {"type": f"{URN}{kind}", "detail": detail}
