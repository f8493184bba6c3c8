"""Wait until certificates are delivered."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from rich.console import Console

from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Record
from evercert.contracts.spec_store import Pause, PauseTarget, Specs, pauses_of
from evercert.durations import to_text
from evercert.operations import pause_notes
from evercert.operations.escapes import visible
from evercert.scheduling.decision import request_at

POLL_SECONDS = 1.0
REREAD_PAUSES = 15.0  # seconds
LONGEST = 500  # characters of a foreign text
NO_SERIALS: Mapping[str, str] = {}


def wait_for(
    specs: Specs, names: Sequence[str], limit: timedelta, console: Console, serials: Mapping[str, str] = NO_SERIALS
) -> Iterator[tuple[str, str, bool]]:
    """Yield the name, the result and whether it is a success, once per certificate; show a spinner on a terminal.

    A paused certificate ends the wait for it. A failure that the stack retries within the limit does not end it.
    `serials` are serial numbers that certificates must have after a rollback.
    """
    left, give_up = list(names), time.monotonic() + limit.total_seconds()
    end = datetime.now(UTC) + limit
    pauses, reread = specs.pauses(datetime.now(UTC)), time.monotonic() + REREAD_PAUSES
    with console.status("") as status:
        while left:
            status.update(f"waiting for {len(left)} of {len(names)}: {', '.join(left[:3])}{' …' * (len(left) > 3)}")  # noqa: PLR2004
            for name in list(left):
                result = _result(specs.record(name), datetime.now(UTC), end, pauses)
                if result is not None and result[1] and name in serials:
                    result = _rolled_back(specs, name, serials[name], result)
                if result is not None:
                    left.remove(name)
                    yield (name, *result)
            if left and time.monotonic() >= give_up:
                yield from ((name, _late(specs.record(name), limit), False) for name in left)
                return
            if time.monotonic() >= reread:
                pauses, reread = specs.pauses(datetime.now(UTC)), time.monotonic() + REREAD_PAUSES
            if left:
                time.sleep(POLL_SECONDS)


def _rolled_back(specs: Specs, name: str, serial: str, result: tuple[str, bool]) -> tuple[str, bool]:
    """Return the result, or why the stack refused the rollback."""
    record = specs.record(name)
    if isinstance(record, Record) and record.facts is not None and record.facts.serial_number == serial:
        return result
    found = [outcome for outcome in specs.history(name) if outcome.data.get("reason") == "rolled-back"]
    message = str(found[-1].data.get("message", "")) if found else ""
    return f"not rolled back{f': {visible(message, LONGEST)}' if message else ''}", False


def _late(record: Record | Unreadable | None, limit: timedelta) -> str:
    error = record.last_error if isinstance(record, Record) else None
    last = "" if error is None else f"; the last error: {visible(error.message, LONGEST)}"
    return f"Still in progress after {to_text(limit)}; the stack continues in the background{last}"


def _result(  # noqa: PLR0911 (one for each state)
    record: Record | Unreadable | None, now: datetime, end: datetime, pauses: Mapping[PauseTarget, Pause]
) -> tuple[str, bool] | None:
    """Return None while in progress; ignore failures of an earlier spec or request."""
    if record is None:
        return "deleted by another command", False
    if isinstance(record, Unreadable):
        return f"its record does not parse: {visible(record.problem, LONGEST)}", False
    error = record.last_error
    if error is not None and error.at < (record.woken_at or error.at):
        error = None  # the cause was fixed since
    current = error is not None and (error.generation, error.requested_at) == (record.generation, record.requested_at)
    if error is not None and current and not (error.kind == "unavailable" and record.due_at and record.due_at < end):
        return f"failed ({error.kind}): {visible(error.message, LONGEST)}", False
    facts = record.facts
    wanted = record.request_hash == record.spec.request_hash and record.requested_at in (None, record.served)
    wanted = wanted and record.rollback is None
    if record.state == "ready" and facts is not None and wanted and record.delivered(facts.revision):
        return (
            f"revision {facts.revision}, serial {facts.serial_number}, until {facts.not_after:%Y-%m-%d %H:%M:%S}Z",
            True,
        )
    held = {target: pause for target in pauses_of(record, pauses) if not (pause := pauses[target]).ended(end)}
    if held:
        line, command = pause_notes.describe(held)[0]
        return f"written; {line}: nothing is issued until `{command}`", False
    if (start := request_at(record, now)) is not None:
        return f"will be requested at {start:%Y-%m-%d %H:%M:%S}Z, a day before its not-before", True
    return None
