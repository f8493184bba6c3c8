"""`make bench`: measure the figures of docs/maintainers/benchmarks.md and write them there.

`python -m tests.bench PART…` takes some of them: ticks, starts, renewals (with costs), burst, fleet, waste, authority, revocations,
growth, acme, acme-server, host, console, year.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from evercert.aws.timeouts import UNATTENDED
from tests.bench import (
    acme,
    acme_server,
    authority,
    burst,
    console,
    costs,
    fleet,
    growth,
    host,
    renewals,
    revocations,
    starts,
    ticks,
    year,
)
from tests.bench.figures import Figure, Part, replaced
from tests.doubles.world import World
from tests.tools.local_stack import ROOT, Emulator, NotRunning, emulator

PAGE = ROOT / "docs" / "maintainers" / "benchmarks.md"
PAGES = {"a-year": ROOT / "docs" / "explanation" / "a-year.md"}  # of parts that operators read
SCHEDULES = ROOT / ".local" / "random.json"  # written by the random schedules


def main(wanted: list[str]) -> int:
    if strange := set(wanted) - set(PARTS):
        print(f"unknown part: {', '.join(sorted(strange))}; must be one of {', '.join(PARTS)}", file=sys.stderr)
        return 2
    for name in list(os.environ):
        if name.startswith(("AWS_", "EVERCERT_")):
            del os.environ[name]
    began, missed = time.monotonic(), 0
    try:
        for name, part in _taken(wanted or list(PARTS)):
            print(f"\n== {name} ({time.monotonic() - began:.0f} s)\n{part.text()}", flush=True)
            page = PAGES.get(name, PAGE)
            page.write_text(replaced(page.read_text(), name, f"{part.text()}\n\n{_machine()}"))
            missed += sum(figure.met is False for figure in part.figures)
    except NotRunning as error:
        print(error, file=sys.stderr)
        return 1
    print(f"\n{missed} targets not met; written to {PAGE.relative_to(ROOT)} after {time.monotonic() - began:.0f} s")
    return 0


def _taken(wanted: list[str]) -> Iterator[tuple[str, Part]]:
    """Start an emulator for each part that needs one, so that no part slows down the next one."""
    for name in PARTS:
        if name not in wanted:
            continue
        if name in ALONE:
            yield name, ALONE[name]()
            continue
        with emulator() as running:
            found = BESIDE_AWS[name](World(running, UNATTENDED), running)
        yield from found.items()


def _renewals(world: World, running: Emulator) -> dict[str, Part]:
    part, listened = renewals.measure(world, running)
    return {"renewals": part, "costs": costs.measure(listened)}


def _waste() -> Part:
    """Return the counts of the last run of the random schedules, from their file."""
    name, target = "certificates issued ÷ revisions delivered, where the issuer takes a token", "1.00"
    if not SCHEDULES.exists():
        return Part([Figure(name, "not measured: the random schedules have not run here", target)])
    counted = json.loads(SCHEDULES.read_text())
    issued, delivered = counted["signed_by_ca"] - counted["given_up"], counted["delivered_of_ca"]
    again, strikes = counted["self_signed_twice"], counted["strikes"]
    ratio = f"{issued / delivered:.2f} ({issued:,} and {delivered:,}, in {counted['schedules']:,} schedules)"
    return Part(
        [
            Figure(name, ratio, target, issued == delivered),
            Figure(
                "issued again elsewhere, and strikes",
                f"{again:,} and {strikes:,}",
                "at most one each",
                again <= strikes,
            ),
        ],
        [f"Not counted: {counted['given_up']:,} that an edit, a request, a deletion or their own end overtook."],
    )


BESIDE_AWS: dict[str, Callable[[World, Emulator], dict[str, Part]]] = {
    "starts": lambda world, running: {"starts": starts.measure(world, running)},
    "ticks": lambda world, _: {"ticks": ticks.measure(world)},
    "renewals": _renewals,
    "revocations": lambda world, _: {"revocations": revocations.measure(world)},
    "growth": lambda world, _: {"growth": growth.measure(world)},
    "year": lambda world, _: year.measure(world),
}
ALONE: dict[str, Callable[[], Part]] = {
    "burst": burst.measure,
    "fleet": fleet.measure,
    "waste": _waste,
    "authority": authority.measure,
    "acme": acme.measure,
    "acme-server": acme_server.measure,
    "host": host.measure,
    "console": console.measure,
}
PARTS = (
    *("starts", "ticks", "renewals", "burst", "fleet", "waste", "authority", "revocations", "growth", "acme"),
    *("acme-server", "host", "console", "year"),
)


def _machine() -> str:
    """Return the line below each part about date and machine; parts can be measured separately."""
    return (
        f"Taken on {datetime.now(UTC):%Y-%m-%d}, {platform.system()} {platform.machine()}, {os.cpu_count()} processors, "
        f"CPython {platform.python_version()}, load {os.getloadavg()[0]:.1f}."
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
