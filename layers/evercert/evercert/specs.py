"""The contract for operators: what `apply`, `list` and `renew` need from the table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from evercert.events import Outcome
from evercert.ports import Unreadable
from evercert.record import Record
from evercert.spec import Component


@dataclass(frozen=True)
class Change:
    """One write of an operator: a new record, or another spec for what was seen under its name."""

    record: Record
    seen: Record | Unreadable | None


class Specs(Protocol):
    """Records as operators write them: spec, generation, request; never what the issuer owns."""

    def records(self) -> Iterable[Record | Unreadable]:
        """All of them; reads the whole table."""

    def record(self, name: str) -> Record | Unreadable | None:
        """One of them."""

    def write(self, changes: Sequence[Change], due_at: datetime) -> None:
        """All or none of at most 100; raises Rejected when one was changed by somebody else meanwhile."""

    def request(self, name: str, at: datetime) -> bool:
        """Asks for a new certificate; False when there is no such record."""

    def wake(self, name: str, at: datetime, now: datetime) -> None:
        """Makes the record due at `at`, unless it is due sooner; a run under way comes back at once."""

    def remove(self, record: Record) -> None:
        """Deletes the record; its history stays, its secret is not touched."""

    def history(self, name: str) -> list[Outcome]:
        """Its outcomes, oldest first."""

    def issuers(self) -> dict[str, Component]:
        """The issuer definitions."""

    def write_issuer(self, name: str, definition: Component) -> None:
        """Stores a definition."""
