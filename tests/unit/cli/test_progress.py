"""The wait for certificates ends with one result each."""

from __future__ import annotations

import io
from datetime import timedelta

from rich.console import Console

from evercert.cli.progress import wait_for
from tests.doubles.fakes import Bench, spec
from tests.unit.issuance.helpers import SELF_SIGNED


def test_wait_for_tells_when_a_later_beginning_is_requested() -> None:
    bench = Bench()
    bench.issuers.known["main"] = SELF_SIGNED
    dates = {"not-before": "2099-03-02T12:00:00Z", "not-after": "2099-06-01T12:00:00Z"}
    bench.want(spec(attributes={"common-name": "www.example.com", **dates}))
    assert bench.run() == "waiting"
    (result,) = wait_for(bench.table, ["web"], timedelta(seconds=0), Console(file=io.StringIO()))
    assert result == ("web", "will be requested at 2099-03-01 12:00:00Z, a day before its not-before", True)


def test_wait_for_tells_what_was_delivered() -> None:
    bench = Bench()
    bench.issuers.known["main"] = SELF_SIGNED
    bench.want(spec())
    bench.run()
    ((name, result, good),) = wait_for(bench.table, ["web"], timedelta(seconds=0), Console(file=io.StringIO()))
    assert (name, good) == ("web", True)
    assert result.startswith("revision 1, serial ")
