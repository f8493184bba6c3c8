"""Commands `pause` and `resume`: of the stack, of issuers, or of certificates."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from evercert.cli import arguments, stack_version, terminal
from evercert.cli.files import BadInput
from evercert.cli.selection import Issuers, Labels, Patterns, chosen, selection_options
from evercert.cli.terminal import Json, Reason, Region, Stack
from evercert.contracts.record import Record
from evercert.contracts.spec_store import STACK, Pause, PauseTarget
from evercert.errors import Misconfigured
from evercert.operations import pause_notes
from evercert.operations.apply import nudge
from evercert.operations.escapes import quoted
from evercert.operations.pauses import DelayedCertificates, expiring_before
from evercert.operations.renew import clean_reason
from evercert.operations.selection import Selection, is_pattern
from evercert.schema import printable

if TYPE_CHECKING:
    from evercert.cli.connection import Connection

PAUSE_RECHECK = timedelta(minutes=15)  # after this time a run checks a paused certificate again
SHOWN = 10  # names in one note
For = Annotated[str | None, typer.Option("--for", help="End the pause after this time, such as 8h.")]
Until = Annotated[
    str | None, typer.Option(metavar="TIME", help="End the pause at this time, such as 2026-12-01T06:00Z.")
]


def pause(
    names: Patterns = None,
    *,
    label: Labels = None,
    issuer: Issuers = None,
    span: For = None,
    until: Until = None,
    reason: Reason = None,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Stop issuing until `resume`: for the whole stack, for issuers (--issuer alone), or for certificates."""
    selection, now = selection_options(names, label, issuer), terminal.now()
    end = _end(span, until, now)
    connection = terminal.connect(stack, region)
    new = end is not None or selection.patterns or selection.labels
    if new and (why := pause_refusal(connection)) is not None:
        raise Misconfigured(why)
    wanted = Pause(now, clean_reason(reason), end)
    targets = _targets(connection, selection)
    changed = [target for target in targets if connection.specs.pause(target, wanted, now)]
    found = connection.specs.pauses(now)
    if as_json:
        terminal.print_json({"paused": pause_notes.values(found), "changed": bool(changed)})
        return
    for line, command in pause_notes.describe(found):
        terminal.out.print(f"{line}; to resume, run: {command}")
    if len(changed) < len(targets):
        terminal.notes(["paused already: the first pause keeps its time, reason and end; to change them, resume first"])
    if end is not None:
        terminal.notes(_note_expiring(_records(connection, changed), end))


def _note_expiring(records: list[Record], end: datetime) -> list[str]:
    """Return a note on the certificates that expire before the pause ends."""
    names = expiring_before(records, end)
    if not names:
        return []
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return [f"these expire before the pause ends: {', '.join(map(quoted, names[:SHOWN]))}{more}"]


