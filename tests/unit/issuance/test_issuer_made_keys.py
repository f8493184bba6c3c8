"""Issuers that generate the private key, wait for approval, or renew by themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import serialization

from evercert.aws.dynamodb import items
from evercert.contracts.issuer import Issued, OpenIssuer, PendingAnswer, Request, Status
from evercert.contracts.record import Facts
from evercert.documents.spec import Spec
from evercert.errors import Rejected, Unavailable
from evercert.issuance.obtain import LONGEST_PENDING
from evercert.issuers.self_signed import SelfSigned
from evercert.pki.attributes import Attributes
from evercert.pki.certificate import Chain
from evercert.pki.keys import PrivateKey, public_bytes
from tests.doubles.fakes import Bench, spec
from tests.samples.chains import issue, leaf

FOLLOWED = "0f4b7c1e-5f3e-4d1b-9a3e-1c2d3e4f5a6b"


@dataclass
class Maker:
    """Generates key and certificate, and has its own references for them."""

    waits_for: list[str] = field(default_factory=list)
    advice: str | None = None
    standing: Status = "good"
    other_key: bool = False
    no_key: bool = False
    algorithm: str = "EC_prime256v1"
    requests: list[Request] = field(default_factory=list)
    revoked: list[str | None] = field(default_factory=list)

    def issue(self, request: Request) -> Issued | PendingAnswer:
        self.requests.append(request)
        if self.waits_for:
            waits_for = self.waits_for.pop(0)
            return PendingAnswer(
                "request-1", request.now + timedelta(minutes=1), request.now + timedelta(days=7), waits_for
            )
        key = PrivateKey.generate(self.algorithm)
        names = request.spec if request.spec.certificate_id is None else named()
        signed = SelfSigned(SelfSigned.Settings()).issue_with(
            Request(request.certificate, names, None, 1, "", request.now), key
        )
        shown = PrivateKey.generate(self.algorithm) if self.other_key else key
        return Issued(signed.chain, None if self.no_key else shown, f"id-{len(self.requests)}")

    def status(self, spec: Spec, facts: Facts) -> Status:
        standing, self.standing = self.standing, "good"
        return standing

    def revoke(self, chain: Chain, reference: str | None) -> None:
        self.revoked.append(reference)

    def key_algorithm(self) -> str | None:
        return self.advice


def named() -> Spec:
    return spec(attributes={"common-name": "made.example.com", "ttl": "90d"})


@pytest.fixture
def maker(bench: Bench) -> Maker:
    maker = Maker()
    bench.issuers.known["main"] = OpenIssuer(maker, "maker")
    return maker


@pytest.fixture
def bench() -> Bench:
    return Bench()


def theirs(**changes: object) -> Spec:
    return spec(**{"private-key": {"source": "issuer"}, **changes})


def followed() -> Spec:
    return Spec.model_validate(
        {
            "name": "web",
            "issuer": "main",
            "certificate-id": FOLLOWED,
            "destinations": [{"type": "fake", "to": "here"}],
        }
    )


# -- a key that the issuer makes --------------------------------------------------------------------------------------
def test_issuer_key_is_delivered_with_certificate(bench: Bench, maker: Maker) -> None:
    bench.want(theirs())
    assert bench.run() == "certificate.issued"
    bundle = bench.destinations.known["here"].bundle
    assert public_bytes(bundle.chain.leaf.public_key()) == bundle.private_key.public_bytes()
    assert maker.requests[0].csr is None
    assert bench.record().facts.reference == "id-1"


def test_issuer_key_is_sealed_before_delivery(bench: Bench, maker: Maker) -> None:
    bench.want(theirs())
    bench.destinations.open(theirs().destinations[0], "web").errors = [Unavailable("closed")]
    assert bench.run() == "certificate.failed"
    pending = bench.record().pending
    assert pending.sealed_key is not None and pending.chain is not None and pending.csr is None
    bench.clock.now = bench.record().due_at
    assert bench.run() == "certificate.issued"
    assert len(maker.requests) == 1


def test_tokens_without_csr_differ_by_revision(bench: Bench, maker: Maker) -> None:
    bench.want(theirs())
    bench.run()
    item = bench.table.items["certificate#web", "record"]
    for attribute in ("revision", "facts", "deliveries", "request_hash", "issuer_hash"):
        item.pop(attribute)  # a restored copy reuses revision numbers
    bench.run()
    assert len({request.token for request in maker.requests}) == len(maker.requests) == 2


@pytest.mark.parametrize(
    ("wrong", "message"),
    [("other_key", "it is for another public key"), ("no_key", "it has no usable private key")],
)
def test_unusable_issuer_key_is_revoked(bench: Bench, maker: Maker, wrong: str, message: str) -> None:
    setattr(maker, wrong, True)
    bench.want(theirs())
    assert bench.run() == "certificate.failed"
    assert message in bench.record().last_error.message
    assert maker.revoked == ["id-1"]


def test_issuer_key_of_other_algorithm_is_rejected(bench: Bench, maker: Maker) -> None:
    bench.want(theirs(**{"private-key": {"source": "issuer", "algorithm": "EC_secp384r1"}}))
    assert bench.run() == "certificate.failed"
    assert "its key is not EC_secp384r1" in bench.record().last_error.message


def test_request_after_crash_is_marked_as_repeated(bench: Bench, maker: Maker) -> None:
    bench.want(theirs())
    maker.waits_for = ["an approver"]
    bench.run()
    bench.clock.now = bench.record().due_at
    bench.run()
    assert [request.asked_before for request in maker.requests] == [False, True]


def test_request_names_previous_only_for_renewal(bench: Bench, maker: Maker) -> None:
    bench.want(theirs())
    bench.run()
    bench.clock.now = bench.record().renew_at
    assert bench.run() == "certificate.renewed"
    bench.edit(theirs(attributes={"common-name": "other.example.com", "ttl": "90d"}))
    bench.run()
    previous = [request.previous and request.previous.reference for request in maker.requests]
    assert previous == [None, "id-1", None]


# -- which kind of key -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("advice", "made"), [("EC_secp384r1", "EC_secp384r1"), (None, "RSA_2048")])
def test_issuer_advises_key_algorithm(bench, maker, advice, made) -> None:
    maker.advice, maker.algorithm = advice, made
    bench.want(spec(**{"private-key": {"algorithm": "issuer"}}))
    maker.waits_for = ["an approver"]
    bench.run()
    sealed = bench.seal.open(bench.record().pending.sealed_key, bench.record().uid, 1)
    assert sealed.algorithm == made


# -- waiting for people -------------------------------------------------------------------------------------------------
def test_pending_approval_is_announced_once(bench: Bench, maker: Maker) -> None:
    maker.waits_for = ["an approval", "an approval", "another approval"]
    bench.want(theirs())
    outcomes = []
    for _ in range(4):
        outcomes.append(bench.run())
        bench.clock.now = bench.record().due_at
    assert outcomes == ["certificate.pending", "pending", "certificate.pending", "certificate.issued"]
    outcome = bench.announcer.announced[0]
    assert (outcome.data["waits_for"], outcome.data["request"]) == ("an approval", "request-1")


def test_pending_text_of_issuer_is_sanitized(bench: Bench, maker: Maker) -> None:
    maker.waits_for = ["an\x1b[31m approval"]
    bench.want(theirs())
    bench.run()
    assert bench.announcer.announced[0].data["waits_for"] == "an [31m approval"


def test_approval_before_deadline_counts(bench: Bench, maker: Maker) -> None:
    maker.waits_for = ["an approval"]
    bench.want(theirs())
    bench.run()
    bench.clock.now = bench.record().pending.deadline + timedelta(minutes=1)
    assert bench.run() == "certificate.issued"


def test_deadline_of_wrong_clock_is_bounded(bench: Bench, maker: Maker) -> None:
    maker.waits_for = ["an approval"] * 3
    bench.want(theirs())
    bench.run()
    record = bench.record()
    ahead = {"deadline": bench.clock() + timedelta(days=365), "retry_at": bench.clock()}
    item = bench.table.items["certificate#web", "record"]
    item["pending"] = items.attribute(record.pending.model_copy(update=ahead))
    bench.run()
    assert bench.record().pending.deadline == bench.clock() + LONGEST_PENDING


# -- followed ------------------------------------------------------------------------------------------------------------
def test_followed_certificate_may_have_any_attributes(bench: Bench, maker: Maker) -> None:
    bench.want(followed())
    assert bench.run() == "certificate.issued"
    assert bench.record().facts.common_name == "made.example.com"
    assert bench.record().renew_at is None


def test_status_check_finds_successor(bench: Bench, maker: Maker) -> None:
    bench.want(followed())
    bench.run()
    maker.standing = "replaced"
    bench.clock.now = bench.record().check_at
    assert bench.run() == "checked"
    assert bench.record().due_at == bench.clock()
    assert bench.run() == "certificate.renewed"
    assert bench.announcer.announced[-1].data["reason"] == "replaced"
    assert [outcome.type for outcome in bench.announcer.announced] == ["certificate.issued", "certificate.renewed"]


def test_foreign_mismatch_is_not_revoked(bench: Bench, maker: Maker) -> None:
    maker.other_key = True
    bench.want(followed())
    assert bench.run() == "certificate.failed"
    assert maker.revoked == []
    assert "not revoked: it was issued elsewhere" in bench.record().last_error.message


def test_edit_does_not_revoke_followed_certificate(bench: Bench, maker: Maker) -> None:
    bench.want(followed())
    bench.destinations.open(followed().destinations[0], "web").errors = [Unavailable("closed")]
    assert bench.run() == "certificate.failed"
    assert bench.record().pending.chain is not None
    bench.clock.advance(minutes=2)  # the breaker's time
    bench.edit(theirs())
    assert bench.run() == "certificate.issued"
    assert maker.revoked == []
    assert "it was issued elsewhere" in bench.announcer.announced[-1].data["gave_up"]


def test_edit_to_following_revokes_own_revision(bench: Bench, maker: Maker) -> None:
    bench.want(theirs())
    bench.destinations.open(theirs().destinations[0], "web").errors = [Unavailable("closed")]
    bench.run()
    bench.clock.advance(minutes=2)  # the breaker's time
    bench.edit(followed())
    assert bench.run() == "certificate.issued"
    assert maker.revoked == ["id-1"]


def test_successor_reaches_other_destinations(bench: Bench, maker: Maker) -> None:
    both = {**followed().document(), "destinations": [{"type": "fake", "to": to} for to in ("here", "there")]}
    bench.want(Spec.model_validate(both))
    assert bench.run() == "certificate.issued"
    bench.destinations.known["there"].refuses = Rejected("too large")
    maker.standing = "replaced"
    bench.clock.now = bench.record().check_at
    bench.run()
    assert bench.run() == "certificate.renewed"
    assert bench.destinations.known["here"].deliveries == 2


@pytest.mark.parametrize("beside", ["attributes", "csr", "private-key"])
def test_followed_certificate_requests_no_attributes(beside: str) -> None:
    more = {
        "attributes": {"common-name": "www.example.com"},
        "csr": "x",
        "private-key": {"source": "issuer"},
    }[beside]
    with pytest.raises(ValueError):
        Spec.model_validate({**followed().document(), beside: more})


def test_followed_certificate_takes_no_names() -> None:
    assert Spec.model_validate(followed().document()) == followed()
    assert followed().attributes == Attributes.model_construct()


# -- once ------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "changes",
    [
        {"lifecycle": {"renew-before-expiry": "never"}},
        {"attributes": {"common-name": "www.example.com", "not-after": "2026-03-01T00:00:00.000Z"}},
    ],
    ids=["never", "fixed end"],
)
def test_certificate_issued_once_expires_with_warnings(bench: Bench, changes: dict) -> None:
    bench.issuers.known["main"] = OpenIssuer(SelfSigned(SelfSigned.Settings()), "self-signed")
    bench.want(spec(**changes))
    assert bench.run() == "certificate.issued"
    assert bench.record().renew_at is None
    bench.clock.now = bench.record().facts.not_after
    bench.run()
    assert bench.announcer.announced[-1].type == "certificate.expired"
    assert bench.record().facts.revision == 1


@pytest.mark.parametrize("signed", ["ECDSA-SHA512", "ECDSA-SHA256"])
def test_signature_algorithm_is_used(bench: Bench, signed: str) -> None:
    bench.issuers.known["main"] = OpenIssuer(SelfSigned(SelfSigned.Settings()), "self-signed")
    bench.want(spec(attributes={"common-name": "www.example.com", "signature-algorithm": signed}))
    assert bench.run() == "certificate.issued"
    leaf = bench.destinations.known["here"].bundle.chain.leaf
    assert leaf.signature_hash_algorithm.name == signed.rpartition("-")[2].lower()


def test_other_signature_algorithm_is_rejected(bench: Bench, maker: Maker) -> None:
    class Deaf(Maker):
        def issue(self, request: Request) -> Issued | PendingAnswer:
            deaf = {"attributes": request.spec.attributes.model_copy(update={"signature_algorithm": "ECDSA-SHA384"})}
            return super().issue(
                Request(request.certificate, request.spec.model_copy(update=deaf), None, 1, "", request.now)
            )

    bench.issuers.known["main"] = OpenIssuer(Deaf(), "deaf")
    bench.want(theirs(attributes={"common-name": "www.example.com", "signature-algorithm": "ECDSA-SHA512"}))
    assert bench.run() == "certificate.failed"
    assert "it is signed with ECDSA-SHA384; requested was ECDSA-SHA512" in bench.record().last_error.message


class Once:
    """Sends the private key in its first answer only; the chain of that answer cannot be used."""

    def __init__(self) -> None:
        self.root = issue("Root")
        self.good = issue("Issuing", self.root)
        self.bad = issue("Issuing", self.root, key=self.good.key, begins=-timedelta(days=9), lasts=timedelta(days=8))
        self.key = PrivateKey.generate("EC_prime256v1")
        loaded = serialization.load_pem_private_key(self.key.pem().encode(), None)
        self.leaf = leaf(self.good, ["dns:made.example.com"], subject="made.example.com", key=loaded)
        self.answers = 0
        self.revoked: list[str | None] = []

    def issue(self, request: Request) -> Issued | PendingAnswer:
        self.answers += 1
        first = self.answers == 1
        issuing = self.bad if first else self.good
        chain = Chain((self.leaf.certificate, issuing.certificate, self.root.certificate))
        return Issued(chain, self.key if first else None, "id-1", "again:id-1")

    def revoke(self, chain: Chain, reference: str | None) -> None:
        self.revoked.append(reference)


def test_key_that_is_sent_once_survives_an_unusable_chain(bench: Bench) -> None:
    once = Once()
    bench.issuers.known["main"] = OpenIssuer(once, "once")
    bench.want(theirs(attributes={"common-name": "made.example.com"}))
    assert bench.run() == "certificate.failed"
    assert "its chain again" in bench.record().last_error.message
    assert once.key.pem() not in str(bench.record())
    bench.clock.now = bench.record().due_at
    assert bench.run() == "certificate.issued", bench.record().last_error
    bundle = bench.destinations.known["here"].bundle
    assert bundle.private_key.public_bytes() == once.key.public_bytes()
    assert (once.answers, once.revoked) == (2, [])


# -- unrequested usages -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("profiled", "fits"), [(True, True), (False, False)])
def test_profile_chooses_unrequested_usages(bench: Bench, profiled: bool, fits: bool) -> None:
    class Profile(Maker):
        def issue(self, request: Request) -> Issued | PendingAnswer:
            usages = {"extended_key_usages": ("client_auth",)}
            attributes = request.spec.attributes.model_copy(update=usages)
            asked = request.spec.model_copy(update={"attributes": attributes})
            answer = super().issue(Request(request.certificate, asked, None, 1, "", request.now))
            return Issued(answer.chain, answer.private_key, answer.reference, profiled=profiled)

    bench.issuers.known["main"] = OpenIssuer(Profile(), "profile")
    bench.want(theirs())
    assert (bench.run() == "certificate.issued") is fits
    asked = {"common-name": "www.example.com", "ttl": "90d", "extended-key-usages": ["server_auth"]}
    bench.edit(theirs(attributes=asked))
    assert bench.run() == "certificate.failed"
    assert "its extended key usage lacks serverAuth" in bench.record().last_error.message
