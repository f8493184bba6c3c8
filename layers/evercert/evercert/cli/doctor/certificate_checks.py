"""Checks of `doctor` for certificates: their records, and the diagnosis by the issuer function."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from botocore.config import Config

from evercert import json_parser
from evercert.cli import terminal
from evercert.cli.doctor.stack_checks import Check, CheckFunction, Status
from evercert.cli.files import BadInput
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Record
from evercert.contracts.spec_store import Pause, PauseTarget, pauses_of
from evercert.operations.escapes import quoted
from evercert.scheduling.decision import is_not_yet_valid
from evercert.schema import printable
from evercert.timestamps import to_text

if TYPE_CHECKING:
    from evercert.cli.connection import Connection

MOST = 25  # certificates in one diagnosis by the function
OVERDUE = timedelta(minutes=30)
NAMED = 5  # certificates shown by name in one check
LISTED = 20  # expired certificates with a result of their own
# The timeout covers the function's time limit and a cold start. No retry: it would repeat the whole diagnosis.
_PATIENT = Config(connect_timeout=2, read_timeout=90, retries={"total_max_attempts": 1}, user_agent_extra="evercert")
_BAD_STATES = {"failing", "stopped", "undelivered"}


def of_certificates(connection: Connection, names: Sequence[str]) -> dict[str, CheckFunction]:
    """Return the certificates' checks by name, in the order of the output."""
    records = _Records(connection, names)
    return {"certificates": records.check, "issuer function's own view": partial(_diagnose, connection, records)}


class _Records:
    """Records of the checked certificates, read once, by the first check that needs them."""

    def __init__(self, connection: Connection, names: Sequence[str]) -> None:
        self._connection = connection
        self._names = names

    @cached_property
    def records(self) -> list[Record | Unreadable]:
        if not self._names:
            return list(self._connection.specs.records())
        found = {name: self._connection.specs.record(name) for name in self._names}
        if missing := [terminal.not_found(name) for name, record in found.items() if record is None]:
            raise BadInput(missing)
        return [record for record in found.values() if record is not None]

    def check(self) -> list[Check]:
        return check_records(self.records, terminal.now(), self._connection.specs.pauses(terminal.now()))

    def to_diagnose(self) -> list[str]:
        """Return at most MOST names: problems first, then soonest expiry first."""
        readable = [record for record in self.records if isinstance(record, Record)]
        return [record.name for record in sorted(readable, key=_urgency)[:MOST]]


def check_records(
    records: Sequence[Record | Unreadable], now: datetime, pauses: Mapping[PauseTarget, Pause] | None = None
) -> list[Check]:
    """Return one result per kind of problem, one per expired certificate, or a single `ok`."""
    unreadable = [record for record in records if isinstance(record, Unreadable)]
    readable = [record for record in records if isinstance(record, Record)]
    overdue = [r.name for r in readable if r.due_at is not None and r.due_at < now - OVERDUE]
    early = [r.name for r in readable if r.facts is not None and is_not_yet_valid(r.facts, now)]
    late = [r.name for r in readable if _renews_too_late(r, now)]
    held = [r for r in readable if _is_held(r, now, pauses or {})]
    found = [
        *_group("unreadable", "failed", [r.name for r in unreadable], "apply their documents again"),
        *_expired(readable, now),
        *_group(
            "not yet valid", "failed", early, "the clock was ahead when they were issued; run: evercert renew NAME"
        ),
        *_group("overdue", "failed", overdue, "the schedule or the issuer is too slow: see the checks above"),
        *_group("renewed only after they expire", "warning", late, "to see the reason, run: evercert show NAME"),
    ]
    if held:
        first = min(_span(record, now) for record in held)
        remedy = f"the first expires in {_days(first)}; evercert resume renews them, see pauses above"
        found += _group("due for renewal, but paused", "warning", [record.name for record in held], remedy)
    for record in readable:
        if record.state in _BAD_STATES:
            why = printable(record.last_error.message) if record.last_error is not None else "see evercert history"
            left = f" (expires in {_days(_span(record, now))})" if _is_valid(record, now) else ""
            found.append(Check(f"certificate {record.name}", "failed", f"{record.state}: {why}{left}"))
    return found or [Check("certificates", "ok", f"{len(records)} in order")]


