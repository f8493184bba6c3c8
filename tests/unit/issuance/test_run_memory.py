"""Memory of one run: which calls it saves, and what is still stored at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from evercert.contracts.issuer import Issued, OpenIssuer, Request
from evercert.contracts.ports import BreakerState, Changes, ClaimedRecord
from evercert.contracts.read_beside import FoundBeside, Needs
from evercert.contracts.record import Delivery
from evercert.contracts.revisions import RevisionStore
from evercert.errors import OutOfTime, SealBroken, Unavailable
from evercert.issuance.run_memory import BREAKER_LASTS, RunBreakers, RunSeal
from evercert.issuers.self_signed import SelfSigned
from evercert.pki.keys import PrivateKey
from tests.doubles.fakes import LEASE, START, Bench, FakeBreakers, FakeIssuers, FakeSeal, HandClock, spec
from tests.unit.issuance.test_delivery import Shelf, here


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.issuers.known["main"] = OpenIssuer(SelfSigned(SelfSigned.Settings()), "self-signed")
    return bench


@dataclass
class CountedBreakers(FakeBreakers):
    """Breakers that count their reads."""

    reads: list[str] = field(default_factory=list)

    def read(self, service: str, *, latest: bool = False) -> BreakerState:
        self.reads.append(service)
        return super().read(service, latest=latest)


@dataclass
class BesideReader(FakeIssuers):
    """Issuers that read breakers and kept revisions too; without `answers`, they return none."""

    revisions: RevisionStore | None = None
    asked: list[Needs] = field(default_factory=list)
    answers: bool = True

    def open_beside(self, name: str, certificate: str | None, needs: Needs) -> tuple[OpenIssuer, FoundBeside]:
        self.asked.append(needs)
        opened = self.open(name, certificate)
        if not self.answers:
            return opened, FoundBeside()
        kept = (
            None if self.revisions is None or needs.revisions_of is None else self.revisions.read(*needs.revisions_of)
        )
        return opened, FoundBeside({service: BreakerState(service) for service in needs.services}, kept)


class Failing(SelfSigned):
    """Self-signed issuer that cannot sign."""

    def __init__(self) -> None:
        super().__init__(SelfSigned.Settings())

    def issue_with(self, request: Request, private_key: PrivateKey) -> Issued:
        raise Unavailable("cannot sign")


def shelves(bench: Bench) -> tuple[Shelf, Shelf]:
    """Make two destinations that create objects."""
    bench.destinations.known |= {"here": Shelf(bench.clock), "there": Shelf(bench.clock, service="other")}  # type: ignore[dict-item]
    return bench.destinations.known["here"], bench.destinations.known["there"]  # type: ignore[return-value]


def renew(bench: Bench) -> str:
    bench.clock.now = bench.record().renew_at or bench.clock.now
    return bench.run()


# -- keys --------------------------------------------------------------------------------------------------------------
def test_key_of_this_run_is_not_decrypted() -> None:
    sealed_by, key = FakeSeal(), PrivateKey.generate("EC_prime256v1")
    seal = RunSeal(sealed_by)
    sealed = seal.close(key, "uid", 1)
    sealed_by.close = sealed_by.open = None  # type: ignore[assignment, method-assign]
    assert seal.open(sealed, "uid", 1) is key


@pytest.mark.parametrize(("uid", "revision"), [("other", 1), ("uid", 2)])
def test_key_of_another_revision_is_decrypted(uid: str, revision: int) -> None:
    seal = RunSeal(FakeSeal())
    sealed = seal.close(PrivateKey.generate("EC_prime256v1"), "uid", 1)
    with pytest.raises(SealBroken):
        seal.open(sealed, uid, revision)


# -- breakers ----------------------------------------------------------------------------------------------------------
def test_breaker_is_read_once_in_five_seconds() -> None:
    stored, clock = CountedBreakers(), HandClock()
    breakers = RunBreakers(stored, clock)
    for _ in range(2):
        assert breakers.read("ca") == BreakerState("ca")
    assert stored.reads == ["ca"]
    breakers.read("ca", latest=True)
    clock.advance(seconds=BREAKER_LASTS.total_seconds())
    breakers.read("ca")
    assert stored.reads == ["ca"] * 3
    clock.now = START - timedelta(days=1)
    breakers.read("ca")
    assert stored.reads == ["ca"] * 4


def test_written_breaker_is_read_again() -> None:
    stored, clock = CountedBreakers(), HandClock()
    breakers, until = RunBreakers(stored, clock), clock() + timedelta(minutes=1)
    assert breakers.open(breakers.read("ca"), 1, until)
    opened = breakers.read("ca")
    assert opened.open_until == until
    breakers.close(opened)
    assert breakers.read("ca").open_until is None
    assert breakers.slow_down(breakers.read("ca"), timedelta(seconds=1), until)
    assert breakers.read("ca").slow_until == until


def test_breakers_are_read_with_the_issuer(bench: Bench) -> None:
    breakers, issuers = CountedBreakers(), BesideReader(known=bench.issuers.known)
    object.__setattr__(bench.ports, "breakers", breakers)
    object.__setattr__(bench.ports, "issuers", issuers)
    shelves(bench)
    bench.want(spec(to=("here", "there")))
    assert bench.run() == "certificate.issued"
    assert [needs.services for needs in issuers.asked] == [("shelf", "other")]
    assert breakers.reads == []


def test_breakers_that_were_left_out_are_read(bench: Bench) -> None:
    breakers, issuers = CountedBreakers(), BesideReader(known=bench.issuers.known, answers=False)
    object.__setattr__(bench.ports, "breakers", breakers)
    object.__setattr__(bench.ports, "issuers", issuers)
    shelves(bench)
    bench.want(spec(to=("here", "there")))
    assert bench.run() == "certificate.issued"
    assert breakers.reads == ["shelf", "other"]


def test_unknown_destination_does_not_hide_the_others(bench: Bench) -> None:
    shelves(bench)
    destinations = [{"type": "lost"}, {"type": "fake", "to": "here"}]
    bench.want(spec(destinations=destinations))
    assert bench.run() == "certificate.issued"
    assert here(bench, 1).revision == 1


# -- what is stored at once ---------------------------------------------------------------------------------------------
def test_first_import_is_stored_at_once(bench: Bench) -> None:
    """A crash after the import must not lose the location: the next run would create a second object."""
    _, second = shelves(bench)
    seen: list[Delivery] = []
    second.while_delivering = lambda: seen.append(here(bench))
    bench.want(spec(to=("here", "there")))
    bench.run()
    assert [(one.revision, one.location) for one in seen] == [(1, "thing 1")]


def test_later_delivery_is_stored_with_the_outcome(bench: Bench) -> None:
    _, second = shelves(bench)
    bench.want(spec(to=("here", "there")))
    bench.run()
    seen: list[Delivery] = []
    second.while_delivering = lambda: seen.append(here(bench))
    assert renew(bench) == "certificate.renewed"
    assert [one.revision for one in seen] == [1]
    assert [here(bench, number).revision for number in (0, 1)] == [2, 2]


def test_delivery_of_a_long_round_is_stored_at_once(bench: Bench) -> None:
    first, second = shelves(bench)
    bench.want(spec(to=("here", "there")))
    bench.run()
    seen: list[Delivery] = []
    first.while_delivering = lambda: bench.clock.advance(seconds=6)
    second.while_delivering = lambda: seen.append(here(bench))
    assert renew(bench) == "certificate.renewed"
    assert [one.revision for one in seen] == [2]


def test_failure_of_another_keeps_the_delivery(bench: Bench) -> None:
    _, second = shelves(bench)
    bench.want(spec(to=("here", "there")))
    bench.run()

    def fail() -> None:
        raise Unavailable("no answer")

    second.while_delivering = fail
    renew(bench)
    assert [here(bench, number).revision for number in (0, 1)] == [2, 1]


# -- self-signed revisions ----------------------------------------------------------------------------------------------
def writes(bench: Bench) -> list[dict[str, object]]:
    """Return the changes of every update from now on."""
    found: list[dict[str, object]] = []
    update = bench.table.update

    def recorded(held: ClaimedRecord, changes: Changes) -> None:
        found.append(dict(changes))
        update(held, changes)

    bench.table.update = recorded  # type: ignore[method-assign]
    return found


def test_self_signed_revision_is_one_write(bench: Bench) -> None:
    found = writes(bench)
    bench.want(spec())
    assert bench.run() == "certificate.issued"
    assert [sorted(one) for one in found] == [["pending", "revision", "state", "streak"], ["deliveries"]]


def test_failed_self_signed_revision_is_stored(bench: Bench) -> None:
    found = writes(bench)
    bench.want(spec())
    bench.issuers.known["main"] = OpenIssuer(Failing(), "self-signed")
    assert bench.run() == "certificate.failed"
    assert [one["revision"] for one in found] == [1]


def test_self_signed_run_that_died_begins_again(bench: Bench) -> None:
    """The run dies after the certificate was made, and before it was stored."""
    bench.want(spec())

    def die(*_: object) -> None:
        raise OutOfTime("the process died")

    update, bench.table.update = bench.table.update, die  # type: ignore[method-assign]
    assert bench.run() == "out-of-time"
    assert bench.record().pending is None
    bench.table.update = update  # type: ignore[method-assign]
    bench.clock.advance(seconds=LEASE.total_seconds() + 1)
    assert bench.run() == "certificate.issued"
    assert here(bench).revision == 1
