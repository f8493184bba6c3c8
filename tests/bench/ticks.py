"""Counted cost of a tick of the checker, and the time to work off a backlog.

The emulator answers a constant for consumed capacity, and its indexes cost time in proportion to the whole table: so
requests, writes and bytes are counted here, read units are computed from the bytes, and the time of a tick is no figure.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from evercert.aws.dynamodb import items
from evercert.contracts.destination import Delivered
from evercert.contracts.queue import SHARDS, Nudge
from evercert.contracts.record import Delivery, Facts, Record
from evercert.scheduling.checker import Tick, check
from evercert.timestamps import from_text, to_text
from tests.bench.figures import Figure, Part, table
from tests.doubles.fakes import spec
from tests.doubles.world import REDISPATCH, World

SIZES = (1_000, 10_000, 100_000)
DUE = 100
BACKLOG = 10_000
TICK_SECONDS = 48  # 80 % of the checker's minute
READ_UNIT = 4_096  # bytes; half a unit when read eventually consistent
PAGE_OF_A_SCAN = 1_048_576


def measure(world: World) -> Part:
    part = Part()
    rows = [_tick(world, size) for size in SIZES]
    part.lines += table(
        ("records", "queries", "writes", "messages", "bytes read", "read units", "a scan, read units"),
        [[f"{value:,}" for value in row.values()] for row in rows],
    )
    writes = {row["writes"] for row in rows}
    units = [row["units"] for row in rows]
    queries = ", ".join(str(row["queries"]) for row in rows)
    part.figures += [
        Figure(
            f"queries of a tick, {DUE} due of 1,000 / 10,000 / 100,000 records",
            queries,
            "32, and more pages only where a shard has more than 100 due",
            all(row["queries"] <= 2 * SHARDS for row in rows),
        ),
        Figure("writes of that tick", ", ".join(map(str, sorted(writes))), f"{DUE}, the number due", writes == {DUE}),
        Figure(
            "read units of that tick, least and most of the three",
            f"{min(units)} and {max(units)}",
            "flat",
            max(units) == min(units),
        ),
    ]
    drained, lines = _backlog(world)
    part.figures += drained
    part.lines += ["", *lines]
    return part


def _tick(world: World, records: int) -> dict[str, Any]:
    """Run one tick of the checker on a table with this number of records; count its calls at the client."""
    world.fresh()
    now = datetime.now(UTC)
    sizes = _fill(world, records, lambda number: now - timedelta(seconds=number + 1) if number < DUE else None)
    count = _Count(world)
    tick = check(
        world.index, world.ports.queue, clock=_clock, stop_at=now + timedelta(minutes=9), redispatch=REDISPATCH
    )
    next(iter(world.index.expiring(page=1)), None)  # for the metric
    count.end()
    if (tick.sent, tick.refused, tick.overtaken, tick.left) != (DUE, 0, 0, 0):
        raise AssertionError(f"unexpected result of the tick: {tick}")
    return {
        "records": records,
        "queries": len(count.pages),
        "writes": count.calls["UpdateItem"],
        "messages": count.calls["SendMessageBatch"],
        "bytes": sum(count.pages),
        "units": sum(map(_units, count.pages)),
        "scan": _units_of_a_scan(sizes),
    }


class _Count:
    """Recorder of the checker's calls."""

    def __init__(self, world: World) -> None:
        self.calls: dict[str, int] = {}
        self.pages: list[int] = []  # bytes of each
        self._events = [client.meta.events for client in (world.clients.dynamodb, world.clients.sqs)]
        for events in self._events:
            events.register("after-call", self._note)

    def _note(self, model: Any, parsed: dict[str, Any], **_: object) -> None:
        self.calls[model.name] = self.calls.get(model.name, 0) + 1
        if model.name == "Query":
            self.pages.append(sum(map(size_of_item, parsed["Items"])))

    def end(self) -> None:
        for events in self._events:
            events.unregister("after-call", self._note)


def _backlog(world: World) -> tuple[list[Figure], list[str]]:
    """Work off a table of overdue certificates, as after a week's outage, in real time."""
    world.fresh()
    now = datetime.now(UTC)
    lateness = list(range(1, BACKLOG + 1))
    random.Random(7).shuffle(lateness)
    expiries = _fill(world, BACKLOG, lambda number: now - timedelta(seconds=lateness[number]), keep="not_after")
    seen = _Seen(world)
    ticks: list[tuple[Tick, float, int]] = []
    while not ticks or ticks[-1][0].left:
        began, before = time.monotonic(), len(seen.names)
        stop_at = _clock() + timedelta(seconds=TICK_SECONDS)
        tick = check(world.index, seen, clock=_clock, stop_at=stop_at, redispatch=timedelta(hours=1))
        ticks.append((tick, time.monotonic() - began, len(seen.names) - before))
    order = [expiries[name] for name in seen.names]
    inversions = sum(later < earlier for earlier, later in pairwise(order))
    longest = max(seconds for _, seconds, _ in ticks)
    whole = len(set(seen.names)) == len(seen.names) == BACKLOG
    figures = [
        Figure(
            f"{BACKLOG:,} overdue: nudges out of order (soonest expiry first)",
            str(inversions),
            "0",
            whole and not inversions,
        ),
        Figure(
            f"{BACKLOG:,} overdue: ticks, and the longest of them",
            f"{len(ticks)}, {longest:.0f} s",
            "none over its 60 s",
            longest < 60,
        ),
    ]
    rows = [(n, tick.sent, tick.left, f"{seconds:.0f} s") for n, (tick, seconds, _) in enumerate(ticks, 1)]
    return figures, table(("tick", "sent", "left for the next one", "took, on the emulator"), rows)