def _group(kind: str, status: Status, names: list[str], remedy: str) -> Iterator[Check]:
    if names:
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        listed = ", ".join(map(quoted, sorted(names)[:NAMED]))
        yield Check(f"certificates {kind}", status, f"{len(names)}: {listed}{more}", remedy)


def _expired(readable: Sequence[Record], now: datetime) -> Iterator[Check]:
    """Yield one result for each expired certificate, the latest first, and one for those beyond the limit."""
    dated = [(record.facts.not_after, record.name) for record in readable if record.facts is not None]
    expired = sorted((one for one in dated if one[0] <= now), reverse=True)
    for not_after, name in expired[:LISTED]:
        found = f"expired on {to_text(not_after)}"
        yield Check(
            f"certificate {quoted(name)}", "failed", found, f"for the reason, run: evercert show {quoted(name)}"
        )
    if len(expired) > LISTED:
        more = f"{len(expired) - LISTED} more have expired"
        yield Check("certificates expired", "failed", more, "evercert list --sort expiry")


def _is_valid(record: Record, now: datetime) -> bool:
    return record.facts is not None and record.facts.not_after > now


def _is_held(record: Record, now: datetime, pauses: Mapping[PauseTarget, Pause]) -> bool:
    """Return whether a pause holds back the renewal of a valid certificate."""
    is_due = _is_valid(record, now) and record.renew_at is not None and record.renew_at <= now
    return is_due and bool(pauses_of(record, pauses))


def _span(record: Record, now: datetime) -> timedelta:
    return record.facts.not_after - now if record.facts is not None else timedelta()


def _days(span: timedelta) -> str:
    """Return the text in days or, below two days, in hours."""
    return f"{span.days} days" if span >= timedelta(days=2) else f"{span // timedelta(hours=1)} h"


def _renews_too_late(record: Record, now: datetime) -> bool:
    """Return whether a valid certificate that is to be renewed expires before its next run."""
    if record.facts is None or record.facts.not_after <= now or record.renew_at is None:
        return False
    next_run = record.due_at or record.renew_at
    return max(next_run, record.renew_at) >= record.facts.not_after


def _urgency(record: Record) -> tuple[bool, str, str]:
    expiry = "" if record.facts is None else to_text(record.facts.not_after)
    return record.state not in _BAD_STATES, expiry, record.name


def _diagnose(connection: Connection, records: _Records) -> list[Check]:
    payload, failed = ask_issuer(connection, {"examine": records.to_diagnose()})
    return parse_diagnosis(payload, failed=failed)


def ask_issuer(connection: Connection, event: dict[str, Any]) -> tuple[bytes, bool]:
    """Send an event to the issuer function; return its response, and whether the function failed."""
    client = connection.clients.session.client("lambda", config=_PATIENT)
    answer = client.invoke(FunctionName=connection.output("IssuerFunction"), Payload=json.dumps(event).encode())
    return answer["Payload"].read(), "FunctionError" in answer


def error_message(payload: bytes) -> str:
    """Return the message of Lambda about a function that failed, or the response itself."""
    try:
        return str(json_parser.parse(payload)["errorMessage"])
    except (ValueError, KeyError, TypeError):
        return payload.decode(errors="replace")


def parse_diagnosis(payload: bytes, *, failed: bool) -> list[Check]:
    """Return one result per problem in the function's response, or a single `ok`."""
    name = "issuer function's own view"
    try:
        answer = json_parser.parse(payload)
        problems = [("seal", answer["seal"])]
        problems += [(f"issuer {key}", problem) for key, problem in dict(answer["issuers"]).items()]
        for key, found in dict(answer["certificates"]).items():
            problems += [(f"certificate {key}", problem) for problem in found]
    except (ValueError, KeyError, TypeError):
        failed = True
    if failed:
        response = printable(error_message(payload), 400)
        remedy = "deploy the stack again, and read the issuer's log"
        return [Check(name, "failed", f"the diagnosis failed: {response}", remedy)]
    checks = [Check(printable(part), "failed", printable(str(problem))) for part, problem in problems if problem]
    fine = f"seal, {len(answer['issuers'])} issuers and {len(answer['certificates'])} certificates are in order"
    return checks or [Check(name, "ok", fine)]
