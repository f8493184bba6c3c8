"""Copies of CRLs and CA certificates: complete, idempotent, and no obstacle to publishing a CRL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from evercert.authority.ca.public_files import PublicFile
from evercert.authority.ca.public_paths import certificate_path, crl_path
from evercert.authority.ca.signing_orders import Revoked
from evercert.authority.registration.crl_publisher import CrlPublisher
from evercert.authority.registration.public_copies import PublicCopies
from evercert.authority.signer.signer import SigningService
from evercert.errors import Misconfigured, Unavailable
from tests.doubles.authority.ceremony import ADDRESS, Ceremony
from tests.doubles.authority.certificates import FakeCertificates
from tests.doubles.authority.configuration import FakeConfiguration
from tests.doubles.authority.ledger import MemoryLedger
from tests.doubles.authority.public_store import FakePublicStore
from tests.doubles.fakes import START, HandClock
from tests.doubles.world import Killed


class Authority:
    """A publisher with its store; `publisher()` is a new process."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.ceremony = Ceremony()
        self.configuration = FakeConfiguration(self.ceremony.root, self.ceremony.issuing)
        self.certificates = FakeCertificates()
        self.store = FakePublicStore()
        self.copies = PublicCopies(self.configuration, self.certificates, self.store, self.clock)
        self.signer = SigningService(
            self.configuration, MemoryLedger(), self.ceremony.keys, ADDRESS, self.clock
        )  # fmt: skip

    @property
    def ca(self) -> str:
        return self.ceremony.issuing.id

    def publisher(self) -> CrlPublisher:
        return CrlPublisher(
            self.configuration, self.certificates, self.signer, self.copies, self.clock, pause=lambda _: None
        )

    def revoke(self, serial: int) -> None:
        self.publisher().publish_revoked(self.ca, {serial: Revoked(serial, START)})

    def copied(self) -> bytes | None:
        found = self.store.files.get(crl_path(self.ca))
        return None if found is None else found.content


@pytest.fixture
def authority() -> Authority:
    return Authority()


def test_copy_all_has_every_list_and_certificate(authority: Authority) -> None:
    authority.publisher().refresh()
    assert authority.store.files == {}  # the task copies afterwards
    results = authority.copies.copy_all()
    root, issuing = authority.ceremony.root, authority.ceremony.issuing
    expected = {certificate_path(ca.id, ca.current.id) for ca in (root, issuing)} | {crl_path(issuing.id)}
    assert {one.path for one in results if one.written} == authority.store.files.keys() == expected
    assert {one.path for one in results if not one.written} == {crl_path(root.id)}  # no list yet
    assert all(one.problem is None for one in results)
    der = root.current.x509.public_bytes(Encoding.DER)
    assert authority.store.files[certificate_path(root.id, root.current.id)].content == der


def test_copy_all_twice_writes_once(authority: Authority) -> None:
    authority.publisher().refresh()
    authority.copies.copy_all()
    assert not any(one.written for one in authority.copies.copy_all())


def test_copy_all_has_the_list_of_the_root(authority: Authority) -> None:
    """The operator signs it, and stores it in the table."""
    authority.revoke(7)
    root, der = authority.ceremony.root.id, authority.certificates.lists[authority.ca][1]
    authority.certificates.publish(root, 1, der)
    authority.copies.copy_all()
    assert authority.store.files[crl_path(root)].content == der


def test_copy_all_has_older_certificates_of_a_ca(authority: Authority) -> None:
    """Issued certificates name the certificate that their issuer had then."""
    issuing = authority.ceremony.issuing
    older = issuing.current.model_copy(update={"id": "older"})
    authority.configuration.put(issuing.model_copy(update={"installed": (older, issuing.current)}))
    authority.copies.copy_all()
    assert certificate_path(issuing.id, "older") in authority.store.files


@pytest.mark.parametrize("failing", range(3))
def test_failing_copy_does_not_affect_the_others(authority: Authority, failing: int) -> None:
    authority.publisher().refresh()
    working, count = authority.store.put, [0]

    def put(file: PublicFile) -> bool:
        count[0] += 1
        if count[0] == failing + 1:
            raise Unavailable("cannot store it: AWS did not answer")
        return working(file)

    authority.store.put = put  # type: ignore[method-assign]
    results = authority.copies.copy_all()
    (problem,) = [one.problem for one in results if one.problem is not None]
    assert "AWS did not answer" in problem
    assert len(authority.store.files) == 2
    assert sum(one.written for one in authority.copies.copy_all()) == 1


