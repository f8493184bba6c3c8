"""Commands for certificates: `show`, `history`, `renew`, `delete`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from evercert.cli import arguments, show, terminal
from evercert.cli.escapes import quoted, visible
from evercert.cli.files import BadInput
from evercert.cli.terminal import Json, NameArgument, Region, Stack
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Record
from evercert.issuers import ISSUERS
from evercert.operations.issuer_identity import issuer_of

SHOWN = 10  # names in one note
Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of the certificates.")]
Over = Annotated[
    str | None,
    typer.Option(help="Spread the renewals over this period. Default: 1h for several certificates, none for one NAME."),
]


def show_(name: NameArgument, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:  # noqa: FBT002
    """Show one certificate in full."""
    connection = terminal.connect(stack, region)
    record = terminal.require_stored(connection, name)
    values = show.unreadable_detail(record) if isinstance(record, Unreadable) else show.detail(record)
    if isinstance(record, Record) and record.spec.issuers:
        values = {**values, "issued_by": issuer_of(record, connection.specs.issuers(), ISSUERS)}
    if as_json:
        terminal.print_json(values)
    else:
        for key, value in values.items():
            text = visible(value) if isinstance(value, str) else json.dumps(value, indent=2)
            terminal.out.lines(f"{key.replace('_', ' ')}: {text}")
    if isinstance(record, Unreadable):
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
