"""Bursts of revocations: one publisher builds a list, the others wait for it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from cryptography import x509

from evercert.authority.ca.signing_orders import CrlOrder, Revoked
from evercert.authority.registration.crl_publisher import CrlPublisher
from evercert.authority.registration.public_copies import PublicCopies
from evercert.authority.signer.signer import SigningService
from evercert.errors import Unavailable
from tests.doubles.authority.ceremony import ADDRESS, Ceremony
from tests.doubles.authority.certificates import FakeCertificates
from tests.doubles.authority.configuration import FakeConfiguration
from tests.doubles.authority.ledger import MemoryLedger
from tests.doubles.authority.public_store import FakePublicStore
from tests.doubles.fakes import START

BURST = 20


@dataclass
class Recording:
    """A signer that records its orders."""

    service: SigningService
    orders: list[CrlOrder] = field(default_factory=list)
    trouble: Exception | None = None

    def crl(self, order: CrlOrder) -> bytes:
        self.orders.append(order)
        if self.trouble is not None:
            raise self.trouble
        return self.service.crl(order)


class Indexed(FakeCertificates):
    """A store whose index has the entries at once."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[int, Revoked] = {}

    def revoked(self, ca_id, expiring_after):
        return list(self.entries.values())


@pytest.fixture
def store() -> Indexed:
    return Indexed()


@pytest.fixture
def ceremony() -> Ceremony:
    return Ceremony()


@pytest.fixture
def signer(ceremony: Ceremony) -> Recording:
    configuration = FakeConfiguration(ceremony.root, ceremony.issuing)
    return Recording(SigningService(configuration, MemoryLedger(), ceremony.keys, ADDRESS, lambda: START))


def publisher(ceremony: Ceremony, store: Indexed, signer: Recording, pause=lambda _: None) -> CrlPublisher:
    configuration = FakeConfiguration(ceremony.root, ceremony.issuing)
    copies = PublicCopies(configuration, store, FakePublicStore(), lambda: START)
    return CrlPublisher(configuration, store, signer, copies, lambda: START, pause=pause)


def entries(der: bytes | None) -> set[int]:
    return {one.serial_number for one in x509.load_der_x509_crl(der or b"")}


@pytest.mark.parametrize("older", [0, 2_000])
def test_burst_of_revocations_builds_one_list(
    ceremony: Ceremony, store: Indexed, signer: Recording, older: int
) -> None:
    """All callers have revoked before the first list is built, so it has every entry."""
    ready, ca = threading.Barrier(BURST), ceremony.issuing.id
    store.entries = {serial: Revoked(serial, START) for serial in range(BURST + 1, BURST + 1 + older)}

    def revoke(serial: int) -> None:
        entry = Revoked(serial, START)
        store.entries[serial] = entry
        ready.wait(10)
        waiting = threading.Event()
        publisher(ceremony, store, signer, lambda _: waiting.wait(0.01) and None).publish_revoked(ca, {serial: entry})

    with ThreadPoolExecutor(BURST) as threads:
        list(threads.map(revoke, range(1, BURST + 1)))
    assert entries(store.published(ca)) == set(range(1, BURST + 1 + older))
    assert len(signer.orders) == 1
    assert store.leases == {}


def test_waiting_publisher_builds_if_the_list_lacks_its_entry(
    ceremony: Ceremony, store: Indexed, signer: Recording
) -> None:
    ca = ceremony.issuing.id
    assert store.lease_crl(ca, START, START + timedelta(seconds=5))

    def other_publishes(_: float) -> None:
        publisher(ceremony, store, signer).publish(ca, {7: Revoked(7, START)})
        store.release_crl(ca, START + timedelta(seconds=5))

    publisher(ceremony, store, signer, other_publishes).publish_revoked(ca, {8: Revoked(8, START)})
    assert entries(store.published(ca)) == {7, 8}
    assert len(signer.orders) == 2


def test_listed_entry_needs_no_new_list(ceremony: Ceremony, store: Indexed, signer: Recording) -> None:
    ca, mine = ceremony.issuing.id, publisher(ceremony, store, signer)
    for _ in range(3):
        mine.publish_revoked(ca, {7: Revoked(7, START)})
    assert len(signer.orders) == 1
    assert store.leases == {}


def test_publisher_stops_waiting_for_a_dead_one(ceremony: Ceremony, store: Indexed, signer: Recording) -> None:
    """The clock of this test stands still, so the lease of the dead publisher never expires."""
    ca, pauses = ceremony.issuing.id, []
    store.lease_crl(ca, START, START + timedelta(days=1))
    publisher(ceremony, store, signer, pauses.append).publish_revoked(ca, {7: Revoked(7, START)})
    assert entries(store.published(ca)) == {7}
    assert sum(pauses) == pytest.approx(12)


def test_failed_publisher_releases_its_lease(ceremony: Ceremony, store: Indexed, signer: Recording) -> None:
    ca, signer.trouble = ceremony.issuing.id, Unavailable("the signer was ended")
    with pytest.raises(Unavailable):
        publisher(ceremony, store, signer).publish_revoked(ca, {7: Revoked(7, START)})
    assert store.leases == {}


@pytest.mark.parametrize("garbage", [b"", b"0\x00", b"garbage"])
def test_malformed_list_is_replaced(ceremony: Ceremony, store: Indexed, signer: Recording, garbage: bytes) -> None:
    """A manual edit must not stop the lists of a CA."""
    publish, der = publisher(ceremony, store, signer), [garbage]
    store.published = lambda ca_id: der[0]
    store.publish = lambda ca_id, number, made: der.__setitem__(0, made)
    publish.publish_revoked(ceremony.issuing.id, {7: Revoked(7, START)})
    assert entries(der[0]) == {7}
    der[0] = garbage
    assert publish.root_crls() == {ceremony.root.name: timedelta()}
    assert [result.problem for result in publish.refresh()] == [None]