def test_malformed_list_is_a_problem_of_its_own(authority: Authority) -> None:
    authority.certificates.publish(authority.ca, 1, b"edited")
    problems = {one.path: one.problem for one in authority.copies.copy_all()}
    assert "malformed" in (problems.pop(crl_path(authority.ca)) or "")
    assert set(problems.values()) == {None}


def test_unreadable_ca_does_not_stop_the_copies(authority: Authority) -> None:
    every = {**authority.configuration.every_ca(), "broken": Misconfigured("ca broken does not parse")}
    authority.configuration.every_ca = lambda: every  # type: ignore[method-assign]
    assert sum(one.written for one in authority.copies.copy_all()) == 2


def test_failed_copy_loses_no_list(authority: Authority) -> None:
    """The CRL is in the table and at the API; the next copy of any kind contains it."""
    authority.store.trouble = [Unavailable("cannot store it: SlowDown")]
    with pytest.raises(Unavailable, match="SlowDown"):
        authority.revoke(7)
    assert authority.publisher().has_entry(authority.ca, 7)
    assert authority.copied() is None
    authority.copies.copy_all()
    assert authority.copied() == authority.certificates.published(authority.ca)


def test_repeated_revocation_copies_without_a_new_list(authority: Authority) -> None:
    authority.store.trouble = [Unavailable("cannot store it: SlowDown")]
    with pytest.raises(Unavailable):
        authority.revoke(7)
    published = authority.certificates.published(authority.ca)
    authority.revoke(7)
    assert authority.copied() == authority.certificates.published(authority.ca) == published


def test_copy_follows_the_stored_list(authority: Authority) -> None:
    """Clients must not see an entry that a crash could undo."""
    calls: list[str] = []
    for target, name in ((authority.certificates, "publish"), (authority.store, "put")):
        setattr(target, name, _recorded(getattr(target, name), name, calls))
    authority.revoke(7)
    assert calls == ["publish", "put"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", ["lease_crl", "next_crl_number", "crl", "publish", "put", "published"])
def test_killed_publisher_is_healed_by_the_daily_task(authority: Authority, step: str, after: bool) -> None:
    """At whatever step the process died, the next task leaves the same CRL in table and copy, with all entries."""
    authority.revoke(7)
    authority.clock.advance(minutes=1)
    targets = (authority.certificates, authority.signer, authority.store)
    target = next(one for one in targets if hasattr(one, step))
    working = getattr(target, step)
    setattr(target, step, _killing(working, after=after))
    with pytest.raises(Killed):
        authority.revoke(8)
    setattr(target, step, working)
    authority.clock.advance(minutes=1)
    authority.publisher().publish(authority.ca, {8: Revoked(8, START)})  # the index has the entry by then
    authority.copies.copy_all()
    assert authority.copied() == authority.certificates.published(authority.ca)
    assert all(authority.publisher().has_entry(authority.ca, serial) for serial in (7, 8))


def test_late_publisher_leaves_the_newer_copy(authority: Authority) -> None:
    """Between the read of the table and the copy, another publisher stores and copies a newer list."""
    working = authority.store.put

    def put(file: PublicFile) -> bool:
        authority.store.put = working  # type: ignore[method-assign]
        authority.clock.advance(seconds=1)
        authority.revoke(8)
        return working(file)

    authority.store.put = put  # type: ignore[method-assign]
    authority.revoke(7)
    assert authority.copied() == authority.certificates.published(authority.ca)
    assert authority.store.files[crl_path(authority.ca)].number == authority.certificates.numbers[authority.ca]


@pytest.mark.parametrize(
    ("age", "seconds"),
    [(timedelta(), 300), (timedelta(days=7, minutes=-3), 180), (timedelta(days=8), 0)],
    ids=["new", "ending", "ended"],
)
def test_no_cache_keeps_a_list_past_its_end(authority: Authority, age: timedelta, seconds: int) -> None:
    authority.publisher().refresh()
    authority.clock.advance(seconds=age.total_seconds())
    authority.copies.copy_all()
    file = authority.store.files[crl_path(authority.ca)]
    assert (file.kind, file.cache_control) == ("application/pkix-crl", f"public, max-age={seconds}")


def _recorded(call: Callable[..., object], name: str, calls: list[str]) -> Callable[..., object]:
    def recorded(*arguments: object) -> object:
        calls.append(name)
        return call(*arguments)

    return recorded


def _killing(call: Callable[..., object], *, after: bool) -> Callable[..., object]:
    def killed(*arguments: object, **options: object) -> object:
        if after:
            call(*arguments, **options)
        raise Killed

    return killed
