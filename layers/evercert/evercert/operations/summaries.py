"""Records as JSON values, without sealed values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Record
from evercert.contracts.spec_store import Pause, PauseTarget, pauses_of
from evercert.schema import printable
from evercert.timestamps import to_text

EXPIRED = "expired"  # shown instead of the state


def summary(
    record: Record | Unreadable, now: datetime, pauses: Mapping[PauseTarget, Pause] | None = None
) -> dict[str, Any]:
    """Return a short summary of a record; a readable record always has the same keys.

    `state` is that of the last run, whose certificate may be `expired`.
    """
    if isinstance(record, Unreadable):
        return unreadable(record)
    try:
        return _summary(record, now, pauses or {})
    except Exception as error:  # noqa: BLE001 (one record must not stop the list of all others)
        return {"name": record.name, "state": "unreadable", "error": f"cannot be shown ({type(error).__name__})"}


def unreadable(record: Unreadable) -> dict[str, Any]:
    """Return the summary of a record that does not parse."""
    return {"name": record.name, "state": "unreadable", "error": printable(record.problem)}


def _summary(record: Record, now: datetime, pauses: Mapping[PauseTarget, Pause]) -> dict[str, Any]:
    facts, error = record.facts, record.last_error
    return {
        "name": record.name,
        "state": record.state,
        "issuer": ", ".join(record.spec.issuer_names),
        "revision": record.revision,
        "not_before": facts and to_text(facts.not_before),
        "not_after": facts and to_text(facts.not_after),
        "expired": facts is not None and facts.not_after < now,
        "paused": bool(pauses_of(record, pauses)),
        "requested": record.requested_at is not None and record.requested_at != record.served,
        "renew_at": record.renew_at and to_text(record.renew_at),
        "next_look_at": record.due_at and to_text(record.due_at),
        "error": error and printable(error.message),
    }


def detail(record: Record) -> dict[str, Any]:
    """Return a record in full, without sealed values and with the agent's keys only."""
    values = record.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"spec", "claim", "kept_key"})
    if record.pending is not None:
        shown = {"revision", "reason", "generation", "handle", "retry_at", "deadline", "gave_up"}
        values["pending"] = record.pending.model_dump(mode="json", include=shown, exclude_none=True)
    spec = record.spec.document()
    if "agent" in spec:  # only the keys: a hook's command may contain a token
        spec["agent"] = sorted(spec["agent"])
    return {**values, "spec": spec, "busy": record.claim is not None}


def unreadable_detail(record: Unreadable) -> dict[str, Any]:
    """Return what can be read of a record."""
    return {
        **unreadable(record),
        "uid": record.uid,
        "revision": record.revision,
        "deliveries": {name: delivery.model_dump(mode="json") for name, delivery in record.deliveries.items()},
    }
