"""Timeline of a run: what happened to each certificate, and where it was stored, from the received events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from evercert.timestamps import from_text

SERVICES = {"secretsmanager": "Secrets Manager", "acm": "ACM"}
SHOWN = 16  # characters of a serial number


@dataclass(frozen=True)
class Received:
    """An event, and the time at which the subscriber's queue had it."""

    event: dict[str, Any]
    at: datetime


def lines(received: Sequence[Received]) -> Iterator[str]:
    """Yield the timeline: one block for each certificate, in the order of the first event."""
    yield "Timeline (UTC)"
    for name in dict.fromkeys(one.event["subject"] for one in received):
        yield f"  {name}"
        for one in received:
            if one.event["subject"] == name:
                yield from _of_event(one)


def _of_event(one: Received) -> Iterator[str]:
    event, data = one.event, one.event["data"]
    what = event["type"].rpartition(".")[2]
    serial = data["serial_number"]
    shown = serial if len(serial) <= SHOWN else f"{serial[:SHOWN]}…"
    time, end = from_text(event["time"]), from_text(data["not_after"])
    until = clock(end) if end.date() == time.date() else f"{end:%Y-%m-%d}"
    yield f"    {clock(time)}  {what:<8} serial {shown}, valid until {until}, event received {clock(one.at)}"
    for place in data["locations"]:
        service, resource = place["location"].split(":", 5)[2::3]
        version = f", version {place['version'][:8]}" if service == "secretsmanager" else ""
        yield f"              → {SERVICES.get(service, service)} {resource.removeprefix('secret:')}{version}"


def clock(time: datetime) -> str:
    """Return the time of day in UTC."""
    return f"{time.astimezone(UTC):%H:%M:%S}"
