"""Costs that grow with the table: calls and read units counted at 10,000 certificates, and computed for a million.

A million items do not fit into the emulator. The commands and the sweep run against a client that answers like a table of
10,000 certificates (`tests/doubles/large_table.py`); it repeats the record and the outcome of a real run on the emulator, which
also shows the calls of a status check.
"""

from __future__ import annotations

import math
from collections import Counter
from datetime import timedelta
from itertools import islice
from typing import Any

from evercert.aws.authority.crls import DynamoDBCrls
from evercert.aws.dynamodb.spec_store import DynamoDBSpecs
from evercert.aws.dynamodb.sweep import DynamoDBPages
from evercert.contracts.queue import SHARDS
from evercert.scheduling.sweeper import sweep
from evercert.timestamps import from_text
from tests.bench.costs import PRICES
from tests.bench.figures import Figure, Part, table
from tests.doubles.fakes import HandClock, spec
from tests.doubles.item_size import size
from tests.doubles.large_table import LargeTable
from tests.doubles.world import World, load_template
from tests.samples.authority import crl

CERTIFICATES, MILLION = 10_000, 1_000_000
OUTCOMES = 13  # in 400 days, at a renewal every 31 days
PAGE = 100  # rows of `evercert list`
DAY = 86_400
ENTRIES = (1, 1_000, 9_000)
WRITE_UNIT = 1_024
# Assumptions that cannot be measured here: seconds on AWS.
CALL_SECONDS, PAGE_SECONDS, OWN_SECONDS = 0.010, 0.15, 0.05
SWEEP_SECONDS = 48  # of the checker's minute
MOST_UNITS_OF_A_RECORD = 0.6  # half a unit, and its key in the index


def measure(world: World) -> Part:
    record, outcome, check = _run(world)
    page, everything, scanned = (LargeTable(CERTIFICATES, OUTCOMES, record, outcome) for _ in range(3))
    shown = len(list(islice(_specs(page).records(), PAGE + 1)))
    read = len(list(_specs(everything).records()))
    clock = HandClock(from_text(record["due_at"]["S"]) - timedelta(minutes=1))
    swept = sweep(DynamoDBPages(scanned, "table"), clock=clock, stop_at=clock() + timedelta(hours=1))  # type: ignore[arg-type]
    if (shown, read, swept.repaired, swept.finished) != (PAGE + 1, CERTIFICATES, 0, True):
        raise AssertionError(f"unexpected: {shown}, {read}, {swept}")
    part = Part(_list(page, everything, scanned) + _sweep(scanned) + _checks(check))
    part.lines += table(
        ("", "calls at 10,000", "read units at 10,000", "calls at 1,000,000", "read units at 1,000,000"),
        [
            _row("a page of `list`", page, grows=False),
            _row("`list --all`, `doctor`, `apply`, `renew --all`", everything),
            _row("a full sweep", scanned),
        ],
    )
    part.lines += ["", *table(("call of AWS", "in one status check"), sorted(check.items()))]
    part.lines += ["", *_lists()]
    assumed = (
        f"The record has {size(record):,} bytes and an outcome {size(outcome):,}; {OUTCOMES} outcomes beside each record. "
        f"Assumed on AWS: {CALL_SECONDS * 1000:.0f} ms a call, {PAGE_SECONDS * 1000:.0f} ms a page of a scan, "
        f"{OWN_SECONDS * 1000:.0f} ms of evercert's own for a status check."
    )
    part.lines += ["", assumed]
    return part


def _run(world: World) -> tuple[dict[str, Any], dict[str, Any], Counter[str]]:
    """Issue a certificate, and check its status a day later; return record and outcome, and the calls of the check."""
    wanted = spec(destinations=[{"type": "secrets-manager", "secret": world.secret}])
    world.want(wanted, {"type": "self-signed"})
    world.settle(world.settled)
    stored = {item["sk"]["S"].partition("#")[0]: item for item in world.items() if "name" in item or "outcome" in item}
    world.clock.now = from_text(stored["record"]["due_at"]["S"]) + timedelta(seconds=1)
    world.tick()
    world.switch.arm(None)
    world.deliver_messages()
    calls = Counter(call.removeprefix("before-send.").replace(".", " ") for call in world.switch.calls)
    world.switch.listening = False
    if [item for item in world.items() if item["sk"]["S"].startswith("outcome#")] != [stored["outcome"]]:
        raise AssertionError("the run a day later was no status check")
    return stored["record"], stored["outcome"], Counter({name: n for name, n in calls.items() if "sqs" not in name})


