"""The wait for certificates ends with one result each."""

from __future__ import annotations

import io
import time
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from evercert.cli.progress import _result, wait_for
from evercert.contracts.record import Failure, Record
from evercert.contracts.spec_store import STACK, Pause, PauseTarget
from tests.doubles.command import UID
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


NOW = datetime.now(UTC)
END = NOW + timedelta(minutes=10)


def failing(kind: str, due_in: timedelta) -> Record:
    error = Failure(kind=kind, message="the CA is away", at=NOW, generation=1)
    record = Record(name="web", uid=UID, spec=spec(), generation=1, state="failing", last_error=error)
    return record.model_copy(update={"due_at": NOW + due_in})


@pytest.mark.parametrize(
    ("kind", "due_in", "ends"),
    [
        ("unavailable", timedelta(minutes=5), False),
        ("unavailable", timedelta(minutes=15), True),
        ("rejected", timedelta(minutes=5), True),
        ("misconfigured", timedelta(minutes=5), True),
    ],
)
def test_wait_continues_if_the_stack_retries_in_time(kind: str, due_in: timedelta, ends: bool) -> None:
    found = _result(failing(kind, due_in), NOW, END, {})
    assert found == ((f"failed ({kind}): the CA is away", False) if ends else None)


def test_late_result_names_the_last_error() -> None:
    bench = Bench()
    bench.table.record = lambda name: failing("unavailable", timedelta(minutes=-1))  # type: ignore[method-assign]
    ((_, result, good),) = wait_for(bench.table, ["web"], timedelta(seconds=0), Console(file=io.StringIO()))
    assert (result.startswith("Still in progress after 0s"), good) == (True, False)
    assert result.endswith("; the last error: the CA is away")


PAUSES = {
    "stack": (STACK, "evercert resume"),
    "issuer": (PauseTarget("main"), "evercert resume --issuer main"),
    "certificate": (PauseTarget(certificate="web"), "evercert resume web"),
}


@pytest.mark.parametrize(("target", "command"), PAUSES.values(), ids=PAUSES)
def test_wait_ends_at_once_for_a_paused_certificate(target: PauseTarget, command: str) -> None:
    bench = Bench()
    bench.want(spec())
    bench.table.pause(target, Pause(None, "freeze"), NOW)
    start = time.monotonic()
    ((_, result, good),) = wait_for(bench.table, ["web"], timedelta(seconds=20), Console(file=io.StringIO()))
    assert result == f"written; {target} is paused (freeze): nothing is issued until `{command}`"
    assert not good and time.monotonic() - start < 5


def test_wait_ignores_the_pause_of_one_of_several_issuers() -> None:
    several = spec(issuers=["main", "other"])
    record = Record(name="web", uid=UID, spec=several, generation=1)
    assert _result(record, NOW, END, {PauseTarget("main"): Pause(None)}) is None
