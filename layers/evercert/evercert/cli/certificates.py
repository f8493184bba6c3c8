"""Commands `show` and `history` of one certificate."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from evercert.cli import arguments, consumers, show, terminal
from evercert.cli.certificate_page import Page
from evercert.cli.files import BadInput
from evercert.cli.terminal import Json, NameArgument, Region, Stack
from evercert.contracts.ports import Unreadable
from evercert.issuers import ISSUERS
from evercert.operations import summaries
from evercert.operations.escapes import quoted, visible
from evercert.operations.issuer_identity import issuer_of
from evercert.schema import printable


def show_(name: NameArgument, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:  # noqa: FBT002
    """Show one certificate: state, validity, destinations, last error, next step; with --json the whole record."""
    connection = terminal.connect(stack, region)
    record = terminal.require_stored(connection, name)
    if isinstance(record, Unreadable):
        _show_unreadable(record, as_json=as_json)
        return
    definitions = connection.specs.issuers() if record.spec.issuers or not as_json else {}
    came_from, listed = issuer_of(record, definitions, ISSUERS), consumers.load(connection, name)
    if as_json:
        issued_by = {"issued_by": came_from} if record.spec.issuers else {}
        terminal.print_json({**summaries.detail(record), **issued_by, **consumers.values(listed, record)})
        return
    now = terminal.now()
    Page(record, came_from, definitions, connection.specs.pauses(now), now, listed).print(terminal.out)


def _show_unreadable(record: Unreadable, *, as_json: bool) -> None:
    values = summaries.unreadable_detail(record)
    if as_json:
        terminal.print_json(values)
    else:
        for key, value in values.items():
            text = visible(value) if isinstance(value, str) else json.dumps(value, indent=2)
            terminal.out.lines(f"{key.replace('_', ' ')}: {text}")
    if record.newer:
        terminal.notes([f"the record was {printable(record.problem)}; use that version"])
        return
    command = f"evercert delete {quoted(record.name)}"
    terminal.notes([f"the record does not parse: apply its document again, or delete it: {command}"])


def history(
    name: NameArgument,
    *,
    limit: Annotated[int | None, typer.Option(min=1, help="Show the newest ones only. Default: all.")] = None,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Show all events of one certificate, oldest first."""
    connection = terminal.connect(stack, region)
    name = arguments.stored_name(name)
    outcomes = connection.specs.history(name)
    if not outcomes and connection.specs.record(name) is None:
        raise BadInput([terminal.not_found(name)])
    outcomes = outcomes if limit is None else outcomes[-limit:]
    if as_json:
        terminal.print_json([outcome.model_dump(mode="json") for outcome in outcomes])
    else:
        show.history(terminal.out, outcomes)
