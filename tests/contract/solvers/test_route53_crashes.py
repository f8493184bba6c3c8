"""The solver for Route 53, killed at each call, and two orders for one record interleaved at each call."""

from __future__ import annotations

import pytest

from evercert.contracts.solver import Presented
from evercert.errors import EvercertError
from tests.doubles.route53 import RECORD, Bench, challenge, value
from tests.doubles.world import Killed, When

THEIRS = "theirs"
PRESENT = ["ListHostedZonesByName"] * 3 + ["take", "ListResourceRecordSets", "ChangeResourceRecordSets", "release"]
CLEAN_UP = PRESENT[3:]
WHENS: list[When] = ["before", "after"]


def started() -> Bench:
    """Return a bench whose record set has a value of another program."""
    bench = Bench()
    bench.aws.put(bench.zone, RECORD, THEIRS)
    return bench


def test_calls_of_present_and_clean_up() -> None:
    bench = Bench()
    bench.switch.arm(None)
    notes = bench.present().notes
    assert bench.switch.calls == PRESENT
    bench.switch.arm(None)
    bench.clean_up(0, notes)
    assert bench.switch.calls == CLEAN_UP


def restart(bench: Bench) -> None:
    """Start the next process."""
    assert bench.switch.after_death == []
    bench.switch.dead = bench.switch.listening = False


@pytest.mark.parametrize("others", [True, False], ids=["shared", "alone"])
@pytest.mark.parametrize("when", WHENS)
@pytest.mark.parametrize("at", range(1, len(PRESENT) + 1))
def test_killed_present_is_repeated(at: int, when: When, others: bool) -> None:
    bench = started() if others else Bench()
    expected = [THEIRS] if others else []
    bench.switch.arm(at, when)
    with pytest.raises(Killed):
        bench.present()
    restart(bench)
    notes = bench.present().notes
    assert bench.texts() == sorted([value(), *expected])
    bench.clean_up(0, notes)
    assert bench.texts() == expected
    assert bench.leases.held == {}


@pytest.mark.parametrize("when", WHENS)
@pytest.mark.parametrize("at", range(1, len(PRESENT) + 1))
def test_killed_present_is_cleaned_up_without_notes(at: int, when: When) -> None:
    bench = started()
    bench.switch.arm(at, when)
    with pytest.raises(Killed):
        bench.present()
    restart(bench)
    bench.clean_up()
    assert bench.texts() == [THEIRS]


@pytest.mark.parametrize("others", [True, False], ids=["shared", "alone"])
@pytest.mark.parametrize("when", WHENS)
@pytest.mark.parametrize("at", range(1, len(CLEAN_UP) + 1))
def test_killed_clean_up_is_repeated(at: int, when: When, others: bool) -> None:
    bench = started() if others else Bench()
    notes = bench.present().notes
    bench.switch.arm(at, when)
    with pytest.raises(Killed):
        bench.clean_up(0, notes)
    restart(bench)
    bench.clean_up(0, notes)
    assert bench.texts() == ([THEIRS] if others else [])
    assert bench.leases.held == {}


def interleave(bench: Bench, at: int, when: When, first: str, second: str) -> list[str]:
    """Run the action of order 0, with that of order 1 at one of its calls; return the errors of the second one."""
    errors: list[str] = []
    presented: dict[int, Presented] = {}

    def act(action: str, number: int) -> None:
        if action == "present":
            presented[number] = bench.present(number)
        else:
            bench.clean_up(number, presented[number].notes)

    def other() -> None:
        try:
            if second == "present":
                presented[1] = bench.solver().present(challenge(1))
            else:
                bench.solver().clean_up(challenge(1), presented[1].notes)
        except EvercertError as error:
            errors.append(type(error).__name__)

    for number, action in enumerate((first, second)):
        if action == "clean_up":
            act("present", number)
    bench.switch.arm(at, when, other)
    act(first, 0)
    bench.switch.listening = False
    if errors:
        act(second, 1)
    return errors


PLACES = [
    (action, at) for action, calls in (("present", PRESENT), ("clean_up", CLEAN_UP)) for at in range(1, len(calls) + 1)
]


@pytest.mark.parametrize("when", WHENS)
@pytest.mark.parametrize("second", ["present", "clean_up"])
@pytest.mark.parametrize(("first", "at"), PLACES)
def test_two_orders_lose_no_value(first: str, second: str, at: int, when: When) -> None:
    bench = started()
    errors = interleave(bench, at, when, first, second)
    expected = {value(number) for number, action in enumerate((first, second)) if action == "present"}
    assert set(bench.texts()) == {THEIRS, *expected}
    assert len(bench.texts()) == 1 + len(expected)
    assert set(errors) <= {"NotYet"}
    assert bench.leases.held == {}
    for number in range(2):
        bench.clean_up(number)
    assert bench.texts() == [THEIRS]


@pytest.mark.parametrize("when", WHENS)
@pytest.mark.parametrize("at", range(1, len(CLEAN_UP) + 1))
def test_two_orders_alone_leave_no_set(at: int, when: When) -> None:
    bench = Bench()
    interleave(bench, at, when, "clean_up", "clean_up")
    assert bench.aws.zones[bench.zone].records == []


@pytest.mark.parametrize("when", WHENS)
@pytest.mark.parametrize("at", range(1, len(PRESENT) + 1))
def test_killed_order_does_not_stop_another(at: int, when: When) -> None:
    bench = started()
    bench.switch.arm(at, when)
    with pytest.raises(Killed):
        bench.present(0)
    restart(bench)
    bench.present(1)
    assert {THEIRS, value(1)} <= set(bench.texts())
    bench.present(0)
    assert bench.texts() == sorted([THEIRS, value(0), value(1)])
