"""Selection of certificates by patterns of names, labels, issuers and states."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from evercert.cli import arguments, show
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Record


@dataclass(frozen=True)
class Selection:
    """Conditions on a certificate, which must all hold; without conditions, it is selected.

    One of `patterns` must match its name, with `*` and `?` as in a shell.
    """

    patterns: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    issuers: tuple[str, ...] = ()
    states: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        names: Sequence[str] | None,
        label: Sequence[str] | None,
        issuer: Sequence[str] | None,
        state: Sequence[str] | None,
    ) -> Selection:
        """Read the options of a command; issuers and states may be lists with commas. Raises BadInput."""
        return cls(
            tuple(map(arguments.stored_name, names or ())),
            arguments.labels(label or ()),
            tuple(split(issuer or ())),
            tuple(arguments.states(split(state or ()))),
        )

    def __bool__(self) -> bool:
        return bool(self.patterns or self.labels or self.issuers or self.states)

    def matches(self, record: Record | Unreadable) -> bool:
        """Return whether all conditions but the states hold; an unreadable record has neither labels nor issuers."""
        if self.patterns and not any(fnmatchcase(record.name, pattern) for pattern in self.patterns):
            return False
        if isinstance(record, Unreadable):
            return not self.labels and not self.issuers
        if not self.labels.items() <= record.spec.labels.items():
            return False
        return not self.issuers or not set(self.issuers).isdisjoint(record.spec.issuer_names)

    def row(self, record: Record | Unreadable) -> dict[str, Any] | None:
        """Return the summary of a selected record, or None."""
        if not self.matches(record):
            return None
        row = show.summary(record)
        return row if not self.states or row["state"] in self.states else None


def split(values: Iterable[str]) -> list[str]:
    """Return the values of a repeatable option that accepts lists with commas."""
    return [part.strip() for value in values for part in value.split(",") if part.strip()]
