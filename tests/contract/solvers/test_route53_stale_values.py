"""The solver for Route 53: TXT values that earlier orders could not remove, on the strict double."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from evercert.contracts.solver import Challenge, Lease, LeasedValue
from evercert.deadline import CLOCK_TOLERANCE
from evercert.errors import Misconfigured
from evercert.solvers.route53 import LONGEST_ORDER, MOST_STALE
from tests.doubles.fakes import START
from tests.doubles.route53 import RECORD, Bench, challenge, value


@pytest.fixture
def bench() -> Bench:
    return Bench()


def fail_to_clean_up(bench: Bench, number: int, notes: str) -> None:
    """Clean up while Route 53 refuses writes."""
    bench.aws.refusals["ChangeResourceRecordSets"] = ["AccessDenied"]
    with pytest.raises(Misconfigured):
        bench.solver().clean_up(challenge(number), notes)
    assert value(number) in bench.texts()


def test_clean_up_forgets_the_value(bench: Bench) -> None:
    notes = bench.solver().present(challenge()).notes
    assert bench.leases.texts == [value()]
    bench.solver().clean_up(challenge(), notes)
    assert bench.leases.texts == []


def test_next_order_removes_a_value_that_remained(bench: Bench) -> None:
    """The same write removes the old value and adds the new one."""
    fail_to_clean_up(bench, 0, bench.solver().present(challenge()).notes)
    bench.clock.now += timedelta(days=60)
    writes = bench.aws.calls.count("ChangeResourceRecordSets")
    bench.solver().present(later(bench, 1))
    assert bench.texts() == bench.leases.texts == [value(1)]
    assert bench.aws.calls.count("ChangeResourceRecordSets") == writes + 1


def later(bench: Bench, number: int) -> Challenge:
    """Return a challenge of an order that is placed now."""
    return replace(challenge(number), expires=bench.clock() + timedelta(hours=1))


def test_next_clean_up_removes_a_value_that_remained(bench: Bench) -> None:
    notes = [bench.solver().present(challenge(number)).notes for number in range(2)]
    fail_to_clean_up(bench, 0, notes[0])
    bench.clock.now += timedelta(hours=1) + CLOCK_TOLERANCE
    bench.solver().clean_up(challenge(1), notes[1])
    assert bench.texts() == bench.leases.texts == []


def test_value_of_a_dead_order_is_removed_after_its_expiry(bench: Bench) -> None:
    bench.solver().present(challenge())
    bench.clock.now = START + timedelta(hours=1) + CLOCK_TOLERANCE - timedelta(seconds=1)
    bench.solver().present(later(bench, 1))
    assert bench.texts() == sorted([value(0), value(1)])
    bench.clock.now += timedelta(seconds=1)
    bench.solver().present(later(bench, 2))
    assert bench.texts() == bench.leases.texts == sorted([value(1), value(2)])


def test_value_of_an_order_in_progress_remains(bench: Bench) -> None:
    bench.solver().present(challenge(0))
    notes = bench.solver().present(challenge(1)).notes
    bench.solver().clean_up(challenge(1), notes)
    assert bench.texts() == bench.leases.texts == [value(0)]


def test_value_that_remained_is_kept_until_its_challenge_expires(bench: Bench) -> None:
    """The order may present it again, after a failed clean-up."""
    fail_to_clean_up(bench, 0, bench.solver().present(challenge()).notes)
    bench.solver().present(challenge(1))
    assert bench.texts() == sorted([value(0), value(1)])


def test_value_with_a_later_end_remains(bench: Bench) -> None:
    bench.solver().present(challenge())
    bench.clock.now += timedelta(hours=2)
    bench.solver().present(later(bench, 0))
    bench.solver().present(later(bench, 1))
    assert bench.texts() == sorted([value(0), value(1)])


def test_values_of_other_programs_are_never_removed(bench: Bench) -> None:
    """Only what a lease remembers, and what looks like a value of dns-01, is removed."""
    texts = ["theirs", "v=spf1 -all", value(7)]
    bench.aws.put(bench.zone, RECORD, *texts)
    edited = Lease(f"{bench.zone}#{RECORD}", "x", START, frozenset({LeasedValue("v=spf1 -all", START)}))
    bench.leases.take(edited, START)
    bench.clock.now += timedelta(days=60)
    bench.solver().present(later(bench, 1))
    assert bench.texts() == sorted([*texts, value(1)])
    assert bench.leases.texts == [value(1)]


def test_end_that_no_order_can_have_does_not_count(bench: Bench) -> None:
    bench.solver().present(replace(challenge(0), expires=START + LONGEST_ORDER + CLOCK_TOLERANCE))
    bench.solver().present(challenge(1))
    assert value(0) in bench.texts()
    bench.solver().present(replace(challenge(2), expires=START + timedelta(days=3_000)))
    bench.solver().present(challenge(1))
    assert bench.texts() == sorted([value(0), value(1)])


def test_values_that_cannot_be_removed_are_remembered(bench: Bench) -> None:
    fail_to_clean_up(bench, 0, bench.solver().present(challenge()).notes)
    bench.clock.now += timedelta(days=60)
    bench.aws.refusals["ChangeResourceRecordSets"] = ["AccessDenied"]
    with pytest.raises(Misconfigured):
        bench.solver().present(later(bench, 1))
    assert bench.leases.texts == sorted([value(0), value(1)])
    bench.solver().present(later(bench, 2))
    assert value(0) not in bench.texts() and value(0) not in bench.leases.texts


def test_one_write_removes_a_limited_number(bench: Bench) -> None:
    values = frozenset(LeasedValue(value(number), START) for number in range(MOST_STALE + 20))
    bench.leases.take(Lease(f"{bench.zone}#{RECORD}", "x", START + timedelta(seconds=1), values), START)
    bench.clock.now += timedelta(days=60)
    for left in (20, 0):
        bench.solver().present(later(bench, 999))
        assert len(bench.leases.texts) == left + 1
