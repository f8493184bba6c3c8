"""Selection of certificates by patterns of names, labels, issuers and states."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase

from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Record
from evercert.operations.summaries import EXPIRED, summary

WILDCARDS = "*?["
WILDCARD_NAME = "*."  # begins the name of a wildcard certificate


@dataclass(frozen=True)
class Selection:
    """Conditions on a certificate, which must all hold; without conditions, it is selected.

    One of `patterns` must match its name, with `*` and `?` as in a shell.
    """

    patterns: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    issuers: tuple[str, ...] = ()
    states: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.patterns or self.labels or self.issuers or self.states)

    def matches_name(self, name: str, exact: Collection[str] = ()) -> bool:
        """Return whether a pattern matches the name; those in `exact` are names themselves."""
        if not self.patterns:
            return True
        return name in self.patterns or any(
            fnmatchcase(name, pattern) for pattern in self.patterns if is_pattern(pattern) and pattern not in exact
        )

    def matches(self, record: Record | Unreadable, now: datetime, exact: Collection[str] = ()) -> bool:
        """Return whether all conditions hold at `now`; an unreadable record has neither labels nor issuers."""
        if not self.matches_name(record.name, exact):
            return False
        if self.states and states_of(record, now).isdisjoint(self.states):
            return False
        if isinstance(record, Unreadable):
            return not self.labels and not self.issuers
        if not self.labels.items() <= record.spec.labels.items():
            return False
        return not self.issuers or not set(self.issuers).isdisjoint(record.spec.issuer_names)


def states_of(record: Record | Unreadable, now: datetime) -> set[str]:
    """Return the state, and `expired` if the certificate is."""
    row = summary(record, now)
    return {row["state"], *([EXPIRED] if row.get("expired") else [])}


def is_pattern(text: str) -> bool:
    """Whether the argument may match several names.

    `*.example.com` is the name of one certificate, stored or not: `delete` run twice must not delete others.
    """
    rest = text.removeprefix(WILDCARD_NAME)
    return not set(WILDCARDS).isdisjoint(rest)
