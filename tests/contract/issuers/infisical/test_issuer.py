"""Test the Infisical issuer through complete runs against the double of Infisical over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from cryptography import x509

from evercert.cli.files import KINDS
from evercert.destinations.secret_value import value
from evercert.documents.spec import Spec
from evercert.operations.apply import ApplyInput, carry_out, plan
from evercert.operations.diagnosis import examine
from evercert.pki.keys import public_bytes
from tests.doubles.enrollment import Enrollment, enrolled
from tests.doubles.fakes import spec

ISSUE = "POST /api/v1/cert-manager/certificates$"
RENEW = "/renew$"
THEIRS = {"private-key": {"source": "issuer"}}


@pytest.fixture
def enrollment() -> Iterator[Enrollment]:
    with enrolled() as enrollment:
        yield enrollment


def bundle(enrollment: Enrollment, name: str = "here"):
    return enrollment.bench.destinations.known[name].bundle


def valid(enrollment: Enrollment) -> list[str]:
    """Return the ids of issued certificates that are neither revoked nor delivered."""
    facts = enrollment.bench.record().facts
    delivered = None if facts is None else facts.reference
    return [one.id for one in enrollment.server.issued if one.revoked is None and one.id != delivered]


# -- issuing -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "owner", [{"application": "shop-app"}, {"application": None, "project": "shop"}], ids=["v2", "v1"]
)
@pytest.mark.parametrize("source", ["local", "issuer"])
def test_issue_delivers_certificate_with_chain(enrollment: Enrollment, owner: dict, source: str) -> None:
    enrollment.define(**owner)
    enrollment.want(**{"private-key": {"source": source}})
    assert enrollment.run() == "certificate.issued"
    found = bundle(enrollment)
    assert public_bytes(found.chain.leaf.public_key()) == found.private_key.public_bytes()
    assert len(found.chain.certificates) >= 2
    assert found.chain.certificates[-1].issuer == found.chain.certificates[-1].subject
    assert enrollment.bench.record().facts.reference == enrollment.server.issued[0].id


def test_issue_never_sends_local_private_key(enrollment: Enrollment) -> None:
    enrollment.want()
    enrollment.run()
    (issued,) = enrollment.server.issued
    assert issued.private_key is None


def test_issue_honors_every_supported_attribute(enrollment: Enrollment) -> None:
    attributes = {
        "common-name": "www.example.com",
        "organization": "Muster AG",
        "organizational-unit": "Shop",
        "country": "DE",
        "state": "Hessen",
        "locality": "Kassel",
        "alt-names": ["dns:shop.example.com", "ip:10.0.0.7", "email:ops@example.com", "uri:spiffe://example.com/shop"],
        "key-usages": ["digital_signature", "key_agreement"],
        "extended-key-usages": ["server_auth", "client_auth"],
        "signature-algorithm": "ECDSA-SHA384",
        "ttl": "12h",
    }
    for source in ("local", "issuer"):
        enrollment.bench.table.items.clear()
        enrollment.want(**{"attributes": attributes, "private-key": {"source": source, "algorithm": "EC_secp384r1"}})
        assert enrollment.run() == "certificate.issued", enrollment.error
        leaf = bundle(enrollment).chain.leaf
        assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= timedelta(hours=12, minutes=5)


def test_issue_sends_metadata(enrollment: Enrollment) -> None:
    enrollment.want(metadata={"team": "web"})
    enrollment.run()
    (request,) = enrollment.server.store.requests.values()
    assert {"key": "team", "value": "web"} in request.metadata


@pytest.mark.parametrize(("field", "value"), [("street-address", "Hauptstr. 1"), ("postal-code", "34117")])
def test_issue_refuses_unsupported_attribute_without_call(enrollment, field, value) -> None:
    enrollment.want(attributes={"common-name": "www.example.com", field: value})
    assert enrollment.run() == "certificate.failed"
    assert field in enrollment.error
    assert enrollment.server.calls == []


def test_issuers_pem_omits_root(enrollment: Enrollment) -> None:
    enrollment.want()
    enrollment.run()
    assert bundle(enrollment).chain.issuers_pem.count("BEGIN") == len(bundle(enrollment).chain.certificates) - 2


def test_destination_value_includes_root_on_request(enrollment: Enrollment) -> None:
    enrollment.want()
    enrollment.run()
    whole = value(bundle(enrollment), omit_root=False)
    without = value(bundle(enrollment))
    assert whole["certificate_chain"] == without["certificate_chain"] + whole["ca_certificate"]
    assert whole["fullchain"] == whole["certificate"] + whole["certificate_chain"]


def test_usages_default_to_profile(enrollment: Enrollment) -> None:
    enrollment.profile.defaults = {"extendedKeyUsages": ["client_auth"]}
    enrollment.want()
    assert enrollment.run() == "certificate.issued", enrollment.error
    found = bundle(enrollment).chain.leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(found) == [x509.ExtendedKeyUsageOID.CLIENT_AUTH]


# -- diagnosis ---------------------------------------------------------------------------------------------------------
def test_diagnosis_reports_issuer_access_problems(enrollment: Enrollment) -> None:
    enrollment.want()
    assert examine(["web"], enrollment.bench.ports)["issuers"] == {"main": None}
    enrollment.define(profile="no-profile")
    problem = examine(["web"], enrollment.bench.ports)["issuers"]["main"]
    assert "profile 'no-profile' is not attached" in problem
    enrollment.keep("wrong")
    enrollment.define(application=None, profile=None)
    assert "cannot log in" in examine(["web"], enrollment.bench.ports)["issuers"]["main"]
    assert enrollment.server.issued == []


# -- lookups and logins ------------------------------------------------------------------------------------------------
def test_lookups_and_login_are_cached(enrollment: Enrollment) -> None:
    for number in range(3):
        enrollment.bench.want(spec(f"web-{number}"))
        assert enrollment.bench.run(f"web-{number}") == "certificate.issued"
    assert len(enrollment.server.logins) == 1
    assert enrollment.server.count("/applications/by-name/") == 1


def test_lookup_finds_recreated_profile(enrollment: Enrollment) -> None:
    enrollment.want()
    enrollment.run()
    server = enrollment.server
    del server.estate.profiles[enrollment.profile.id]
    recreated = server.estate.profile("tls-server", "shop", server.authority)
    server.estate.application("shop-app", "shop", recreated)
    enrollment.bench.edit(spec(attributes={"common-name": "other.example.com", "ttl": "90d"}))
    assert enrollment.run() == "certificate.renewed", enrollment.error


def test_refused_login_is_tried_by_one_certificate_only(enrollment: Enrollment) -> None:
    enrollment.keep("wrong")
    for number in range(20):
        enrollment.bench.want(spec(f"web-{number}"))
    assert enrollment.bench.run("web-0") == "certificate.failed"
    assert {enrollment.bench.run(f"web-{number}") for number in range(1, 20)} == {"put-off"}
    assert enrollment.server.count("/login") == 1
    error = enrollment.bench.record("web-0").last_error
    assert error.kind == "misconfigured" and "cannot log in" in error.message
    enrollment.keep(enrollment.secret)
    enrollment.bench.clock.advance(minutes=5)
    assert enrollment.bench.run("web-1") == "certificate.issued"


# -- pending -----------------------------------------------------------------------------------------------------------
def test_pending_approval_is_announced_once(enrollment: Enrollment) -> None:
    enrollment.server.switches.then("approval")
    enrollment.want()
    assert enrollment.run() == "certificate.pending"
    assert enrollment.later() == "pending"
    enrollment.server.approve()
    assert enrollment.later() == "certificate.issued"
    assert len(enrollment.server.issued) == 1


@pytest.mark.parametrize("outcome", ["pending", "validation"])
def test_pending_external_ca_request_is_issued_later(enrollment: Enrollment, outcome: str) -> None:
    enrollment.server.switches.then(outcome)
    enrollment.want()
    assert enrollment.run() == "pending"
    enrollment.server.finish()
    assert enrollment.later() == "certificate.issued"


def test_pending_validation_is_triggered(enrollment: Enrollment) -> None:
    enrollment.server.switches.then("validation")
    enrollment.want()
    enrollment.run()
    assert enrollment.server.count("/trigger-validation") == 1


def test_rejected_request_stops_certificate(enrollment: Enrollment) -> None:
    enrollment.server.switches.then("approval")
    enrollment.want()
    enrollment.run()
    enrollment.server.reject(message="rejected by the security team")
    assert enrollment.later() == "certificate.failed"
    assert "rejected by the security team" in enrollment.error
    assert enrollment.bench.record().state == "stopped"


def test_failed_request_is_replaced_by_new_request(enrollment: Enrollment) -> None:
    enrollment.server.switches.then("pending")
    enrollment.want()
    enrollment.run()
    enrollment.server.fail(message="CA unavailable")
    assert enrollment.later() == "certificate.failed"
    assert "CA unavailable" in enrollment.error
    assert enrollment.later() == "certificate.issued"
    assert enrollment.bench.record().facts.revision == 2


def test_unapproved_request_is_cancelled_at_deadline(enrollment: Enrollment) -> None:
    enrollment.define(**{"pending-for": "2h"})
    enrollment.server.switches.then("approval")
    enrollment.want()
    enrollment.run()
    enrollment.bench.clock.advance(hours=3)
    assert enrollment.run() == "certificate.failed"
    assert "did not finish by" in enrollment.error and "cancelled" in enrollment.error
    (request,) = enrollment.server.store.requests.values()
    assert request.status not in {"pending_approval", "issued"}


def test_polling_backs_off_to_fifteen_minutes(enrollment: Enrollment) -> None:
    enrollment.server.switches.then("pending")
    enrollment.want()
    enrollment.run()
    waits = []
    for _ in range(30):
        waits.append(enrollment.bench.record().due_at - enrollment.bench.clock())
        enrollment.later()
    assert waits[0] <= timedelta(seconds=10)
    assert waits[-1] == timedelta(minutes=15)


# -- renewing ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("source", ["local", "issuer"])
def test_renewal_uses_renew_endpoint_and_new_key(enrollment: Enrollment, source: str) -> None:
    enrollment.want(**{"private-key": {"source": source}})
    enrollment.run()
    before = bundle(enrollment)
    enrollment.bench.clock.now = enrollment.bench.record().renew_at
    assert enrollment.run() == "certificate.renewed", enrollment.error
    after = bundle(enrollment)
    assert enrollment.server.count(RENEW) == 1
    assert after.private_key.public_bytes() != before.private_key.public_bytes()
    first, second = enrollment.server.issued
    assert enrollment.bench.record().facts.reference == second.id
    assert valid(enrollment) == [first.id]


def test_refused_renewal_falls_back_to_issue(enrollment: Enrollment) -> None:
    enrollment.server.switches.refuses_renewals = True
    enrollment.want()
    enrollment.run()
    enrollment.bench.clock.now = enrollment.bench.record().renew_at
    assert enrollment.run() == "certificate.renewed", enrollment.error
    assert enrollment.server.count(ISSUE) == 2


def test_renewal_with_wrong_key_is_revoked_and_replaced(enrollment: Enrollment) -> None:
    enrollment.server.switches.renew_ignores_csr = True
    enrollment.want()
    enrollment.run()
    enrollment.bench.clock.now = enrollment.bench.record().renew_at
    assert enrollment.run() == "certificate.renewed", enrollment.error
    _, wrong, right = enrollment.server.issued
    assert wrong.revoked is not None and right.revoked is None
    enrollment.bench.clock.now = enrollment.bench.record().renew_at
    assert enrollment.run() == "certificate.renewed"
    assert enrollment.server.count(RENEW) == 1


def test_renewal_awaiting_approval_is_delivered(enrollment: Enrollment) -> None:
    enrollment.want()
    enrollment.run()
    enrollment.server.switches.then("approval")
    enrollment.bench.clock.now = enrollment.bench.record().renew_at
    assert enrollment.run() == "certificate.pending"
    enrollment.server.approve()
    assert enrollment.later() == "certificate.renewed"
    assert len(enrollment.server.issued) == 2


def test_renewal_made_by_server_is_adopted(enrollment: Enrollment) -> None:
    enrollment.want(**THEIRS)
    enrollment.run()
    (first,) = enrollment.server.issued
    newer = enrollment.server.renew_elsewhere(first.id)
    enrollment.bench.clock.now = enrollment.bench.record().check_at
    assert enrollment.run() == "checked"
    assert enrollment.run() == "certificate.renewed", enrollment.error
    assert enrollment.bench.record().facts.reference == newer.id
    assert len(enrollment.server.issued) == 2


# -- status ------------------------------------------------------------------------------------------------------------
def test_status_check_replaces_revoked_certificate(enrollment: Enrollment) -> None:
    enrollment.want()
    enrollment.run()
    enrollment.server.revoke(enrollment.server.issued[0].id)
    enrollment.bench.clock.now = enrollment.bench.record().check_at
    assert enrollment.run() == "certificate.revoked"
    assert enrollment.run() == "certificate.renewed", enrollment.error
    assert valid(enrollment) == []


# -- follow ------------------------------------------------------------------------------------------------------------
def follow(enrollment: Enrollment, certificate_id: str) -> None:
    enrollment.define(application=None, profile=None)
    enrollment.bench.want(
        Spec.model_validate(
            {
                "name": "followed",
                "issuer": "main",
                "certificate-id": certificate_id,
                "destinations": [{"type": "fake", "to": "followed"}],
            }
        )
    )


@pytest.fixture
def elsewhere(enrollment: Enrollment) -> str:
    """Issue a certificate whose key Infisical stores; return its id. Tests follow it as a foreign certificate."""
    enrollment.want(**THEIRS)
    enrollment.run()
    return enrollment.server.issued[0].id


def test_follow_adopts_renewals(enrollment: Enrollment, elsewhere: str) -> None:
    follow(enrollment, elsewhere)
    bench = enrollment.bench
    assert bench.run("followed") == "certificate.issued"
    newer = enrollment.server.renew_elsewhere(elsewhere)
    bench.clock.now = bench.record("followed").check_at
    bench.run("followed")
    assert bench.run("followed") == "certificate.renewed"
    assert bench.record("followed").facts.reference == newer.id
    assert bundle(enrollment, "followed").private_key is not None


def test_follow_starts_with_latest_renewal(enrollment, elsewhere) -> None:
    newest = elsewhere
    for _ in range(3):
        newest = enrollment.server.renew_elsewhere(newest).id
    follow(enrollment, elsewhere)
    assert enrollment.bench.run("followed") == "certificate.issued"
    assert enrollment.bench.record("followed").facts.reference == newest


def test_follow_reports_revocation_and_keeps_certificate(enrollment: Enrollment, elsewhere: str) -> None:
    follow(enrollment, elsewhere)
    bench = enrollment.bench
    bench.run("followed")
    before = bundle(enrollment, "followed")
    enrollment.server.revoke(elsewhere)
    bench.clock.now = bench.record("followed").check_at
    assert bench.run("followed") == "certificate.revoked"
    assert bench.run("followed") == "certificate.failed"
    assert "has no renewal; renew it in Infisical" in bench.record("followed").last_error.message
    assert bundle(enrollment, "followed") == before


def test_follow_refuses_issuer_with_profile(enrollment: Enrollment, elsewhere: str) -> None:
    follow(enrollment, elsewhere)
    enrollment.define()
    before = len(enrollment.server.calls)
    assert enrollment.bench.run("followed") == "certificate.failed"
    assert (
        "this issuer has a profile; use one without a profile" in enrollment.bench.record("followed").last_error.message
    )
    assert len(enrollment.server.calls) == before


def test_new_credentials_are_tried_immediately(enrollment: Enrollment) -> None:
    enrollment.keep("wrong")
    enrollment.want()
    assert enrollment.run() == "certificate.failed"
    enrollment.keep(enrollment.secret)
    bench, now = enrollment.bench, enrollment.bench.clock
    now.advance(minutes=3)  # past the wait of the circuit breaker
    bench.table.definitions["main"] = enrollment.definition()
    result = plan(
        ApplyInput({"main": enrollment.definition()}, []), bench.table, KINDS, now(), new_credentials=["main"]
    )
    assert result.woken == ["web"]
    carry_out(result, bench.table, None, now())
    assert enrollment.run() == "certificate.issued", enrollment.error


def test_unchanged_credentials_wake_no_certificate(enrollment: Enrollment) -> None:
    enrollment.keep("wrong")
    enrollment.want()
    enrollment.run()
    enrollment.bench.clock.advance(minutes=3)
    enrollment.bench.table.definitions["main"] = enrollment.definition()
    assert (
        plan(
            ApplyInput({"main": enrollment.definition()}, []), enrollment.bench.table, KINDS, enrollment.bench.clock()
        ).woken
        == []
    )
    assert enrollment.run() == "waiting"


def test_follow_reports_missing_certificate(enrollment: Enrollment) -> None:
    follow(enrollment, "0f4b7c1e-5f3e-4d1b-9a3e-1c2d3e4f5a6b")
    assert enrollment.bench.run("followed") == "certificate.failed"
    assert "not found at" in enrollment.bench.record("followed").last_error.message


# -- lost answers and crashes ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("source", ["local", "issuer"])
def test_lost_issue_answer_is_recovered_by_request(enrollment: Enrollment, source: str) -> None:
    enrollment.server.switches.fault("drop-after", ISSUE)
    enrollment.want(**{"private-key": {"source": source}})
    assert enrollment.run() == "certificate.issued", enrollment.error
    assert len(enrollment.server.issued) == 1


@pytest.mark.parametrize("source", ["local", "issuer"])
@pytest.mark.parametrize("search", ["yes", "ignores-metadata"])
def test_crash_after_issue_wastes_no_certificate(enrollment: Enrollment, source: str, search: str) -> None:
    enrollment.server.switches.search = search
    enrollment.want(**{"private-key": {"source": source}})
    die_after_asking(enrollment)
    assert enrollment.run() == "certificate.issued", enrollment.error
    assert len(enrollment.server.issued) == 1


def test_search_ignores_foreign_requests(enrollment: Enrollment) -> None:
    enrollment.server.switches.search = "ignores-metadata"
    enrollment.want(**THEIRS)
    die_after_asking(enrollment)
    (ours,) = enrollment.server.issued
    enrollment.bench.want(spec("other", **THEIRS))
    enrollment.bench.run("other")
    assert enrollment.run() == "certificate.issued", enrollment.error
    assert enrollment.bench.record().facts.reference == ours.id


def die_after_asking(enrollment: Enrollment) -> None:
    """Run until Infisical has answered, and end the process before the answer is saved."""

    class ProcessEnd(BaseException):
        pass

    table, update = enrollment.bench.table, enrollment.bench.table.update

    def end_before_save(record, changes):
        if getattr(changes.get("pending"), "chain", None) is not None:
            raise ProcessEnd
        update(record, changes)

    table.update = end_before_save
    with pytest.raises(ProcessEnd):
        enrollment.run()
    table.update = update
    enrollment.define()  # opens the issuer in a new process
    enrollment.bench.clock.now = enrollment.bench.record().due_at + timedelta(seconds=1)


def test_crash_without_search_issues_one_more_certificate(enrollment: Enrollment) -> None:
    enrollment.server.switches.search = "none"
    enrollment.want()
    die_after_asking(enrollment)
    assert enrollment.run() == "certificate.issued", enrollment.error
    assert len(enrollment.server.issued) == 2


@pytest.mark.parametrize("source", ["local", "issuer"])
def test_lost_renew_answer_is_recovered_by_predecessor(enrollment: Enrollment, source: str) -> None:
    enrollment.server.switches.search = "none"
    enrollment.want(**{"private-key": {"source": source}})
    enrollment.run()
    enrollment.bench.clock.now = enrollment.bench.record().renew_at
    enrollment.server.switches.fault("drop-after", RENEW)
    assert enrollment.run() == "certificate.renewed", enrollment.error
    assert len(enrollment.server.issued) == 2


@pytest.mark.parametrize("source", ["local", "issuer"])
def test_crash_after_renewal_wastes_no_certificate(enrollment: Enrollment, source: str) -> None:
    enrollment.want(**{"private-key": {"source": source}})
    enrollment.run()
    enrollment.bench.clock.now = enrollment.bench.record().renew_at
    die_after_asking(enrollment)
    assert enrollment.run() == "certificate.renewed", enrollment.error
    assert len(enrollment.server.issued) == 2


# -- certificates that do not match the request ------------------------------------------------------------------------
@pytest.mark.parametrize("outcome", ["wrong-key", "wrong-name", "expired", "ca"])
def test_mismatched_certificate_is_revoked_not_delivered(enrollment: Enrollment, outcome: str) -> None:
    enrollment.server.switches.then(outcome)
    enrollment.want()
    assert enrollment.run() == "certificate.failed"
    assert "does not match" in enrollment.error
    assert enrollment.server.issued[0].revoked is not None
    assert "here" not in enrollment.bench.destinations.known or bundle(enrollment) is None


@pytest.mark.parametrize(
    ("missing", "changes", "message"),
    [("chain_missing", {}, "has no chain yet"), ("key_missing", THEIRS, "allow the identity to read private keys")],
)
def test_incomplete_answer_is_delivered_once_complete(enrollment: Enrollment, missing, changes, message) -> None:
    setattr(enrollment.server.switches, missing, True)
    enrollment.server.switches.fault("drop-after", ISSUE)  # otherwise the first answer would be complete
    enrollment.want(**changes)
    assert enrollment.run() == "certificate.failed"
    assert message in enrollment.error
    setattr(enrollment.server.switches, missing, False)
    assert enrollment.later() == "certificate.issued", enrollment.error
    assert len(enrollment.server.issued) == 1


# -- refusals ----------------------------------------------------------------------------------------------------------
def test_policy_refusal_quotes_every_violation(enrollment: Enrollment) -> None:
    enrollment.profile.policy.rules = {
        "subject": [{"type": "common_name", "allowed": ["*.example.org"]}],
        "sans": [{"type": "dns_name", "allowed": ["*.example.org"]}],
    }
    enrollment.want()
    assert enrollment.run() == "certificate.failed"
    assert "common_name value 'www.example.com' does not match allowed patterns" in enrollment.error
    assert "dns_name" in enrollment.error
    assert enrollment.bench.record().state == "stopped"


def test_unattached_profile_is_reported(enrollment: Enrollment) -> None:
    enrollment.application.attached.clear()
    enrollment.want()
    assert enrollment.run() == "certificate.failed"
    assert "profile 'tls-server' is not attached to application 'shop-app'" in enrollment.error
    assert enrollment.bench.record().last_error.kind == "misconfigured"


@pytest.mark.parametrize("settings", [{"application": "no-app"}, {"application": None, "project": "no-project"}])
def test_unknown_application_or_project_is_reported(enrollment: Enrollment, settings: dict) -> None:
    enrollment.define(**settings)
    enrollment.want()
    assert enrollment.run() == "certificate.failed"
    assert enrollment.bench.record().last_error.kind == "misconfigured"
    assert "no-" in enrollment.error


def test_key_algorithm_defaults_to_profile(enrollment: Enrollment) -> None:
    enrollment.profile.defaults = {"keyAlgorithm": "EC_secp384r1"}
    enrollment.want(**{"private-key": {"algorithm": "issuer"}})
    assert enrollment.run() == "certificate.issued", enrollment.error
    assert bundle(enrollment).private_key.algorithm == "EC_secp384r1"


def test_identity_ignores_waiting_and_retry_settings(enrollment: Enrollment) -> None:
    issuer = enrollment.define()
    patient = enrollment.define(**{"pending-for": "3d", "retry": {"max-retries": 1}})
    assert issuer.identity(issuer.settings) == patient.identity(patient.settings)
    other = enrollment.define(profile="tls-client")
    assert issuer.identity(issuer.settings) != other.identity(other.settings)


def test_supplied_csr_is_certified_without_key(enrollment: Enrollment) -> None:
    from evercert.pki.keys import PrivateKey

    key = PrivateKey.generate("EC_prime256v1")
    csr = key.sign_csr(spec().attributes)
    wanted = {"name": "web", "issuer": "main", "csr": csr, "attributes": {"ttl": "30d"}}
    enrollment.bench.want(Spec.model_validate({**wanted, "destinations": [{"type": "fake", "to": "here"}]}))
    assert enrollment.run() == "certificate.issued", enrollment.error
    assert public_bytes(bundle(enrollment).chain.leaf.public_key()) == key.public_bytes()
    assert bundle(enrollment).private_key is None
    assert isinstance(bundle(enrollment).chain.leaf, x509.Certificate)
