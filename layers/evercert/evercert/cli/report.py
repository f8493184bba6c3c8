"""Command `report`: one HTML page of the certificates, for people without access to AWS."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from evercert.cli import terminal
from evercert.cli.files import BadInput
from evercert.cli.output_file import OutputFile
from evercert.cli.selection import Issuers, Labels, Patterns, States, find, selection_options
from evercert.cli.terminal import Region, Stack
from evercert.operations.selection import Selection

if TYPE_CHECKING:
    from evercert.cli.connection import Connection
    from evercert.operations.report.page import Report

STANDARD_OUTPUT = "-"

Html = Annotated[
    str,
    typer.Option("--html", metavar="FILE", help="HTML file to write or replace; - writes to standard output."),
]


def report(
    names: Patterns = None,
    *,
    html: Html,
    state: States = None,
    label: Labels = None,
    issuer: Issuers = None,
    stack: Stack = "evercert",
    region: Region = None,
) -> None:
    """Write one HTML page: certificates by state, a timeline, what needs attention first, and the inventory."""
    selection = selection_options(names, label, issuer, state)
    file = None if html == STANDARD_OUTPUT else OutputFile(html)
    found = _collected(terminal.connect(stack, region), selection)
    pieces = _pieces(found)
    if file is None:
        terminal.out.pieces(pieces)
        return
    file.write(pieces)
    terminal.out.print(f"wrote {html}; certificates: {len(found.rows):,}")


def _collected(connection: Connection, selection: Selection) -> Report:
    from evercert.operations.report.page import Report  # noqa: PLC0415 (help needs none of it)

    now = terminal.now()
    pauses = terminal.current_pauses(connection)
    found = find(connection, selection)
    if found.missing:
        raise BadInput([terminal.not_found(name) for name in found.missing])
    with terminal.err.status("reading the table"):
        words = _words(selection)
        return Report.of(connection.name, connection.owner.region, now, found.records, pauses, selection=words)


def _pieces(found: Report) -> Iterator[str]:
    from evercert.operations.report.page import render  # noqa: PLC0415

    return render(found)


def _words(selection: Selection) -> str:
    """Return the selection as the options that made it."""
    options = [
        *selection.patterns,
        *(f"--label {key}={value}" for key, value in selection.labels.items()),
        *(f"--issuer {name}" for name in selection.issuers),
        *(f"--state {name}" for name in selection.states),
    ]
    return " ".join(options)
