"""The issuance trail: one entry for each answer to a request, each decision about it, and each change by a caller."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, Protocol, Self
from uuid import uuid4

from evercert.authority.ca.leaf_fields import Leaf
from evercert.authority.contracts.approval_terms import Decision
from evercert.authority.contracts.records import CertificateRecord, Origin, RequestRecord

Action = Literal["issue", "renew", "revoke", "approve", "reject", "configure", "import"]
Result = Literal["issued", "pending", "failed", "refused", "revoked", "approved", "rejected", "changed", "imported"]
LONGEST_REASON = 1_000  # characters
MOST_NAMES_BYTES = 4_000  # of all names in an entry


@dataclass(frozen=True)
class Actor:
    """Who changes a certificate or a request: an identity, an ACME account, or nothing for the certificate's key."""

    identity: str
    origin: Origin


OPERATOR = Actor("", "command")


@dataclass(frozen=True)
class IssuanceEntry:
    """Who asked for what under which profile, and the answer. Contains no secret, and at most about 6,000 bytes."""

    id: str  # the same for a repeated answer, so that it is stored once
    at: datetime
    identity: str  # id of the identity or ACME account, ARN of an operator who decided; empty for others and for keys
    origin: Origin
    action: Action
    result: Result
    profile: str  # id
    application: str | None  # id
    names: tuple[str, ...]
    names_left_out: int = 0
    reason: str = ""
    request: str | None = None
    certificate: str | None = None
    serial_number: str | None = None

    @classmethod
    def refused(cls, asked: Asked, at: datetime, reason: str) -> Self:
        """Return the entry of a request that was refused before it was stored."""
        action: Action = "import" if asked.imports else "renew" if asked.renews else "issue"
        names, left = _bounded(asked.names)
        return cls(
            str(uuid4()), at, asked.identity, asked.origin, action, "refused", asked.profile, asked.application, names,
            left, _shortened(reason), certificate=asked.renews,
        )  # fmt: skip

    @classmethod
    def pending(cls, request: RequestRecord) -> Self:
        """Return the entry of a stored request whose certificate the caller must wait for."""
        return replace(cls._of(request, request.created_at, "pending"), reason=_awaited(request))

    @classmethod
    def failed(cls, request: RequestRecord, error: str, by: Actor | None = None) -> Self:
        """Return the entry of a stored request that failed when it was updated; `by` cancelled it."""
        found = replace(cls._of(request, request.updated_at, "failed"), reason=_shortened(error))
        return found if by is None else replace(found, identity=by.identity, origin=by.origin)

    @classmethod
    def decided(cls, request: RequestRecord, decision: Decision) -> Self:
        """Return the entry of a decision about a request, as it was before the decision."""
        result: Result = "approved" if decision.approved else "rejected"
        found = cls._of(request, decision.at, result)
        return replace(
            found,
            id=f"{found.id}-{len(request.decisions)}",
            identity=decision.by if decision.origin == "api" else decision.by_name,
            origin=decision.origin,
            action="approve" if decision.approved else "reject",
            reason=_shortened(decision.reason),
        )

    @classmethod
    def issued(cls, request: RequestRecord, record: CertificateRecord) -> Self:
        """Return the entry of an issued certificate."""
        found = cls._of(request, record.created_at, "issued")
        return replace(found, certificate=record.id, serial_number=record.serial_number)

    @classmethod
    def revoked(cls, record: CertificateRecord, at: datetime, reason: str, by: Actor) -> Self:
        """Return the entry of a revoked certificate."""
        names, left = _bounded(names_of(record.leaf))
        return cls(
            f"{record.id}-revoked", at, by.identity, by.origin, "revoke", "revoked", record.profile, record.application,
            names, left, reason, record.request, record.id, record.serial_number,
        )  # fmt: skip

    @classmethod
    def configured(cls, record: CertificateRecord, at: datetime, days: int | None, by: Actor) -> Self:
        """Return the entry of a change of the automatic renewal; None ends it."""
        names, left = _bounded(names_of(record.leaf))
        change = "no automatic renewal" if days is None else f"automatic renewal {days} days before the end"
        return cls(
            f"{record.id}-changed-{uuid4()}", at, by.identity, by.origin, "configure", "changed", record.profile,
            record.application, names, left, change, record.request, record.id, record.serial_number,
        )  # fmt: skip

    @classmethod
    def imported(cls, record: CertificateRecord) -> Self:
        """Return the entry of an imported certificate."""
        names, left = _bounded(names_of(record.leaf))
        return cls(
            f"{record.id}-imported", record.created_at, record.identity, "api", "import", "imported", record.profile,
            record.application, names, left, certificate=record.id, serial_number=record.serial_number,
        )  # fmt: skip

    @classmethod
    def _of(cls, request: RequestRecord, at: datetime, result: Result) -> Self:
        names, left = _bounded(names_of(request.leaf))
        return cls(
            f"{request.id}-{result}", at, request.identity, request.origin, "renew" if request.renews else "issue",
            result, request.profile, request.application, names, left, request=request.id,
        )  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """A request that is not stored yet; its caller has permission for the profile."""

    identity: str
    origin: Origin
    profile: str
    application: str | None
    names: tuple[str, ...]
    renews: str | None = None  # id of the certificate
    imports: bool = False


class IssuanceTrail(Protocol):
    """Entries that belong to no other write; those of requests and certificates are stored together with them."""

    def record(self, entry: IssuanceEntry) -> None:
        """Append an entry; does nothing if it is stored already. Raise Unavailable or Misconfigured."""


def names_of(leaf: Leaf) -> tuple[str, ...]:
    """Return the common name and the alternative names, each once."""
    return tuple(dict.fromkeys([*leaf.subject.get("common_name", ()), *(name.value for name in leaf.names)]))


def is_delayed(request: RequestRecord) -> bool:
    """Return whether a new request waits for an approval or for an external issuer."""
    return request.status == "pending_approval" or bool(request.external)


def _awaited(request: RequestRecord) -> str:
    """Return what a new request waits for; empty if only for the signer."""
    if request.approval is not None:
        return f"waits for {request.approval.needed} approvals"
    return f"waits for issuer {request.external}" if request.external else ""


def _bounded(names: tuple[str, ...]) -> tuple[tuple[str, ...], int]:
    """Return the first names, up to a total size, and the number of the others."""
    size = 0
    for number, name in enumerate(names):
        size += len(name.encode(errors="replace"))
        if size > MOST_NAMES_BYTES:
            return names[:number], len(names) - number
    return names, 0


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_REASON else f"{text[: LONGEST_REASON - 1]}…"
