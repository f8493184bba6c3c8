"""Private keys of revisions (new, kept, or supplied by CSR), and the loop guard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509

from evercert.contracts.destination import Drift
from evercert.contracts.issuer import Issued, OpenIssuer, Request
from evercert.contracts.record import Pending
from evercert.documents.spec import Spec
from evercert.errors import Unavailable
from evercert.issuers.self_signed import SelfSigned
from evercert.pki.keys import PrivateKey, public_bytes
from evercert.scheduling.schedule import renewal_time
from tests.doubles.fakes import Bench, FakeSeal, as_long_as, spec
from tests.doubles.scripted_ca import ScriptedCA, ScriptedIssuer

NEVER = {"private-key": {"rotate": "never"}}


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.issuers.known["main"] = OpenIssuer(SelfSigned(SelfSigned.Settings()), "self-signed")
    return bench


@pytest.fixture
def ca(bench: Bench) -> Iterator[ScriptedCA]:
    ca = ScriptedCA()
    ScriptedIssuer.transport = ca.transport()
    bench.issuers.known["main"] = OpenIssuer(ScriptedIssuer(ScriptedIssuer.Settings(address="https://ca")), "scripted")
    yield ca
    ScriptedIssuer.transport = None


def delivered_key(bench: Bench) -> bytes:
    return public_bytes(bench.destinations.known["here"].bundle.chain.leaf.public_key())


def renew(bench: Bench) -> str:
    bench.clock.now = renewal_time(bench.record())
    return bench.run()


# -- rotate ------------------------------------------------------------------------------------------------------------
def test_each_revision_has_a_new_key(bench: Bench) -> None:
    bench.want(spec())
    bench.run()
    first = delivered_key(bench)
    assert bench.record().kept_key is None
    renew(bench)
    assert delivered_key(bench) != first


def test_unrotated_key_is_reused(bench: Bench) -> None:
    bench.want(spec(**NEVER))
    bench.run()
    first, kept = delivered_key(bench), bench.record().kept_key
    assert kept.sealed_key != bench.destinations.known["here"].bundle.private_key.pem()
    renew(bench)
    assert delivered_key(bench) == first
    assert bench.record().kept_key.revision == 2  # sealed again, bound to the delivered revision


def test_changed_algorithm_makes_new_key(bench: Bench) -> None:
    bench.want(spec(**NEVER))
    bench.run()
    first = delivered_key(bench)
    bench.edit(spec(**{"private-key": {"rotate": "never", "algorithm": "EC_secp384r1"}}))
    bench.run()
    assert delivered_key(bench) != first
    assert bench.record().kept_key.algorithm == "EC_secp384r1"


def test_rotation_drops_kept_key(bench: Bench) -> None:
    bench.want(spec(**NEVER))
    bench.run()
    first = delivered_key(bench)
    bench.edit(spec())
    assert bench.run() == "nothing-to-do"  # no other certificate is wanted
    renew(bench)
    assert delivered_key(bench) != first
    assert bench.record().kept_key is None


def test_unopenable_kept_key_is_not_replaced(bench: Bench) -> None:
    bench.want(spec(**NEVER))
    bench.run()
    item = bench.table.items["certificate#web", "record"]
    item["kept_key"]["M"]["sealed_key"] = {"S": "nonsense"}
    assert renew(bench) == "certificate.failed"
    error = bench.record().last_error
    assert error.kind == "misconfigured"
    assert "rotate: always" in error.message
    assert bench.record().revision == 1


# -- the csr of evercert -----------------------------------------------------------------------------------------------
def undelivered(bench: Bench, wanted: Spec) -> Pending:
    """Let the only destination refuse the certificate; return the revision in progress."""
    bench.want(wanted)
    bench.destinations.open(wanted.destinations[0], "web").errors = [Unavailable("closed")]
    bench.run()
    pending = bench.record().pending
    assert pending.chain is not None
    return pending


def deliver(bench: Bench) -> None:
    bench.clock.now = bench.record().retry_at
    assert bench.run() == "certificate.issued"


def test_csr_of_evercert_is_stored_until_the_chain(bench: Bench, ca: ScriptedCA) -> None:
    ca.script = ["pending"]
    bench.want(spec())
    bench.run()
    assert bench.record().pending.csr is not None
    bench.destinations.open(spec().destinations[0], "web").errors = [Unavailable("closed")]
    bench.clock.now = bench.record().due_at
    bench.run()
    pending = bench.record().pending
    assert (pending.chain is None, pending.csr, pending.sealed_key is None) == (False, None, False)
    deliver(bench)
    (kept,) = bench.table.kept(bench.record()).revisions
    assert kept.csr is None
    assert delivered_key(bench) == bench.destinations.known["here"].bundle.private_key.public_bytes()


def test_csr_of_an_unrotated_key_remains(bench: Bench) -> None:
    """The previous release keeps a key only if it finds the CSR."""
    assert undelivered(bench, spec(**NEVER)).csr is not None
    deliver(bench)
    assert bench.record().kept_key is not None


def test_key_is_kept_without_its_csr(bench: Bench) -> None:
    """The document changed after the chain was stored."""
    assert undelivered(bench, spec(**{"private-key": {"algorithm": "EC_secp384r1"}})).csr is None
    bench.edit(spec(**{"private-key": {"algorithm": "EC_secp384r1", "rotate": "never"}}))
    deliver(bench)
    assert bench.record().kept_key.algorithm == "EC_secp384r1"


# -- a csr of the user's own -------------------------------------------------------------------------------------------
def own_csr() -> tuple[PrivateKey, str]:
    key = PrivateKey.generate("EC_prime256v1")
    return key, key.sign_csr(spec().attributes)


def supplied(csr: str, **changes):
    return spec(csr=csr, attributes={"ttl": "90d"}, **changes)


def test_supplied_csr_is_sent_without_a_key(bench: Bench, ca: ScriptedCA) -> None:
    key, csr = own_csr()
    bench.want(supplied(csr))
    ca.script = ["pending"]
    bench.run()
    assert bench.record().pending.sealed_key is None
    bench.clock.now = bench.record().due_at
    assert bench.run() == "certificate.issued"
    assert bench.destinations.known["here"].bundle.private_key is None
    assert delivered_key(bench) == key.public_bytes()


def test_supplied_csr_remains_beside_its_chain(bench: Bench, ca: ScriptedCA) -> None:
    _, csr = own_csr()
    pending = undelivered(bench, supplied(csr))
    assert (pending.csr, pending.sealed_key) == (csr, None)
    deliver(bench)
    (kept,) = bench.table.kept(bench.record()).revisions
    assert kept.csr == csr


def test_supplied_csr_is_used_once_with_warnings(bench: Bench, ca: ScriptedCA) -> None:
    bench.want(supplied(own_csr()[1]))
    bench.run()
    facts = bench.record().facts
    assert bench.record().renew_at is None
    for _ in as_long_as(lambda: bench.clock() < facts.not_after + timedelta(days=2)):
        bench.clock.now = bench.record().due_at
        bench.run()
    assert len(ca.issued) == 1
    outcomes = [o for o in bench.announcer.announced if o.type.startswith("certificate.expir")]
    assert [o.type for o in outcomes] == ["certificate.expiring", "certificate.expiring", "certificate.expired"]
    assert outcomes[0].data["message"] == "not renewed automatically: it is issued once"


def test_csr_with_unrotated_key_is_renewed(bench: Bench, ca: ScriptedCA) -> None:
    key, csr = own_csr()
    bench.want(supplied(csr, **NEVER))
    bench.run()
    assert renew(bench) == "certificate.renewed"
    assert delivered_key(bench) == key.public_bytes()
    assert bench.record().kept_key is None


def test_changed_csr_issues_again(bench: Bench, ca: ScriptedCA) -> None:
    bench.want(supplied(own_csr()[1]))
    bench.run()
    key, csr = own_csr()
    bench.edit(supplied(csr))
    assert bench.run() == "certificate.renewed"
    assert delivered_key(bench) == key.public_bytes()


def test_self_signed_issuer_rejects_csr(bench: Bench) -> None:
    bench.want(supplied(own_csr()[1]))
    assert bench.run() == "certificate.failed"
    error = bench.record().last_error
    assert error.kind == "rejected"
    assert "needs the private key" in error.message


def test_tokens_of_two_keys_differ(bench: Bench) -> None:
    """A restored record reuses revision numbers."""
    record = bench.want(spec())
    one, other = (PrivateKey.generate("EC_prime256v1").sign_csr(record.spec.attributes) for _ in range(2))
    assert record.token(1, one) == record.token(1, one) != record.token(1, other)
    assert x509.load_pem_x509_csr(one.encode()).is_signature_valid


# -- the loop guard ----------------------------------------------------------------------------------------------------
def lose(bench: Bench, minutes: float = 30) -> str:
    """Delete the certificate; the next check detects it."""
    bench.clock.now = max(bench.clock() + timedelta(minutes=minutes), bench.record().check_at)
    bench.destinations.known["here"].drift = Drift("its version is gone")
    assert bench.run() == "certificate.drifted"
    return bench.run()


def test_sixth_unrequested_issuance_is_stopped(bench: Bench) -> None:
    bench.want(spec())
    bench.run()
    for _ in range(4):
        assert lose(bench) == "certificate.renewed"
    assert lose(bench) == "certificate.failed"
    record = bench.record()
    assert (record.state, record.last_error.kind, record.revision) == ("stopped", "misconfigured", 5)
    assert "evercert renew web" in record.last_error.message
    assert record.retry_at == bench.clock() + timedelta(days=1)


def test_request_passes_loop_guard_and_resets_it(bench: Bench) -> None:
    bench.want(spec())
    bench.run()
    for _ in as_long_as(lambda: lose(bench) == "certificate.renewed"):
        pass
    bench.table.request("web", bench.clock())
    assert bench.run() == "certificate.renewed"
    for _ in range(4):
        assert lose(bench) == "certificate.renewed"
    assert lose(bench) == "certificate.failed"


def test_edit_resets_loop_guard(bench: Bench) -> None:
    bench.want(spec())
    bench.run()
    for _ in range(4):
        lose(bench)
    bench.edit(spec(labels={"team": "web"}))
    bench.run()
    assert lose(bench) == "certificate.renewed"


def test_timely_renewals_are_no_loop(bench: Bench) -> None:
    bench.want(spec())
    bench.run()
    for _ in range(12):
        assert renew(bench) == "certificate.renewed"


class DatingBack(SelfSigned):
    """Backdate by five minutes, as CAs do for peers whose clocks are behind."""

    back = timedelta(minutes=5)

    def issue_with(self, request: Request, private_key: PrivateKey) -> Issued:
        said = request.spec.attributes
        dates = {"not_before": request.now - self.back, "not_after": request.now + said.ttl, "ttl": None}
        spec = request.spec.model_copy(update={"attributes": said.model_copy(update=dates)})
        return super().issue_with(replace(request, spec=spec), private_key)


class LeftOver(DatingBack):
    """Answer with an old certificate, as from a cache."""

    back = timedelta(days=80)


def for_minutes(bench: Bench, issuer: type[DatingBack]) -> None:
    bench.issuers.known["main"] = OpenIssuer(issuer(issuer.Settings()), "dating-back")
    attributes, lifecycle = {"common-name": "www.example.com", "ttl": "2m"}, {"renew-before-expiry": "75s"}
    bench.want(spec(attributes=attributes, lifecycle=lifecycle))
    bench.run()


def test_backdated_short_lifetimes_are_no_loop(bench: Bench) -> None:
    for_minutes(bench, DatingBack)
    for _ in range(12):
        assert renew(bench) == "certificate.renewed"


def test_nearly_expired_answers_are_a_loop(bench: Bench) -> None:
    for_minutes(bench, LeftOver)
    for _ in range(4):
        assert renew(bench) == "certificate.renewed"
    assert renew(bench) == "certificate.failed"


def test_kept_key_is_sealed_for_its_revision(bench: Bench) -> None:
    bench.want(spec(**NEVER))
    bench.run()
    kept = bench.record().kept_key
    FakeSeal().open(kept.sealed_key, bench.record().uid, kept.revision)
