"""Sentences for operators: the next step of a certificate, and what they can do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from evercert.contracts.record import Record
from evercert.contracts.spec_store import Pause, PauseTarget, pauses_of
from evercert.operations import pause_notes
from evercert.operations.ages import relative
from evercert.operations.escapes import quoted, visible


def next_steps(record: Record, pauses: Mapping[PauseTarget, Pause], now: datetime) -> Iterator[str]:
    """Return one sentence, or one for each pause that stops the certificate."""
    name = quoted(record.name)
    held = {target: pauses[target] for target in pauses_of(record, pauses)}
    for line, command in pause_notes.describe(held):
        yield f"{line}: nothing is issued; to resume, run: {command}"
    if held:
        return
    due = _next_run(record, now)
    match record.state:
        case "stopped":
            yield f"fix the error, then apply the document again; to try it unchanged, run: evercert renew {name}"
        case "failing" if record.last_error is not None and record.last_error.kind == "unavailable":
            yield f"none: the stack tries again{due}; to try now, run: evercert renew {name}"
        case "failing" | "undelivered":
            yield f"fix the error{due}; to try now, run: evercert renew {name}"
        case "pending" if record.pending is not None and record.pending.waits_for is not None:
            yield f"the issuer waits for {visible(record.pending.waits_for, 200)}{due}"
        case "new" | "pending" | "paused":
            yield f"in progress{due}"
        case _ if _is_requested(record):
            yield f"{_request(record)}{due}; to start it now, run: evercert renew {name}"
        case _ if record.facts is not None and record.facts.not_after < now:
            yield f"find the cause with: evercert doctor {name}; to renew now, run: evercert renew {name}"
        case _:
            yield _routine(record, due)


def _routine(record: Record, due: str) -> str:
    if record.rollback is not None:
        return f"rollback to revision {record.rollback.to} requested{due}"
    renewal = record.spec.lifecycle.renew_before_expiry
    if renewal is not None and renewal.never:
        return f"none: `renew-before-expiry: never` in its document{due}"
    if record.spec.csr is not None and not record.spec.renews:
        return f"none: its CSR is used once; to renew it with the same key, set private-key: {{rotate: never}}{due}"
    if not record.spec.renews:
        return f"none: it is not renewed automatically{due}"
    return f"none: it renews itself{due}"


def _is_requested(record: Record) -> bool:
    return record.rollback is None and record.requested_at not in (None, record.served)


def _request(record: Record) -> str:
    why = record.request_reason
    return f"renewal requested{'' if why is None else f' ({visible(why, 200)})'}"


def _next_run(record: Record, now: datetime) -> str:
    at = record.due_at
    if at is None:
        return ""
    return "; the next run is due now" if at <= now else f"; the next run is {relative(at, now)}"
