"""Test that evercert has none of the weaknesses of Infisical's certificate agent.

The table is in `docs/reference/issuers/infisical.md`. ELSEWHERE names the tests that are in other files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from pydantic import ValidationError

from evercert.durations import parse
from tests.doubles.enrollment import Enrollment, enrolled
from tests.doubles.fakes import as_long_as, spec
from tests.doubles.infisical.ca import Authority
from tests.tools.local_stack import ROOT

ISSUE = "POST /api/v1/cert-manager/certificates$"
ALL = range(1, 26)
ELSEWHERE = {
    11: "tests/crash/test_infisical_matrix.py::test_crash_at_any_call_wastes_no_certificate",
    16: "tests/contract/issuers/infisical/test_logins.py::test_auth_accepts_every_spelling_of_a_type",
    20: "tests/contract/destinations/test_secrets_manager.py::test_delivery_creates_a_tagged_secret_with_the_bundle",
    21: "tests/crash/test_isolation.py::test_unresponsive_issuer_delays_no_other",
    22: "tests/unit/cli/infisical_agent/test_host.py::test_files_note_what_the_agent_takes_and_leaves_out",
}
NOT_APPLICABLE = {24, 25}  # evercert runs neither hooks nor a server


@pytest.fixture
def enrollment() -> Iterator[Enrollment]:
    with enrolled() as enrollment:
        yield enrollment


def bundle(enrollment: Enrollment):
    return enrollment.bench.destinations.known["here"].bundle


def renew(enrollment: Enrollment) -> str:
    enrollment.bench.clock.now = enrollment.bench.record().renew_at
    return enrollment.run()


def announced(enrollment: Enrollment) -> list[str]:
    return [outcome.type for outcome in enrollment.bench.announcer.announced]


def test_weakness_01_state_survives_a_restart(enrollment: Enrollment) -> None:
    enrollment.want()
    enrollment.run()
    calls = len(enrollment.server.calls)
    enrollment.define()
    assert enrollment.run() == "nothing-to-do"
    assert len(enrollment.server.calls) == calls


@pytest.mark.parametrize("fault", ["status", "drop-before"])
def test_weakness_02_failed_calls_are_retried(enrollment: Enrollment, fault: str) -> None:
    enrollment.server.switches.fault(fault, ISSUE, times=3)
    enrollment.want()
    assert enrollment.run() == "certificate.failed"
    assert "certificate.issued" in [enrollment.later() for _ in range(4)], enrollment.error
    enrollment.server.switches.fault(fault, "/renew$", times=2)
    assert renew(enrollment) == "certificate.failed"
    assert "certificate.renewed" in [enrollment.later() for _ in range(4)], enrollment.error


def test_weakness_03_immediate_refusal_is_announced(enrollment: Enrollment) -> None:
    enrollment.profile.policy.rules = {"sans": [{"type": "dns_name", "allowed": ["*.example.org"]}]}
    enrollment.want()
    enrollment.run()
    assert announced(enrollment) == ["certificate.failed"]


def test_weakness_04_events_carry_names_locations_and_error(enrollment: Enrollment) -> None:
    enrollment.want()
    enrollment.run()
    enrollment.server.switches.fault("status", "/renew$", times=1)
    renew(enrollment)
    issued, failed = enrollment.bench.announcer.announced
    assert issued.data["names"] == ["dns:www.example.com"]
    assert [place["location"] for place in issued.data["locations"]] == ["fake:here"]
    assert "answered 503" in failed.data["message"]


def test_weakness_05_self_signed_roots_are_omitted(enrollment: Enrollment) -> None:
    enrollment.want()
    enrollment.run()
    issuers = x509.load_pem_x509_certificates(bundle(enrollment).chain.issuers_pem.encode())
    assert issuers
    assert all(one.issuer != one.subject for one in issuers)


def test_weakness_06_renewal_updates_the_chain(enrollment: Enrollment) -> None:
    enrollment.want()
    enrollment.run()
    enrollment.profile.authority = Authority(enrollment.bench.clock(), site=enrollment.server.address)
    before = bundle(enrollment).chain.certificates[1]
    assert renew(enrollment) == "certificate.renewed", enrollment.error
    leaf, issuer = bundle(enrollment).chain.certificates[:2]
    leaf.verify_directly_issued_by(issuer)
    assert issuer != before


def test_weakness_07_expiry_is_read_from_the_certificate(enrollment: Enrollment) -> None:
    enrollment.profile.defaults = {"ttlDays": 10}
    enrollment.want(attributes={"common-name": "www.example.com"})
    enrollment.run()
    record, leaf = enrollment.bench.record(), bundle(enrollment).chain.leaf
    assert record.facts.not_after == leaf.not_valid_after_utc
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == timedelta(days=10)
    assert record.renew_at < leaf.not_valid_after_utc


def test_weakness_08_nothing_is_polled_before_it_is_due(enrollment: Enrollment) -> None:
    enrollment.want()
    enrollment.run()
    assert enrollment.bench.record().due_at - enrollment.bench.clock() >= timedelta(hours=20)
    with pytest.raises(ValidationError, match="status-check-interval"):
        spec(lifecycle={"status-check-interval": "0s"})


def test_weakness_09_every_repeatable_call_is_retried(enrollment: Enrollment) -> None:
    for call in ("-auth/login", "/by-name/", "/profiles$", "/bundle"):
        enrollment.server.switches.fault("status", call, status=502)
        enrollment.server.switches.fault("drop-before", call)
    enrollment.want()
    assert enrollment.run() == "certificate.issued", enrollment.error


def test_weakness_10_every_status_ends(enrollment: Enrollment) -> None:
    enrollment.define(**{"pending-for": "2h"})
    enrollment.server.switches.then("approval", "approval", "validation", "fail")
    enrollment.want()
    assert enrollment.run() == "certificate.pending"
    enrollment.server.reject()
    assert enrollment.later() == "certificate.failed"
    assert enrollment.later() == "certificate.pending"
    enrollment.bench.clock.advance(hours=3)
    assert enrollment.run() == "certificate.failed"
    assert enrollment.later() == "pending"
    enrollment.server.fail()
    assert enrollment.later() == "certificate.failed"
    assert [enrollment.later(), enrollment.later()] == ["certificate.failed", "certificate.issued"]


def test_weakness_12_server_never_receives_the_key(enrollment: Enrollment) -> None:
    enrollment.want()
    enrollment.run()
    renew(enrollment)
    assert [one.private_key for one in enrollment.server.issued] == [None, None]
    assert len({one.public_key for one in enrollment.server.issued}) == 2


def test_weakness_13_unknown_name_blocks_no_other_certificate(enrollment: Enrollment) -> None:
    known = enrollment.bench.issuers.known
    enrollment.define(application="not-yet")
    known["lost"] = known.pop("main")
    enrollment.define()
    for name, issuer in (("a", "lost"), ("b", "main")):
        enrollment.bench.want(spec(name, issuer=issuer))
    assert [enrollment.bench.run(name) for name in "ab"] == ["certificate.failed", "certificate.issued"]
    enrollment.server.estate.application("not-yet", "shop", enrollment.profile)
    enrollment.bench.clock.now = enrollment.bench.record("a").due_at
    assert enrollment.bench.run("a") == "certificate.issued"


def test_weakness_14_typed_names_and_full_subjects_are_issued(enrollment: Enrollment) -> None:
    names = ["ip:10.0.0.7", "email:ops@example.com", "uri:spiffe://example.com/shop"]
    attributes = {"common-name": "www.example.com", "organization": "Muster AG", "alt-names": names, "ttl": "90d"}
    enrollment.want(attributes=attributes)
    assert enrollment.run() == "certificate.issued", enrollment.error
    leaf = bundle(enrollment).chain.leaf
    kinds = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {type(name).__name__ for name in kinds} == {
        "DNSName",
        "IPAddress",
        "RFC822Name",
        "UniformResourceIdentifier",
    }
    assert "O=Muster AG" in leaf.subject.rfc4514_string()


def test_weakness_15_status_check_finds_revocation(enrollment: Enrollment) -> None:
    enrollment.want()
    enrollment.run()
    enrollment.server.revoke(enrollment.server.issued[0].id)
    enrollment.bench.clock.now = enrollment.bench.record().check_at
    assert enrollment.bench.clock() < enrollment.bench.record().renew_at - timedelta(days=30)
    assert [enrollment.run(), enrollment.run()] == ["certificate.revoked", "certificate.renewed"]


def test_weakness_17_renewal_can_be_disabled(enrollment: Enrollment) -> None:
    enrollment.want(lifecycle={"renew-before-expiry": "never"})
    enrollment.run()
    facts = enrollment.bench.record().facts
    for _ in as_long_as(lambda: enrollment.bench.clock() < facts.not_after + timedelta(days=2)):
        enrollment.later()
    assert len(enrollment.server.issued) == 1
    assert "certificate.expired" in announced(enrollment)
    assert "certificate.failed" not in announced(enrollment)


def test_weakness_18_m_means_minutes(enrollment: Enrollment) -> None:
    assert parse("90m") == timedelta(minutes=90)
    anything = [{"type": kind, "allowed": ["*"]} for kind in ("common_name", "dns_name")]
    enrollment.profile.policy.rules = {
        "subject": anything[:1],
        "sans": anything[1:],
        "algorithms": {"keyAlgorithm": [], "signature": []},
        "validity": {"max": "1d"},  # the server reads `90m` as 90 months here
    }
    enrollment.want(attributes={"common-name": "www.example.com", "ttl": "90m"})
    assert enrollment.run() == "certificate.issued", enrollment.error
    leaf = bundle(enrollment).chain.leaf
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == timedelta(minutes=90)


def test_weakness_19_failed_token_renewal_leads_to_login(enrollment: Enrollment) -> None:
    enrollment.want()
    enrollment.run()
    enrollment.server.tokens.refuse_renewals = True
    enrollment.bench.clock.advance(days=25)
    assert enrollment.run() == "checked", enrollment.error
    assert len(enrollment.server.logins) == 2


def test_weakness_23_missing_destination_is_refused(enrollment: Enrollment) -> None:
    with pytest.raises(ValidationError, match="destinations"):
        spec(to=())
    assert enrollment.server.calls == []


def test_weaknesses_all_have_a_test_and_a_table_row() -> None:
    here = {int(name[:2]) for name in re.findall(r"^def test_weakness_(\d\d_\w+)", _text(__file__), re.MULTILINE)}
    assert here | ELSEWHERE.keys() | NOT_APPLICABLE == set(ALL)
    assert not here & (ELSEWHERE.keys() | NOT_APPLICABLE)
    rows = dict(
        re.findall(
            r"^\| (\d+) \|(.*)\|$", _text(ROOT / "docs" / "reference" / "issuers" / "infisical.md"), re.MULTILINE
        )
    )
    assert [int(number) for number in rows] == list(ALL)
    for number in ALL:
        row = rows[str(number)]
        if number in NOT_APPLICABLE:
            assert "does not apply" in row
            continue
        name = re.search(r"`(\w+)`\s*$", row.strip())
        assert name is not None, row
        where = ELSEWHERE.get(number, "tests/contract/issuers/infisical/test_agent_weaknesses.py").partition("::")[0]
        assert f"def {name[1]}(" in _text(ROOT / where), row


def _text(path: str | Path) -> str:
    return Path(path).read_text()
