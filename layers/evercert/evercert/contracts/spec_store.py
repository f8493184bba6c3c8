"""The protocol of operator commands: what `apply`, `list` and `renew` need from the table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from evercert.contracts.events import Outcome
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Record
from evercert.contracts.revisions import KeptRevisions, RollbackRequest
from evercert.registry import Component


@dataclass(frozen=True)
class Change:
    """An operator's write: a new record, or a new spec for the record `seen` under its name."""

    record: Record
    seen: Record | Unreadable | None


@dataclass(frozen=True)
class PauseTarget:
    """Target of a pause: one certificate, all certificates of an issuer, or the whole stack (both are None)."""

    issuer: str | None = None
    certificate: str | None = None

    def __str__(self) -> str:
        if self.certificate is not None:
            return f"certificate {self.certificate}"
        return "the stack" if self.issuer is None else f"issuer {self.issuer}"


STACK = PauseTarget()


@dataclass(frozen=True)
class Pause:
    """A flag that stops issuance until `until`, or until an operator removes it.

    `since` is None if it was set manually without a time.
    """

    since: datetime | None
    reason: str | None = None
    until: datetime | None = None

    def ended(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.until is not None and self.until <= now


def pauses_of(record: Record, pauses: Mapping[PauseTarget, Pause]) -> list[PauseTarget]:
    """Return the pauses that stop this certificate; pauses of issuers count only if all its issuers are paused."""
    issuers = [PauseTarget(name) for name in record.spec.issuer_names]
    every = issuers if all(target in pauses for target in issuers) else []
    return [target for target in (STACK, *every, PauseTarget(certificate=record.name)) if target in pauses]


class Specs(Protocol):
    """Records as operators write them: spec, generation and request, never the issuer's attributes.

    Each method raises Unavailable or Misconfigured.
    """

    def records(self, after: str | None = None) -> Iterable[Record | Unreadable]:
        """Iterate over all records whose names follow `after`, by name; reads no outcomes."""

    def named(self, names: Sequence[str]) -> Iterable[Record | Unreadable]:
        """Iterate over the records with these names as they are now; `records` may lack the writes of a second."""

    def record(self, name: str) -> Record | Unreadable | None:
        """Return one record, or None if it is missing."""

    def write(self, changes: Sequence[Change], due_at: datetime) -> None:
        """Write at most 100 changes in one transaction; raise Rejected if another writer changed a record meanwhile."""

    def request(self, name: str, at: datetime, due_at: datetime | None = None, reason: str | None = None) -> bool:
        """Request a new certificate by `due_at`, by default now; return False if the record is missing."""

    def request_rollback(self, record: Record, rollback: RollbackRequest) -> None:
        """Request a rollback of this record, due now, which replaces an earlier one; raise Rejected if it was deleted.

        Idempotent.
        """

    def kept(self, record: Record) -> KeptRevisions:
        """Return the kept revisions of the certificate."""

    def forget(self, record: Record | Unreadable) -> None:
        """Delete the kept revisions of the certificate, with their sealed keys. Idempotent."""

    def wake(self, name: str, at: datetime, now: datetime) -> None:
        """Make the record due at `at`, unless it is due sooner; a run in progress is repeated at once. Idempotent."""

    def remove(self, record: Record | Unreadable) -> None:
        """Delete the record and its kept revisions; keep its history and the delivered secret. Idempotent."""

    def history(self, name: str) -> list[Outcome]:
        """Return the outcomes of a certificate, oldest first."""

    def issuers(self) -> dict[str, Component]:
        """Return the issuer definitions by name."""

    def write_issuer(self, name: str, definition: Component) -> None:
        """Store an issuer definition, replacing the previous one. Idempotent."""

    def pause(self, target: PauseTarget, pause: Pause, now: datetime) -> bool:
        """Stop issuance; return False and keep an active pause; replace one that has ended."""

    def resume(self, target: PauseTarget) -> bool:
        """Remove the pause, ended or not; return False if there was none."""

    def pauses(self, now: datetime) -> dict[PauseTarget, Pause]:
        """Return the pauses that have not ended."""
