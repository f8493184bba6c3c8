"""What `doctor` looks at in the certificates: what the records say, and what the issuer function finds when asked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING

from botocore.config import Config

from evercert.cli import terminal
from evercert.cli.doctor.stack_checks import Check, Look, Status
from evercert.cli.files import BadInput
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Record
from evercert.schema import printable
from evercert.timestamps import to_text

if TYPE_CHECKING:
    from evercert.cli.connection import Connection

MOST = 25  # certificates that the function looks at in one go
OVERDUE = timedelta(minutes=30)
NAMED = 5  # certificates of one kind that are shown by name
# The function's own time limit and a cold start; asking twice would cost twice and tell the same.
_PATIENT = Config(connect_timeout=2, read_timeout=90, retries={"total_max_attempts": 1}, user_agent_extra="evercert")
_BAD_STATES = {"failing", "stopped", "undelivered"}


def of_certificates(connection: Connection, names: Sequence[str]) -> dict[str, Look]:
    """By name, in the order in which they are shown."""
    seen = _Seen(connection, names)
    return {"certificates": seen.judge, "issuer function's own view": partial(_examine, connection, seen)}


class _Seen:
    """The records, read once, when the first check wants them."""

    def __init__(self, connection: Connection, names: Sequence[str]) -> None:
        self._connection = connection
        self._names = names

    @cached_property
    def records(self) -> list[Record | Unreadable]:
        if not self._names:
            return list(self._connection.specs.records())
        found = {name: self._connection.specs.record(name) for name in self._names}
        if missing := [terminal.unknown(name) for name, record in found.items() if record is None]:
            raise BadInput(missing)
        return [record for record in found.values() if record is not None]

    def judge(self) -> list[Check]:
        return judge(self.records, terminal.now())

    def to_examine(self) -> list[str]:
        """Those in trouble first, then those that expire soonest."""
        readable = [record for record in self.records if isinstance(record, Record)]
        return [record.name for record in sorted(readable, key=_urgency)[:MOST]]


def judge(records: Sequence[Record | Unreadable], now: datetime) -> list[Check]:
    """One line for each kind of trouble, or one that all is well."""
    unreadable = [record for record in records if isinstance(record, Unreadable)]
    readable = [record for record in records if isinstance(record, Record)]
    overdue = [r.name for r in readable if r.due_at is not None and r.due_at < now - OVERDUE]
    expired = [r.name for r in readable if r.facts is not None and r.facts.not_after <= now]
    late = [r.name for r in readable if _renews_too_late(r, now)]
    found = [
        *_told("unreadable", "failed", [r.name for r in unreadable], "apply their documents again"),
        *_told("expired", "failed", expired, "see why: evercert history NAME"),
        *_told("overdue", "failed", overdue, "the schedule or the issuer does not keep up: see the checks above"),
        *_told("renewed only after they expire", "warning", late, "see why: evercert show NAME"),
    ]
    for record in readable:
        if record.state in _BAD_STATES:
            why = printable(record.last_error.message) if record.last_error is not None else "see evercert history"
            found.append(Check(f"certificate {record.name}", "failed", f"{record.state}: {why}"))
    return found or [Check("certificates", "ok", f"{len(records)} in order")]


def _told(kind: str, status: Status, names: list[str], mend: str) -> Iterator[Check]:
    if names:
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        listed = ", ".join(map(printable, sorted(names)[:NAMED]))
        yield Check(f"certificates {kind}", status, f"{len(names)}: {listed}{more}", mend)


def _renews_too_late(record: Record, now: datetime) -> bool:
    """A valid certificate that nobody looks at before it expires, although it is to be renewed."""
    if record.facts is None or record.facts.not_after <= now or record.renew_at is None:
        return False
    next_look = record.due_at or record.renew_at
    return max(next_look, record.renew_at) >= record.facts.not_after


def _urgency(record: Record) -> tuple[bool, str, str]:
    expiry = "" if record.facts is None else to_text(record.facts.not_after)
    return record.state not in _BAD_STATES, expiry, record.name


def _examine(connection: Connection, seen: _Seen) -> list[Check]:
    names = seen.to_examine()
    client = connection.clients.session.client("lambda", config=_PATIENT)
    answer = client.invoke(
        FunctionName=connection.output("IssuerFunction"), Payload=json.dumps({"examine": names}).encode()
    )
    return told(answer["Payload"].read(), failed="FunctionError" in answer)


def told(payload: bytes, *, failed: bool) -> list[Check]:
    """What the function answered, problem by problem."""
    name = "issuer function's own view"
    try:
        answer = json.loads(payload)
        problems = [("seal", answer["seal"])]
        problems += [(f"issuer {key}", problem) for key, problem in dict(answer["issuers"]).items()]
        for key, some in dict(answer["certificates"]).items():
            problems += [(f"certificate {key}", problem) for problem in some]
    except (ValueError, KeyError, TypeError):
        failed = True
    if failed:
        said = printable(payload.decode(errors="replace"), 200)
        return [
            Check(name, "failed", f"it cannot examine: {said}", "deploy the stack again, and read the issuer's log")
        ]
    found = [Check(printable(what), "failed", printable(str(problem))) for what, problem in problems if problem]
    fine = f"seal, {len(answer['issuers'])} issuers and {len(answer['certificates'])} certificates are in order"
    return found or [Check(name, "ok", fine)]
