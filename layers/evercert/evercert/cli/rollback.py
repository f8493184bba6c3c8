"""Command `rollback`: return to an earlier certificate."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evercert.cli import arguments, terminal
from evercert.cli.files import BadInput
from evercert.cli.terminal import Json, NameArgument, Reason, Region, Stack, Timeout, Wait, Yes
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Facts, Record
from evercert.contracts.revisions import RollbackRequest
from evercert.errors import Rejected
from evercert.issuers import ISSUERS
from evercert.operations import rollback as rollbacks
from evercert.operations.apply import nudge
from evercert.operations.escapes import quoted
from evercert.operations.renew import clean_reason
from evercert.timestamps import to_text

if TYPE_CHECKING:
    from evercert.cli.connection import Connection
    from evercert.operations.rollback import RollbackPlan

To = Annotated[
    int | None,
    typer.Option(
        "--to",
        metavar="REVISION",
        min=1,
        help="Revision to restore. Default: the latest one before the certificate in use was issued.",
    ),
]


def rollback(
    name: NameArgument,
    *,
    to: To = None,
    reason: Reason = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the certificate in use and the one to restore, and exit.")
    ] = False,
    yes: Yes = False,
    wait: Wait = False,
    timeout: Timeout = "10m",
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Deliver an earlier certificate to all destinations again; it is renewed at its own time."""
    limit = arguments.span(timeout)
    connection = terminal.connect(stack, region)
    record = terminal.require_stored(connection, name)
    if isinstance(record, Unreadable):
        raise BadInput([terminal.unreadable(record)])
    terminal.require_confirmation(yes=yes or dry_run)
    plan = _plan(connection, record, to)
    if plan is None:
        _print_current(record, as_json=as_json)
        return
    if not dry_run:
        _require_active(connection, record)
    if not as_json:
        _print(record, plan)
    if not dry_run:
        if not yes:
            terminal.confirm(f"Roll back {quoted(record.name)} to revision {plan.revision}?")
        _request(connection, record, plan, reason)
    results = None
    if wait and not dry_run:
        serials = {record.name: plan.restored.serial_number}
        results = terminal.wait(connection, [record.name], limit, quiet=as_json, serials=serials)
    if as_json:
        terminal.print_json({**_values(record, plan), "written": not dry_run, **terminal.result_values(results)})
    elif results is None:
        requested = f"Rollback requested; to watch it, run: evercert history {quoted(record.name)}"
        terminal.out.print("no rollback requested (--dry-run)" if dry_run else requested)
    terminal.exit_failed(results)


def _request(connection: Connection, record: Record, plan: RollbackPlan, reason: str | None) -> None:
    request = RollbackRequest(to=plan.revision, requested_at=terminal.now(), reason=clean_reason(reason))
    connection.specs.request_rollback(record, request)
    terminal.note_failed_nudge(nudge([record.name], connection.queue))


def _plan(connection: Connection, record: Record, to: int | None) -> RollbackPlan | None:
    specs = connection.specs
    try:
        return rollbacks.plan(
            record, specs.kept(record), to, terminal.now(), definitions=specs.issuers(), issuers=ISSUERS
        )
    except Rejected as error:
        raise BadInput([str(error)]) from error


def _require_active(connection: Connection, record: Record) -> None:
    """Raise BadInput while the certificate is paused: the stack would deliver nothing."""
    try:
        rollbacks.require_active(record, connection.specs.pauses(terminal.now()))
    except Rejected as error:
        raise BadInput([str(error)]) from error


def _print_current(record: Record, *, as_json: bool) -> None:
    revision = record.facts.revision if record.facts is not None else 0
    if as_json:
        current = record.facts and _certificate(record.facts)
        terminal.print_json({"name": record.name, "from": current, "to": None, "written": False})
    else:
        terminal.out.print(f"{quoted(record.name)}: revision {revision} is in use already; nothing to do")


def _print(record: Record, plan: RollbackPlan) -> None:
    for title, facts in (("from", plan.current), ("to", plan.restored)):
        dates = f"{_moment(facts.not_before)} to {_moment(facts.not_after)}"
        terminal.out.print(f"{title:<5} revision {facts.revision}, serial {facts.serial_number}, {dates}")
    if plan.others:
        terminal.out.print(f"also kept: {', '.join(map(str, plan.others))}")
    renewal = "it is issued once" if plan.renewal is None else f"its renewal follows at {_moment(plan.renewal)}"
    terminal.out.print(f"{quoted(record.name)} gets the certificate of revision {plan.revision}; {renewal}")


def _values(record: Record, plan: RollbackPlan) -> dict[str, Any]:
    return {
        "name": record.name,
        "from": _certificate(plan.current),
        "to": _certificate(plan.restored),
        "renew_at": plan.renewal and to_text(plan.renewal),
        "others": list(plan.others),
    }


def _certificate(facts: Facts) -> dict[str, Any]:
    return {
        "revision": facts.revision,
        "serial_number": facts.serial_number,
        "not_before": to_text(facts.not_before),
        "not_after": to_text(facts.not_after),
        "fingerprint_sha256": facts.fingerprint_sha256,
    }


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}Z"
