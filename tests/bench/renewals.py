"""Compare processor time and delay of sequential renewals with a script that makes the same calls."""

from __future__ import annotations

import copy
import json
import resource
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from statistics import median
from typing import Any

import boto3

from evercert.aws.clients import CONFIG
from evercert.aws.dynamodb.items import key
from evercert.aws.sqs import read
from evercert.documents.lifecycle import Lifecycle
from tests.bench.bare import Call, Script
from tests.bench.figures import Figure, Part, p95, table
from tests.doubles.fakes import spec
from tests.doubles.world import World
from tests.doubles.write_meter import Write, WriteMeter
from tests.tools.local_stack import Emulator, client_arguments

TIMES, WARM = 60, 8
PROCESSOR, DELAY = 1.4, 3.0
NAME = "web"
DEFAULT_KEPT = Lifecycle().keep_revisions
EARLIER = 3  # renewals before the counted one: as many revisions are kept as ever will be
NUDGE = json.dumps({"certificate": NAME})


@dataclass(frozen=True)
class Renewal:
    """AWS calls of one renewal, and the items of the table before it; `writes` begin with that of the tick."""

    calls: list[Call]
    before: list[dict[str, Any]]
    writes: list[Write] = field(default_factory=list)

    @property
    def write_units(self) -> int:
        """The write units of the certificates table, with those of its indexes."""
        return sum(write.units + write.entries for write in self.writes)


def measure(world: World, running: Emulator) -> tuple[Part, Renewal]:
    listened = _issued(world)
    clients = {name: boto3.client(name, config=CONFIG, **client_arguments(running)) for name in _services(listened)}
    script = Script(clients, listened.calls)
    ours: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    for turn in range(TIMES + WARM):
        _make_due(world)
        seen = _timed(lambda: _renew(world))
        kept = world.items()
        _restore(world, listened.before)
        beside = _timed(script.renew)
        _restore(world, kept)
        if turn >= WARM:
            ours.append(seen)
            theirs.append(beside)
    part = Part(_figures(ours, theirs))
    counted = Counter(f"{call.service} {call.operation}" for call in listened.calls)
    part.lines += table(("AWS call", "in one renewal"), [*counted.items(), ("**in all**", sum(counted.values()))])
    part.lines += ["", *table(("renewal into", "kept revisions", "AWS calls", "write units"), _variants(world))]
    return part, listened


def _variants(world: World) -> list[tuple[object, ...]]:
    """Return the calls and the write units of a renewal with and without ACM and kept revisions."""
    rows: list[tuple[object, ...]] = []
    for acm in (True, False):
        for kept in (DEFAULT_KEPT, 0):
            renewal = _issued(world, acm=acm, kept=kept)
            rows.append(("a secret and ACM" if acm else "a secret", kept, len(renewal.calls), renewal.write_units))
    return rows


def _figures(ours: list[tuple[float, float]], theirs: list[tuple[float, float]]) -> list[Figure]:
    processor = median(seen[1] for seen in ours), median(seen[1] for seen in theirs)
    delay = p95([seen[0] for seen in ours]), p95([seen[0] for seen in theirs])
    ratio, slower = processor[0] / processor[1], delay[0] / delay[1]
    measured = f"{1000 * processor[0]:.1f} and {1000 * processor[1]:.1f} ms"
    late = f"{1000 * delay[0]:.0f} and {1000 * delay[1]:.0f} ms"
    return [
        Figure(
            "processor time of a renewal ÷ that of the script",
            f"{ratio:.2f} ({measured})",
            f"≤ {PROCESSOR}",
            ratio <= PROCESSOR,
        ),
        Figure(
            "nudge to announced ÷ the script, each at its p95", f"{slower:.2f} ({late})", f"≤ {DELAY}", slower <= DELAY
        ),
    ]


def _issued(world: World, *, acm: bool = True, kept: int = DEFAULT_KEPT) -> Renewal:
    """Issue a certificate and renew it a few times, then record a renewal."""
    world.fresh()
    destinations = [{"type": "secrets-manager", "secret": world.secret}, *([{"type": "acm"}] if acm else [])]
    world.want(spec(NAME, destinations=destinations, lifecycle={"keep-revisions": kept}), {"type": "self-signed"})
    world.settle(world.settled)
    for _ in range(EARLIER):
        _make_due(world)
        _renew(world)
    _make_due(world)
    return _recorded(world, lambda: _renew(world))


def renewal_and_check(world: World) -> tuple[Renewal, Renewal]:
    """Return a renewal, and the status check a day after it."""
    renewed = _issued(world)
    world.clock.now = (world.record(NAME).check_at or world.clock.now) + timedelta(seconds=1)
    return renewed, _recorded(world, lambda: _check(world))


def _recorded(world: World, act: Callable[[], None]) -> Renewal:
    calls: list[Call] = []

    def note(params: dict[str, Any], model: Any, **_: object) -> None:
        calls.append(Call(model.service_model.service_name, model.name, copy.deepcopy(params)))

    own = [getattr(world.clients, name) for name in ("dynamodb", "sqs", "sns", "kms", "secretsmanager", "acm")]
    with WriteMeter(world.clients.dynamodb, world.operator.dynamodb, world.table) as meter:
        world.tick()  # its queries serve all certificates, and are no calls of this one
        before = world.items()
        for client in own:
            client.meta.events.register_first("provide-client-params", note)
        act()
        for client in own:
            client.meta.events.unregister("provide-client-params", note)
    return Renewal(calls, before, meter.writes)


def _services(listened: Renewal) -> set[str]:
    return {call.service for call in listened.calls}


def _make_due(world: World) -> None:
    """Move the time to two thirds of the lifetime, without the status checks in between."""
    world.clock.now = (world.record(NAME).renew_at or world.clock.now) + timedelta(seconds=1)


def _renew(world: World) -> None:
    """Handle one message as the function does."""
    _run(world, "certificate.renewed")


def _check(world: World) -> None:
    _run(world, "checked")


def _run(world: World, expected: str) -> None:
    report = world.issuance.run(read(NUDGE).certificate)
    if report.outcome != expected:
        raise AssertionError(f"expected {expected}, got {report.outcome}: {report.details}")


def _restore(world: World, kept: list[dict[str, Any]]) -> None:
    """Return the current items of the table."""
    wanted = {(item["pk"]["S"], item["sk"]["S"]) for item in kept}
    for item in world.items():
        if (item["pk"]["S"], item["sk"]["S"]) not in wanted:
            keys = {name: item[name] for name in key(NAME)}
            world.operator.dynamodb.delete_item(TableName=world.table, Key=keys)
    for item in kept:
        world.operator.dynamodb.put_item(TableName=world.table, Item=item)


def _timed(act: Callable[[], None]) -> tuple[float, float]:
    """Return elapsed time and processor time (user and system) of this process."""
    began, used = time.perf_counter(), _used()
    act()
    return time.perf_counter() - began, _used() - used


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