def resume(
    names: Patterns = None,
    *,
    label: Labels = None,
    issuer: Issuers = None,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Resume issuing after `pause`, with the same options; the certificates that it delayed start at once."""
    selection = selection_options(names, label, issuer)
    connection, now = terminal.connect(stack, region), terminal.now()
    targets = _paused_targets(connection, selection, now)
    changed = [target for target in targets if connection.specs.resume(target)]
    rest = connection.specs.pauses(now)
    delayed = DelayedCertificates.of(_records(connection, changed), rest, now) if changed else DelayedCertificates()
    for name in delayed.woken:
        connection.specs.wake(name, now, now)
    terminal.note_failed_nudge(nudge(delayed.woken, connection.queue))
    if as_json:
        details = {"woken": delayed.woken, "expired": delayed.expired}
        terminal.print_json({"paused": pause_notes.values(rest), "changed": bool(changed), **details})
        return
    _print_resumed(targets, changed, delayed)
    still = pause_notes.describe(rest)
    terminal.notes([f"still paused: {line}; to resume it, run: {command}" for line, command in still])


def _print_resumed(targets: list[PauseTarget], changed: list[PauseTarget], delayed: DelayedCertificates) -> None:
    done = set(changed)
    for target in targets[:SHOWN]:
        terminal.out.print(f"{printable(str(target), 200)} {'is resumed' if target in done else 'was not paused'}")
    if len(targets) > SHOWN:
        terminal.out.print(f"and {len(targets) - SHOWN} more")
    if delayed.woken:
        number = arguments.counted(len(delayed.woken), "delayed certificate")
        later = f"; {delayed.later} more within {PAUSE_RECHECK.seconds // 60} minutes" if delayed.later else ""
        terminal.out.print(f"{number} started{later}")
    if delayed.expired:
        more = f" and {len(delayed.expired) - SHOWN} more" if len(delayed.expired) > SHOWN else ""
        terminal.notes([f"already expired: {', '.join(map(quoted, delayed.expired[:SHOWN]))}{more}"])


def pause_refusal(connection: Connection) -> str | None:
    """Return why certificates cannot be paused: the functions ignore their pauses and the end of a pause; or None."""
    if stack_version.version_of(connection.outputs) is not None:
        return None
    return (
        f"stack {connection.name} is older than {stack_version.FIRST}: its functions know only pauses of the stack "
        "and of issuers, without an end; upgrade the stack"
    )


def _targets(connection: Connection, selection: Selection) -> list[PauseTarget]:
    """Return what to pause; raise BadInput for unknown issuers and names."""
    unknown = sorted(set(selection.issuers) - connection.specs.issuers().keys()) if selection.issuers else []
    if unknown:
        raise BadInput(
            [f"issuer {printable(name, 60)!r} is not defined in stack {connection.name}" for name in unknown]
        )
    if selection.patterns or selection.labels:
        return [PauseTarget(certificate=record.name) for record in chosen(connection, selection)]
    return [PauseTarget(name) for name in selection.issuers] or [STACK]


def _paused_targets(connection: Connection, selection: Selection, now: datetime) -> list[PauseTarget]:
    """Return what to resume. A pause of a certificate that was deleted meanwhile can be removed by its name."""
    if not selection.patterns and not selection.labels:
        return [PauseTarget(name) for name in selection.issuers] or [STACK]
    paused = {target.certificate for target in connection.specs.pauses(now) if target.certificate is not None}
    patterns = dict.fromkeys(selection.patterns)
    stored = {record.name for record in connection.specs.named(list(patterns))} if patterns else set()
    exact = {name for name in patterns if name in stored or name in paused or not is_pattern(name)}
    if selection.labels or selection.issuers:
        records = connection.specs.named(sorted(paused)) if paused else []
        names = [record.name for record in records if selection.matches(record, now, exact)]
    else:
        matched = (name for name in sorted(paused) if selection.matches_name(name, exact))
        names = list(dict.fromkeys([*(name for name in patterns if name in exact), *matched]))
    if not names:
        raise BadInput(["no paused certificates match; to see what is paused, run: evercert list"])
    return [PauseTarget(certificate=name) for name in names]


def _records(connection: Connection, changed: list[PauseTarget]) -> list[Record]:
    """Return the records that the pauses may have delayed."""
    names = [target.certificate for target in changed if target.certificate is not None]
    found = connection.specs.named(names) if len(names) == len(changed) else terminal.records(connection)
    issuers = {target.issuer for target in changed if target.issuer is not None}
    return [
        record
        for record in found
        if isinstance(record, Record) and (not issuers or not issuers.isdisjoint(record.spec.issuer_names))
    ]


def _end(span: str | None, until: str | None, now: datetime) -> datetime | None:
    """Return the end of a pause of `--for` or `--until`."""
    if span is not None and until is not None:
        raise BadInput(["--for and --until exclude each other: pass only one of them"])
    if span is not None:
        return now + arguments.span(span, "--for")
    return None if until is None else arguments.future(until, "--until", now)
