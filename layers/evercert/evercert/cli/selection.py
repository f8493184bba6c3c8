"""Options of the commands that select certificates, and the certificates that they select."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from evercert.cli import arguments, terminal
from evercert.cli.files import BadInput
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Record
from evercert.operations.selection import Selection, is_pattern

if TYPE_CHECKING:
    from evercert.cli.connection import Connection

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


def selection_options(
    names: Sequence[str] | None,
    label: Sequence[str] | None,
    issuer: Sequence[str] | None = None,
    state: Sequence[str] | None = None,
) -> Selection:
    """Read the options of a command; issuers and states may be lists with commas. Raises BadInput."""
    return Selection(
        tuple(map(arguments.stored_name, names or ())),
        arguments.labels(label or ()),
        tuple(split(issuer or ())),
        tuple(arguments.states(split(state or ()))),
    )


@dataclass(frozen=True)
class Found:
    """Selected records by name, and the names of the selection that are neither stored nor patterns."""

    records: Iterator[Record | Unreadable]
    missing: list[str]


def find(connection: Connection, wanted: Selection, after: str | None = None) -> Found:
    """Read the selected records that follow `after`; a pattern that is a stored name selects this one alone."""
    patterns, now = list(dict.fromkeys(wanted.patterns)), terminal.now()
    stored = {record.name: record for record in connection.specs.named(patterns)} if patterns else {}
    others = [pattern for pattern in patterns if pattern not in stored]
    missing = [pattern for pattern in others if not is_pattern(pattern)]
    if patterns and len(missing) == len(others):
        read: Iterable[Record | Unreadable] = (stored[name] for name in sorted(stored) if after is None or name > after)
    else:
        read = connection.specs.records(after)
    return Found((record for record in read if wanted.matches(record, now, stored)), missing)


def chosen(connection: Connection, wanted: Selection) -> list[Record | Unreadable]:
    """Return all selected records; raise BadInput if a name is missing, or if none is selected."""
    found = find(connection, wanted)
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
