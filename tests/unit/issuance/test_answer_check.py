"""The check of answers: order of the chain, mismatches that need another certificate, faults of the chain alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

from evercert.contracts.issuer import Issued, OpenIssuer, PendingAnswer, Request
from evercert.contracts.record import WAITS_FOR_CHAIN
from evercert.destinations.acm_rules import require_family
from evercert.destinations.secret_value import value
from evercert.pki.certificate import Chain
from tests.doubles.fakes import START, Bench, spec
from tests.samples.chains import Entity, dn, issue, leaf, patched, tlv

DAY = timedelta(days=1)
ROOT = issue("Root")
ISSUING = issue("Issuing", ROOT)
EXPIRED = issue("Issuing", ROOT, key=ISSUING.key, begins=-10 * DAY, lasts=DAY)
SHORT = issue("Issuing", ROOT, key=ISSUING.key, lasts=2 * DAY)


class OddCA:
    """An issuer whose answers a test shapes; it remembers each certificate by its token."""

    def __init__(self) -> None:
        self.issued: dict[str, Entity] = {}
        self.asked: list[Request] = []
        self.revoked: list[str] = []
        self.cancelled: list[str] = []
        self.above = [ISSUING, ROOT]
        self.leaf: dict[str, Any] = {}
        self.change: Callable[[Entity], Entity] = lambda entity: entity

    def issue(self, request: Request) -> Issued | PendingAnswer:
        self.asked.append(request)
        if request.token not in self.issued:
            key = x509.load_pem_x509_csr(str(request.csr).encode()).public_key()
            self.issued[request.token] = self.change(leaf(ISSUING, key=PublicOnly(key), **self.leaf))
        chain = (self.issued[request.token].certificate, *(entity.certificate for entity in self.above))
        return Issued(Chain(chain), reference=request.token, handle=f"again:{request.token}")

    def revoke(self, chain: Chain, reference: str | None) -> None:
        self.revoked.append(str(reference))

    def cancel(self, handle: str) -> None:
        self.cancelled.append(handle)


class PublicOnly:
    """The key of a subject, as far as an issuer knows it."""

    def __init__(self, key: Any) -> None:
        self._key = key

    def public_key(self) -> Any:
        return self._key


@pytest.fixture
def ca(bench: Bench) -> OddCA:
    found = OddCA()
    bench.issuers.known["main"] = OpenIssuer(found, "odd")
    bench.want(spec())
    return found


def delivered(bench: Bench) -> int:
    return len(bench.record().deliveries)


@pytest.mark.parametrize(
    "above",
    [[ROOT, ISSUING], [ISSUING, ISSUING, ROOT, ROOT], [issue("Stranger"), ISSUING, ROOT], [EXPIRED, ISSUING, ROOT]],
    ids=["reversed", "repeated", "stranger", "expired twin"],
)
def test_check_delivers_the_chain_in_order(bench: Bench, ca: OddCA, above: list[Entity]) -> None:
    ca.above = above
    assert bench.run() == "certificate.issued"
    bundle = bench.destinations.known["here"].bundle
    assert bundle is not None
    assert list(bundle.chain.certificates[1:]) == [ISSUING.certificate, ROOT.certificate]


@pytest.mark.parametrize("text", ["Müller GmbH".encode("latin-1"), b"Muller  GmbH"], ids=["latin-1", "ascii"])
def test_check_delivers_a_teletex_subject(bench: Bench, ca: OddCA, text: bytes) -> None:
    """Older CAs write T61String, which `cryptography` does not parse; only comparison and delivery need the name."""
    attributes = {"common-name": "www.example.com", "organization": text.decode("latin-1"), "ttl": "90d"}
    bench.edit(spec(attributes=attributes))
    plain = "x" * len(text)
    ca.leaf = {"subject": dn("www.example.com", plain)}
    ca.change = lambda entity: patched(
        entity, ISSUING, tlv(0x0C, plain.encode()), tlv(0x14, text)
    )  # RFC 5280 §4.1.2.4 allows T61String in old names
    assert bench.run() == "certificate.issued"
    bundle = bench.destinations.known["here"].bundle
    assert bundle is not None and ca.revoked == []
    assert tlv(0x14, text) in bundle.chain.leaf.tbs_certificate_bytes
    assert bundle.chain.common_name == "www.example.com"
    assert Chain.from_pem(value(bundle)["fullchain"]).leaf == bundle.chain.leaf  # the secret
    require_family(bundle.chain)  # what ACM's destination reads


def test_check_refuses_another_teletex_subject(bench: Bench, ca: OddCA) -> None:
    bench.edit(spec(attributes={"common-name": "www.example.com", "organization": "Müller GmbH", "ttl": "90d"}))
    ca.leaf = {"subject": dn("www.example.com", "xxxxxxxxxxx")}
    other = tlv(0x14, "Möller GmbH".encode("latin-1"))
    ca.change = lambda entity: patched(entity, ISSUING, tlv(0x0C, b"xxxxxxxxxxx"), other)
    assert bench.run() == "certificate.failed"
    assert len(ca.revoked) == 1


def test_check_revokes_nothing_for_an_unusable_chain(bench: Bench, ca: OddCA) -> None:
    ca.above = [EXPIRED, ROOT]
    assert bench.run() == "certificate.failed"
    error = bench.record().last_error
    assert error is not None
    assert error.kind == "misconfigured"
    assert "certificate 'CN=Issuing': it is not valid after" in error.message
    assert "evercert renew web" in error.message
    assert ca.revoked == []


def test_check_reads_the_chain_again_with_back_off(bench: Bench, ca: OddCA) -> None:
    ca.above = [EXPIRED, ROOT]
    bench.run()
    for _ in range(5):
        due = bench.record().due_at
        assert due is not None
        assert due > bench.clock()
        bench.clock.now = due
        assert bench.run() == "certificate.failed"
    assert len(ca.issued) == 1
    assert {request.handle for request in ca.asked[1:]} == {f"again:{ca.asked[0].token}"}
    ca.above = [ISSUING, ROOT]
    bench.clock.now = bench.record().due_at or bench.clock.now
    assert bench.run() == "certificate.issued"
    assert (len(ca.issued), ca.revoked, ca.cancelled) == (1, [], [])


def test_check_requests_another_certificate_on_request(bench: Bench, ca: OddCA) -> None:
    ca.above = [EXPIRED, ROOT]
    bench.run()
    first = ca.asked[0].token
    ca.above = [ISSUING, ROOT]
    bench.clock.advance(seconds=1)
    bench.table.request("web", bench.clock())
    assert bench.run() == "certificate.issued"
    assert (len(ca.issued), ca.cancelled) == (2, [f"again:{first}"])


def test_check_survives_a_crash_after_an_unusable_chain(bench: Bench, ca: OddCA) -> None:
    """The handle is stored with the failure; without it the token leads to the same certificate."""
    ca.above = [EXPIRED, ROOT]
    bench.run()
    pending = bench.record().pending
    assert pending is not None
    assert (pending.handle, pending.waits_for, pending.chain) == (f"again:{ca.asked[0].token}", WAITS_FOR_CHAIN, None)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"names": ("dns:evil.example",)}, "its names are dns:evil.example"),
        ({"ca": True}, "it is a CA certificate"),
        ({"begins": -10 * DAY, "lasts": DAY}, "it is not valid after"),
        ({"begins": 2 * DAY}, "it is not valid before"),
        ({"usages": ("digital_signature", "key_cert_sign")}, "keyCertSign"),
    ],
)
def test_check_revokes_a_certificate_that_is_wrong(bench: Bench, ca: OddCA, changes: dict[str, Any], text: str) -> None:
    ca.leaf = changes
    assert bench.run() == "certificate.failed"
    error = bench.record().last_error
    assert error is not None
    assert (error.kind, ca.revoked) == ("rejected", [ca.asked[0].token])
    assert text in error.message


def test_mismatches_are_requested_ever_less_often(bench: Bench, ca: OddCA) -> None:
    ca.leaf = {"ca": True}
    waits = []
    for _ in range(8):
        begun = bench.clock()
        bench.run()
        due = bench.record().due_at
        assert due is not None
        waits.append((due - begun).days)
        bench.clock.now = due
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]


def test_earliest_end_of_the_chain_counts(bench: Bench, ca: OddCA) -> None:
    ca.above = [SHORT, ROOT]
    assert bench.run() == "certificate.issued"
    record = bench.record()
    assert record.facts is not None
    assert record.facts.not_after == SHORT.certificate.not_valid_after_utc
    assert record.renew_at is not None
    assert record.renew_at < record.facts.not_after


@pytest.mark.parametrize("ahead", [timedelta(seconds=30), timedelta(minutes=4), timedelta(hours=1)])
def test_delivery_waits_for_the_start_of_validity(bench: Bench, ca: OddCA, ahead: timedelta) -> None:
    ca.leaf = {"begins": ahead}
    assert bench.run() == "waiting"
    assert (bench.record().due_at, delivered(bench), ca.revoked) == (START + ahead, 0, [])
    assert bench.run() == "waiting"
    bench.clock.now = START + ahead
    assert bench.run() == "certificate.issued"
    assert len(ca.issued) == 1


def test_delivery_sleeps_until_a_start_within_two_seconds(bench: Bench, ca: OddCA) -> None:
    ca.leaf = {"begins": timedelta(seconds=2)}
    assert bench.run() == "certificate.issued"
    assert bench.clock() == START + timedelta(seconds=2)


def test_check_names_a_certificate_that_cannot_be_parsed(bench: Bench, ca: OddCA) -> None:
    whole: Callable[[Request], Issued | PendingAnswer] = ca.issue

    def unreadable(request: Request) -> Issued | PendingAnswer:
        answer = whole(request)
        assert isinstance(answer, Issued)
        return Issued(Chain(answer.chain.certificates[:1], ("malformed certificate: x",)), reference=answer.reference)

    ca.issue = unreadable  # type: ignore[method-assign]
    bench.run()
    error = bench.record().last_error
    assert error is not None
    assert "another one cannot be parsed: malformed certificate: x" in error.message
    assert ca.revoked == []
