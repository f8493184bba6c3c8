"""Deliveries that a run made and did not store: until they are certain, nothing is revoked and nothing is skipped."""

from __future__ import annotations

from datetime import timedelta

import pytest

from evercert.aws.dynamodb import items
from evercert.contracts.record import Delivery
from evercert.errors import Unavailable
from tests.doubles.fakes import LEASE, Bench, FakeDestination, spec
from tests.doubles.scripted_ca import ScriptedCA
from tests.doubles.world import Killed
from tests.unit.issuance.test_run_memory import BesideReader

BOTH, ALL = ("here", "there"), ("here", "there", "third")
OTHER_NAME = {"common-name": "new.example.com", "ttl": "90d"}


class Dying(FakeDestination):
    """A destination in whose first delivery the process dies, once `dies` is set."""

    dies = False

    def deliver(self, bundle, here):
        if self.dies:
            self.dies = False
            raise Killed
        return super().deliver(bundle, here)


def issued(bench: Bench, to: tuple[str, ...] = BOTH) -> list[Dying]:
    """Issue a certificate to these destinations; return all but the first."""
    others = [Dying(name) for name in to[1:]]
    bench.destinations.known |= dict(zip(to[1:], others, strict=True))
    bench.want(spec(to=to))
    assert bench.run() == "certificate.issued"
    return others


def died(bench: Bench) -> int:
    """Run until the process dies, and wait for the end of its claim; return the serial number that `here` has."""
    with pytest.raises(Killed):
        bench.run()
    bench.clock.advance(seconds=LEASE.total_seconds() + 1)
    return serial(bench)


def serial(bench: Bench) -> int:
    return bench.destinations.known["here"].bundle.chain.serial_number


def stored(bench: Bench, number: int = 0) -> Delivery:
    record = bench.record()
    return record.deliveries[record.spec.destinations[number].key]


def edit(bench: Bench, **attributes: object) -> None:
    bench.edit(spec(to=BOTH, **attributes))


def renewal_that_died(bench: Bench) -> int:
    (there,) = issued(bench)
    bench.clock.now = bench.record().renew_at
    there.dies = True
    return died(bench)


def test_revision_that_may_be_in_use_is_not_revoked(bench: Bench, ca: ScriptedCA) -> None:
    used = renewal_that_died(bench)
    ca.script = ["unavailable"] * 3
    edit(bench, attributes=OTHER_NAME)
    bench.run()
    assert serial(bench) == used
    assert used not in ca.revoked


def test_edit_that_was_delivered_and_reverted_is_replaced(bench: Bench, ca: ScriptedCA) -> None:
    (there,) = issued(bench)
    edit(bench, attributes=OTHER_NAME)
    there.dies = True
    used = died(bench)
    edit(bench)
    assert bench.run() == "certificate.renewed"
    assert serial(bench) != used
    assert bench.record().facts.names == ("dns:www.example.com",)
    assert not any(here.in_doubt for here in bench.record().deliveries.values())


def test_run_that_died_is_resumed_without_doubt(bench: Bench, ca: ScriptedCA) -> None:
    used = renewal_that_died(bench)
    assert stored(bench).in_doubt
    assert bench.run() == "certificate.renewed"
    assert (serial(bench), stored(bench).revision, stored(bench).in_doubt) == (used, 2, False)


def test_refused_renewal_leaves_no_doubt(bench: Bench, ca: ScriptedCA) -> None:
    issued(bench)
    for name in BOTH:
        bench.destinations.known[name].errors = [Unavailable("closed")]
    bench.clock.now = bench.record().renew_at
    assert bench.run() == "certificate.failed"
    assert not any(here.in_doubt for here in bench.record().deliveries.values())
    bench.clock.advance(minutes=1)
    edit(bench, attributes=OTHER_NAME)
    assert bench.run() == "certificate.renewed"
    assert len(ca.revoked) == 1


def test_doubt_of_an_earlier_run_stays_after_a_refusal(bench: Bench, ca: ScriptedCA) -> None:
    renewal_that_died(bench)
    for name in BOTH:
        bench.destinations.known[name].errors = [Unavailable("closed")]
    assert bench.run() == "certificate.failed"
    assert stored(bench).in_doubt


def test_resumed_delivery_without_intent_is_stored(bench: Bench, ca: ScriptedCA) -> None:
    (there,) = issued(bench)
    for name in BOTH:
        bench.destinations.known[name].errors = [Unavailable("closed")]
    bench.clock.now = bench.record().renew_at
    bench.run()
    bench.clock.now = bench.record().retry_at
    there.dies = True
    died(bench)
    assert stored(bench).revision == 2


def test_slow_failure_does_not_repeat_the_others(bench: Bench, ca: ScriptedCA) -> None:
    there, third = issued(bench, ALL)

    def slow(bundle: object, here: Delivery) -> None:
        bench.clock.advance(seconds=21)
        raise Unavailable("no answer")

    bench.clock.now = bench.record().renew_at
    there.deliver, third.dies = slow, True
    died(bench)
    assert stored(bench).revision == 2


def test_bug_after_the_deliveries_leaves_doubt(bench: Bench, ca: ScriptedCA, monkeypatch: pytest.MonkeyPatch) -> None:
    issued(bench)
    bench.clock.now = bench.record().renew_at
    with monkeypatch.context() as broken:
        broken.setattr(bench.revisions, "read", lambda *_: {}["bug"])
        assert bench.run() == "certificate.failed"
    assert stored(bench).in_doubt
    bench.clock.now = bench.record().retry_at
    assert bench.run() == "certificate.renewed"
    assert (stored(bench).revision, ca.revoked) == (2, [])


def test_bug_in_one_destination_does_not_stop_the_others(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = bench.destinations.open

    def open_one(component, certificate):
        return {}["bug"] if component.settings["to"] == "there" else opened(component, certificate)

    monkeypatch.setattr(bench.destinations, "open", open_one)
    object.__setattr__(bench.ports, "issuers", BesideReader(known=bench.issuers.known))
    bench.want(spec(to=BOTH))
    bench.run()
    assert stored(bench).revision == 1


def test_raised_count_is_not_set_back(bench: Bench, ca: ScriptedCA) -> None:
    ca.script = ["pending"]
    bench.want(spec())
    bench.run()
    bench.table.items[items.pk("web"), items.SK]["revision"] = {"N": "7"}
    bench.clock.now += timedelta(hours=1)
    assert bench.run() == "certificate.issued"
    assert bench.record().revision == 7


def test_number_of_a_failed_revision_is_not_used_again(bench: Bench, ca: ScriptedCA) -> None:
    """The end of the run was stored, but not the revision itself."""
    ca.script = ["pending"]
    bench.want(spec())
    bench.run()
    record = bench.record()
    assert record.pending is not None
    assert record.model_copy(update={"revision": 0}).next_revision == record.pending.revision + 1
