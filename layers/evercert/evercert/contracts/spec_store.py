"""The contract for operators: what `apply`, `list` and `renew` need from the table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from evercert.contracts.events import Outcome
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Record
from evercert.registry import Component


@dataclass(frozen=True)
class Change:
    """One write of an operator: a new record, or another spec for what was seen under its name."""

    record: Record
    seen: Record | Unreadable | None


@dataclass(frozen=True)
class Pause:
    """A flag by which nothing is issued; `since` is None when it was set by hand, without a moment."""

    since: datetime | None
    reason: str | None = None


class Specs(Protocol):
    """Records as operators write them: spec, generation, request; never what the issuer owns."""

    def records(self) -> Iterable[Record | Unreadable]:
        """All of them; reads the whole table."""

    def record(self, name: str) -> Record | Unreadable | None:
        """One of them."""

    def write(self, changes: Sequence[Change], due_at: datetime) -> None:
        """All or none of at most 100; raises Rejected when one was changed by somebody else meanwhile."""

    def request(self, name: str, at: datetime, due_at: datetime | None = None, reason: str | None = None) -> bool:
        """Asks for a new certificate by `due_at` (at once without it); False when there is no such record."""

    def wake(self, name: str, at: datetime, now: datetime) -> None:
        """Makes the record due at `at`, unless it is due sooner; a run under way comes back at once."""

    def remove(self, record: Record | Unreadable) -> None:
        """Deletes the record; its history stays, its secret is not touched."""

    def history(self, name: str) -> list[Outcome]:
        """Its outcomes, oldest first."""

    def issuers(self) -> dict[str, Component]:
        """The issuer definitions."""

    def write_issuer(self, name: str, definition: Component) -> None:
        """Stores a definition."""

    def pause(self, issuer: str | None, at: datetime, reason: str | None = None) -> bool:
        """Nothing of this issuer, or of the whole stack, is issued from now on; False when it was paused already."""

    def resume(self, issuer: str | None) -> bool:
        """Takes the flag away; False when there was none."""

    def pauses(self) -> dict[str | None, Pause]:
        """What is paused, by issuer; None: the whole stack."""
