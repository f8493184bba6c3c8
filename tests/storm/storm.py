"""Run a storm on a deployed stack, let it come to rest, and judge what an observer saw."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization

from tests.storm import plan
from tests.storm.deployment import AUTHORITY, DOUBLE, ISSUERS, SELF_SIGNED, Site, in_acm, issuer_of, names_of, site
from tests.storm.history import History, Issued
from tests.storm.invariants import distinct_events, outcomes, revisions_of, violations
from tests.storm.killer import Killer
from tests.storm.observer import Observer, issued_by_authority
from tests.storm.operators import Operators
from tests.storm.records import unrested

# A killed run is repeated after its lease and the next tick; one that died before its claim, after the re-dispatch time.
REST_SECONDS = 360.0
CALM_SECONDS = 300.0
ENDED = ("errorMessage=Worker process", "killing worker")  # in the emulator's log
EMULATOR_FAULT = "No module named 'app'"


@dataclass(frozen=True)
class Size:
    """How long and how hard a storm is."""

    seconds: float
    each: int  # certificates of each issuer
    lifetime: int  # seconds
    strike_every: float
    step_every: float


@dataclass
class Report:
    """Figures and violations of one storm."""

    seed: int
    figures: dict[str, Any] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    emulator_faults: int = 0

    def __str__(self) -> str:
        lines = [f"storm with seed {self.seed}:", *(f"  {name}: {value}" for name, value in self.figures.items())]
        if self.emulator_faults:
            lines.append(f"  the emulator could not start a function {self.emulator_faults} times: its own fault")
        lines += [f"  VIOLATION {problem}" for problem in self.violations] or ["  0 violations"]
        return "\n".join(lines)


def storm(seed: int, size: Size, folder: Path, say: Callable[[str], None] = lambda _: None) -> Report:
    """Run the storm that the seed determines; return its report."""
    names = names_of(size.each)
    with site(folder, size.lifetime) as place:
        history = History(
            names=names,
            in_acm=frozenset(filter(in_acm, names)),
            anchors=place.roots,
            self_signed=frozenset(name for name in names if issuer_of(name) == SELF_SIGNED),
        )
        observer = Observer(place.stack.client, history, topic=place.stack.outputs["Topic"])
        operators = Operators(place, history)
        functions = {name: place.stack.outputs[name] for name in plan.FUNCTIONS}
        killer = Killer(place.stack.running.process.pid, functions)
        with _watched(observer):
            operators.begin(names)
            say(f"storm of {size.seconds:.0f} seconds over {len(names)} certificates")
            _rage(seed, size, names, killer, operators)
            say("waiting for the certificates to come to rest")
            history.unsettled = _rest(observer, place, names)
            say("one last renewal, with a long lifetime")
            operators.calm(names)
            if not history.unsettled:
                history.unsettled = _rest(observer, place, names, longer=True)
        observer.look()
        _conclude(observer, place, history)
        history.strikes = killer.counts["kills"] + killer.counts["freezes"]
        report = Report(seed, _figures(history, killer.counts), violations(history))
        log = place.stack.running.log()
        report.figures["calls that a strike ended"] = sum(map(log.count, ENDED))
        report.emulator_faults = log.count(EMULATOR_FAULT)
        say(str(report))  # removing the folders of all function processes takes a while
        return report


@contextmanager
def _watched(observer: Observer) -> Iterator[None]:
    """Run the observer in a thread; raise its error at the end."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(observer.watch, stop)
        try:
            yield
        finally:
            stop.set()
        watching.result(timeout=60)


def _rage(seed: int, size: Size, names: tuple[str, ...], killer: Killer, operators: Operators) -> None:
    stop, began = threading.Event(), time.monotonic()
    strikes = plan.strikes(seed, size.seconds, size.strike_every)
    steps = plan.steps(seed, size.seconds, size.step_every, names, ISSUERS)
    with ThreadPoolExecutor(2) as pool:
        running = [
            pool.submit(killer.run, strikes, began, stop),
            pool.submit(operators.run, steps, began, size.seconds, stop),
        ]
        try:
            for one in running:
                one.result(timeout=size.seconds * 2 + 300)
        finally:
            stop.set()


def _rest(observer: Observer, place: Site, names: tuple[str, ...], *, longer: bool = False) -> list[str]:
    """Wait until each certificate was at rest once, or, with `longer`, all at once and with a long lifetime.

    Return those that were not, and what they still had to do.
    """
    give_up = time.monotonic() + (CALM_SECONDS if longer else REST_SECONDS)
    waiting: dict[str, str] = dict.fromkeys(names, "not seen")
    while waiting and time.monotonic() < give_up:
        time.sleep(2)
        busy = unrested(observer.items(place.stack.table), names, longer=longer)
        waiting = busy if longer else {name: busy[name] for name in waiting if name in busy}
    return [f"{name} ({why})" for name, why in waiting.items()]


def _conclude(observer: Observer, place: Site, history: History) -> None:
    outputs = place.stack.outputs
    history.final = observer.final(place.stack.table, outputs["DeadLetters"])
    ledger, front = observer.items(outputs["AuthorityLedger"]), observer.items(outputs["AuthorityTable"])
    history.issued = issued_by_authority(AUTHORITY, ledger, front)
    for one in place.double.issued:
        pem = one.signed.public_bytes(serialization.Encoding.PEM).decode()
        history.issued.append(Issued(DOUBLE, pem, revoked=one.revoked is not None))


def _figures(history: History, counts: Counter[str]) -> dict[str, Any]:
    types = Counter(event["type"] for event in distinct_events(history))
    signed = Counter(one.issuer for one in history.issued)
    revisions = Counter[str]()
    for name, count in revisions_of(history).items():
        revisions[issuer_of(name)] += count
    return {
        "strikes": dict(counts),
        "commands": dict(Counter(command.arguments[0] for command in history.commands)),
        "values of destinations": len(history.sightings),
        "dead letters": history.final.dead_letters,
        "outcomes stored": len(outcomes(history)),
        "events received": f"{len(history.events)} ({dict(types)})",
        "certificates signed": f"{dict(signed)}, {sum(one.revoked for one in history.issued)} of them revoked",
        "revisions": dict(revisions),
    }