class _Written:
    """A client that adds up the write units of what it is given."""

    def __init__(self) -> None:
        self.units = 0
        self.parts = 0

    def put_item(self, *, Item: dict[str, Any], **_: Any) -> None:
        self.parts += 1
        self.units += math.ceil(size(Item) / WRITE_UNIT)

    def update_item(self, **_: Any) -> None:
        self.units += 1


def _lists() -> list[str]:
    """Return what it costs to store a CRL, which each revocation builds again, or each burst of them."""
    rows = []
    for entries in ENTRIES:
        der, written = crl(1, entries, first=1 << 158), _Written()
        DynamoDBCrls(written, "table").publish("ca", 1, der)  # type: ignore[arg-type]
        dollars = written.units * PRICES["dynamodb_write_unit"] * 1_000
        rows.append((f"{entries:,}", f"{len(der):,}", written.parts, f"{written.units:,}", f"{dollars:.2f}"))
    return table(("entries of a CRL", "bytes", "items", "write units to store it", "$ for 1,000 lists"), rows)


def _specs(client: LargeTable) -> DynamoDBSpecs:
    return DynamoDBSpecs(client, "table", "issuers")  # type: ignore[arg-type]


def _list(page: LargeTable, everything: LargeTable, scanned: LargeTable) -> list[Figure]:
    each, ratio = everything.units / CERTIFICATES, scanned.units / everything.units
    return [
        Figure(
            f"calls of a page of `list` beside {CERTIFICATES:,} certificates, one after the other",
            str(page.calls.total()), "≤ 3", page.calls.total() <= 3,
        ),
        Figure("read units of that page", f"{page.units:g}", f"≤ {PAGE}", page.units <= PAGE),
        Figure(
            "read units of all records ÷ certificates, with 400 days of outcomes beside them",
            f"{each:.2f}", f"≤ {MOST_UNITS_OF_A_RECORD}", each <= MOST_UNITS_OF_A_RECORD,
        ),
        Figure("a scan of the table ÷ that, in read units and in calls",
               f"{ratio:.1f}, {scanned.calls['Scan'] / everything.calls.total():.1f}"),
    ]  # fmt: skip


def _sweep(scanned: LargeTable) -> list[Figure]:
    sent = scanned.sent / (CERTIFICATES * (1 + OUTCOMES))
    minutes = _minutes(load_template()["Parameters"]["SweepSchedule"]["Default"])
    pages = scanned.calls["Scan"] * MILLION // CERTIFICATES
    parts = math.ceil(pages * PAGE_SECONDS / SWEEP_SECONDS)
    hours = parts * minutes / 60
    return [
        Figure("items that the sweep is sent ÷ items that it reads", f"{sent:.2f}", "published outcomes left out", sent < 0.1),
        Figure(
            "a full sweep at 1,000,000: pages of 1 MB, parts, hours (computed)",
            f"{pages:,}, {parts}, {hours:.1f}", "≤ 23 hours", hours <= 23,
        ),
    ]  # fmt: skip


def _checks(calls: Counter[str]) -> list[Figure]:
    seconds = calls.total() * CALL_SECONDS + OWN_SECONDS
    rate = MILLION / DAY
    wanted = math.ceil(rate * seconds)
    default = int(load_template()["Parameters"]["IssuerConcurrency"]["Default"])
    entries = MILLION * 300 / DAY / SHARDS
    return [
        Figure(
            "daily status checks at 1,000,000: runs a second, seconds of one, IssuerConcurrency that they need (computed)",
            f"{rate:.1f}, {seconds:.2f}, {wanted}", f"≤ {default}, the default", wanted <= default,
        ),
        Figure("due at 1,000,000 in a tick of five minutes, in each shard of the index", f"{entries:.0f}"),
    ]  # fmt: skip


def _minutes(schedule: str) -> int:
    number, unit = schedule.removeprefix("rate(").removesuffix(")").split()
    return int(number) * (60 if unit.startswith("hour") else 1)


def _row(what: str, counted: LargeTable, *, grows: bool = True) -> tuple[str, ...]:
    factor = MILLION // CERTIFICATES if grows else 1
    reads = sum(number for call, number in counted.calls.items() if call not in ("UpdateItem", "GetItem"))
    return what, f"{reads:,}", f"{counted.units:,.0f}", f"{reads * factor:,}", f"{counted.units * factor:,.0f}"