class _Seen:
    """Queue that records the order of nudges."""

    def __init__(self, world: World) -> None:
        self.names: list[str] = []
        self._queue = world.ports.queue

    def send(self, nudges: Sequence[Nudge]) -> list[Nudge]:
        self.names += [nudge.certificate for nudge in nudges]
        return self._queue.send(nudges)

    def send_later(self, nudge: Nudge, delay: timedelta) -> None:
        raise AssertionError("the checker delays nothing")


def _fill(world: World, records: int, due: Any, keep: str | None = None) -> dict[str, Any]:
    """Write ready records that are in both indexes; return the size of each item, or of one attribute."""
    sample, kept, now = json.dumps(_sample()), {}, datetime.now(UTC)
    lifetimes = random.Random(3)
    batch: list[dict[str, Any]] = []
    for number in range(records):
        name = f"certificate-{number:06d}"
        item = json.loads(sample.replace("NAME", name))
        late = due(number)
        moment = late if late is not None else now + timedelta(hours=lifetimes.randint(2, 1_000))
        expiry = {"not_after": {"S": to_text(now + timedelta(minutes=lifetimes.randint(60, 60_000)))}}
        item |= {key: items.attribute(value) for key, value in items.due(name, moment).items()} | expiry
        item["expiry_shard"] = item["due_shard"]
        kept[name] = size_of_item(item) if keep is None else from_text(item[keep]["S"])
        batch.append({"PutRequest": {"Item": item}})
        if len(batch) == 25 or number == records - 1:
            world.operator.dynamodb.batch_write_item(RequestItems={world.table: batch})
            batch = []
    return kept


def _sample() -> dict[str, Any]:
    """Return a record with facts and one destination, as the issuer writes it; NAME is a placeholder."""
    record = Record(name="NAME", uid="5f6e3a51-5a0f-4a47-9f2a-0d3b3f4c6b2e", spec=spec("NAME"), generation=1)
    now = datetime.now(UTC)
    facts = Facts(
        revision=3, serial_number="01C04809ECC93F06D1FAFF20FA3A3897F436166F", not_before=now, not_after=now,
        fingerprint_sha256="0" * 64, common_name="www.example.com", names=("dns:www.example.com",),
    )  # fmt: skip
    there = Delivered(
        "arn:aws:secretsmanager:eu-central-1:111122223333:secret:evercert/certificates/NAME-a1b2c3", "0" * 36
    )
    delivery = Delivery(revision=3, location=there.location, version=there.version)
    more = {
        "facts": facts, "deliveries": {"secrets-manager-0123456789abcdef": delivery}, "revision": 3, "outcomes": 3,
        "state": "ready", "request_hash": "0" * 64, "issuer_hash": "0" * 64, "renew_at": now, "check_at": now,
    }  # fmt: skip
    return items.new_record(record, now) | {name: items.attribute(value) for name, value in more.items()}


def size_of_item(item: dict[str, Any]) -> int:
    """Return the size in bytes as DynamoDB counts it: UTF-8, three bytes per map or list, one per element."""
    return sum(len(name.encode()) + _size(value) for name, value in item.items())


def _size(value: dict[str, Any]) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "M":
            return 3 + sum(1 + len(name.encode()) + _size(part) for name, part in content.items())
        case "L":
            return 3 + sum(1 + _size(part) for part in content)
        case "N":
            return math.ceil(len(content.lstrip("-").replace(".", "")) / 2) + 1
        case "BOOL" | "NULL":
            return 1
    return len(content.encode())


def _units(size: int) -> float:
    """Return read units of one eventually consistent page; an empty page costs half a unit."""
    return max(1, math.ceil(size / READ_UNIT)) / 2


def _units_of_a_scan(sizes: dict[str, int]) -> float:
    return sum(map(_units, _pages_of_a_scan(sizes)))


def _pages_of_a_scan(sizes: dict[str, int]) -> Iterator[int]:
    page = 0
    for size in sizes.values():
        page += size
        if page >= PAGE_OF_A_SCAN:
            yield page
            page = 0
    yield page


def _clock() -> datetime:
    return datetime.now(UTC)
