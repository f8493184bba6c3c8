"""Selection of certificates by patterns of names, labels, issuers and states, with the options of the commands."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated

import typer

from evercert.cli import arguments, show, terminal
from evercert.cli.files import BadInput
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Record

if TYPE_CHECKING:
    from evercert.cli.connection import Connection

WILDCARDS = "*?["
WILDCARD_NAME = "*."  # begins the name of a wildcard certificate
Patterns = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME", help="Names of certificates; * and ? match as in a shell. `*.example.com` is a name."
    ),
]
States = Annotated[
    list[str] | None,
    typer.Option("--state", help="Only certificates in these states (repeatable, or a list with commas)."),
]
Issuers = Annotated[
    list[str] | None,
    typer.Option("--issuer", help="Only certificates of these issuers (repeatable, or a list with commas)."),
]
Labels = Annotated[
    list[str] | None,
    typer.Option("--label", help="Only certificates with all of these labels (key=value, repeatable)."),
]


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
        issuer: Sequence[str] | None = None,
        state: Sequence[str] | None = None,
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

    def matches_name(self, name: str, exact: Collection[str] = ()) -> bool:
        """Return whether a pattern matches the name; those in `exact` are names themselves."""
        if not self.patterns:
            return True
        return name in self.patterns or any(
            fnmatchcase(name, pattern) for pattern in self.patterns if is_pattern(pattern) and pattern not in exact
        )

    def matches(self, record: Record | Unreadable, exact: Collection[str] = ()) -> bool:
        """Return whether all conditions hold; an unreadable record has neither labels nor issuers."""
        if not self.matches_name(record.name, exact):
            return False
        if self.states and self.states_of(record).isdisjoint(self.states):
            return False
        if isinstance(record, Unreadable):
            return not self.labels and not self.issuers
        if not self.labels.items() <= record.spec.labels.items():
            return False
        return not self.issuers or not set(self.issuers).isdisjoint(record.spec.issuer_names)

    @staticmethod
    def states_of(record: Record | Unreadable) -> set[str]:
        """Return the state, and `expired` if the certificate is."""
        row = show.summary(record, terminal.now())
        return {row["state"], *([show.EXPIRED] if row.get("expired") else [])}


def is_pattern(text: str) -> bool:
    """Whether the argument may match several names.

    `*.example.com` is the name of one certificate, stored or not: `delete` run twice must not delete others.
    """
    rest = text.removeprefix(WILDCARD_NAME)
    return not set(WILDCARDS).isdisjoint(rest)


@dataclass(frozen=True)
class Found:
    """Selected records by name, and the names of the selection that are neither stored nor patterns."""

    records: Iterator[Record | Unreadable]
    missing: list[str]


def find(connection: Connection, selection: Selection, after: str | None = None) -> Found:
    """Read the selected records that follow `after`; a pattern that is a stored name selects this one alone."""
    patterns = list(dict.fromkeys(selection.patterns))
    stored = {record.name: record for record in connection.specs.named(patterns)} if patterns else {}
    others = [pattern for pattern in patterns if pattern not in stored]
    missing = [pattern for pattern in others if not is_pattern(pattern)]
    if patterns and len(missing) == len(others):
        read: Iterable[Record | Unreadable] = (stored[name] for name in sorted(stored) if after is None or name > after)
    else:
        read = connection.specs.records(after)
    return Found((record for record in read if selection.matches(record, stored)), missing)


def chosen(connection: Connection, selection: Selection) -> list[Record | Unreadable]:
    """Return all selected records; raise BadInput if a name is missing, or if none is selected."""
    found = find(connection, selection)
    if found.missing:
        raise BadInput([terminal.not_found(name) for name in found.missing])
    with terminal.err.status("reading the table"):
        records = list(found.records)
    if not records:
        raise BadInput(["no certificates match; to see names, states and issuers, run: evercert list"])
    return records


def split(values: Iterable[str]) -> list[str]:
    """Return the values of a repeatable option that accepts lists with commas."""
    return [part.strip() for value in values for part in value.split(",") if part.strip()]
