"""Command `delete`: stop managing certificates."""

from __future__ import annotations

from evercert.cli import arguments, terminal
from evercert.cli.files import BadInput
from evercert.cli.selection import Issuers, Labels, Patterns, States, chosen, selection_options
from evercert.cli.terminal import Json, Region, Stack, Yes
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Record
from evercert.errors import EvercertError
from evercert.operations.apply import remove
from evercert.operations.escapes import quoted, visible

SHOWN = 20  # certificates in the list before the question


def delete(
    names: Patterns = None,
    *,
    label: Labels = None,
    issuer: Issuers = None,
    state: States = None,
    yes: Yes = False,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Delete certificates from evercert; delivered secrets, ACM certificates and the history remain."""
    selection = selection_options(names, label, issuer, state)
    if not selection:
        raise BadInput(["no certificates selected: pass names, --label, --issuer or --state"])
    connection = terminal.connect(stack, region)
    records = chosen(connection, selection)
    newer = [record for record in records if isinstance(record, Unreadable) and record.newer]
    if newer:
        raise BadInput(
            [
                f"cannot delete {quoted(record.name)}: its record was {visible(record.problem, 500)}; use that version"
                for record in newer
            ]
        )
    terminal.require_confirmation(yes=yes)
    if not as_json:
        _print(records)
    if not yes:
        terminal.confirm(
            f"Delete {arguments.counted(len(records), 'certificate')}? evercert will no longer renew them."
        )
    for number, record in enumerate(records):
        try:
            remove(record, connection.specs)
        except EvercertError:
            terminal.notes([f"{number} of {len(records)} certificates deleted; run the command again for the others"])
            raise
    if not as_json:
        terminal.out.print(f"{arguments.counted(len(records), 'certificate')} deleted")
    else:
        terminal.print_json([{"name": record.name, "remaining": _locations(record)} for record in records])


def _print(records: list[Record | Unreadable]) -> None:
    for record in records[:SHOWN]:
        places = _locations(record)
        remaining = f"these remain: {', '.join(places)}" if places else "nothing was delivered"
        terminal.out.print(f"- certificate {quoted(record.name)}; {remaining}")
    if len(records) > SHOWN:
        terminal.out.print(f"and {len(records) - SHOWN} more; their secrets and ACM certificates remain")


def _locations(record: Record | Unreadable) -> list[str]:
    return [delivery.location for delivery in record.deliveries.values() if delivery.location]
