"""Rollbacks: a kept revision is delivered again, and renewed at its own time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from evercert.contracts.destination import Drift
from evercert.contracts.issuer import OpenIssuer
from evercert.contracts.record_schema import PREVIOUS_SCHEMA, SCHEMA
from evercert.contracts.revisions import KeptRevisions, RollbackRequest
from evercert.errors import Misconfigured, Unavailable
from evercert.issuers.self_signed import SelfSigned
from evercert.pki.certificate import Chain
from evercert.pki.keys import PrivateKey, public_bytes
from evercert.timestamps import to_text
from tests.doubles.fakes import Asked, Bench, spec
from tests.unit.issuance.rollbacks import kept, renew, roll_back, serial, two_revisions


# -- the way back -----------------------------------------------------------------------------------------------------
def test_rollback_delivers_the_earlier_pair_as_new_revision(bench: Bench) -> None:
    bench.want(spec(to=("here", "there")))
    bench.run()
    first = serial(bench)
    renew(bench)
    second = serial(bench)
    assert roll_back(bench, reason="it breaks the proxy") == "certificate.rolled-back"
    assert serial(bench) == serial(bench, "there") == first != second
    record = bench.record()
    assert record.facts is not None and (record.facts.revision, record.facts.serial_number) == (3, first)
    assert (record.state, record.pending, record.rollback, record.claim) == ("ready", None, None, None)
    outcome = bench.announcer.announced[-1]
    assert (outcome.revision, outcome.severity) == (3, "warning")
    data = outcome.data
    assert (data["reason"], data["restored"], data["request"]) == ("rolled-back", 1, "it breaks the proxy")
    assert (data["serial_number"], data["previous"]["serial_number"]) == (first, second)


def test_restored_certificate_is_renewed_at_its_own_time(bench: Bench) -> None:
    two_revisions(bench)
    own = bench.announcer.announced[0].data["renew_at"]
    roll_back(bench)
    record = bench.record()
    assert record.renew_at is not None and to_text(record.renew_at) == own
    assert bench.run() == "nothing-to-do"
    bench.clock.now = record.renew_at
    assert bench.run() == "certificate.renewed"
    assert bench.announcer.announced[-1].data["reason"] == "near-expiry"
    assert kept(bench) == [4, 3, 2]


def test_late_rollback_waits_a_third_of_the_remaining_time(bench: Bench) -> None:
    bench.want(spec())
    bench.run()
    renewal = bench.record().renew_at
    assert renewal is not None
    bench.clock.now = renewal
    assert bench.run() == "certificate.renewed"
    bench.clock.advance(days=3)
    roll_back(bench)
    record = bench.record()
    assert record.facts is not None and record.renew_at is not None
    left = record.facts.not_after - bench.clock()
    assert timedelta(0) <= record.renew_at - (bench.clock() + left / 3) <= timedelta(seconds=1)
    assert "renewed after a third" in bench.announcer.announced[-1].data["note"]


def test_rollback_forward_and_back_keeps_each_certificate_once(bench: Bench) -> None:
    two_revisions(bench)
    roll_back(bench)
    assert kept(bench) == [3, 2]
    assert roll_back(bench, 2) == "certificate.rolled-back"
    assert kept(bench) == [4, 3]
    assert [one.origin for one in bench.table.kept(bench.record()).revisions] == [2, 1]


def test_schema_is_newer_only_during_a_rollback(bench: Bench) -> None:
    two_revisions(bench)
    item = bench.table.items["certificate#web", "record"]
    assert item["schema"] == {"N": str(PREVIOUS_SCHEMA)}
    bench.table.request_rollback(bench.record(), RollbackRequest(to=1, requested_at=bench.clock()))
    assert item["schema"] == {"N": str(SCHEMA)}
    bench.run()
    bench.run()
    assert item["schema"] == {"N": str(PREVIOUS_SCHEMA)}


def test_rollback_needs_no_issuer(bench: Bench) -> None:
    two_revisions(bench)
    broken = SelfSigned(SelfSigned.Settings())
    bench.issuers.known["main"] = OpenIssuer(broken, "self-signed")
    broken.issue_with = None  # type: ignore[method-assign, assignment]
    assert roll_back(bench) == "certificate.rolled-back"


def test_rollback_with_a_fixed_key_keeps_the_key(bench: Bench) -> None:
    two_revisions(bench, **{"private-key": {"rotate": "never"}})
    roll_back(bench)
    assert bench.record().kept_key is not None
    renew(bench)
    chains = [Chain.from_pem(one.chain) for one in bench.table.kept(bench.record()).revisions]
    assert len({chain.serial_number for chain in chains}) == 3
    assert len({public_bytes(chain.public_key) for chain in chains}) == 1


def test_rollback_of_a_supplied_csr_has_no_key(bench: Bench, ca: object) -> None:
    key = PrivateKey.generate("EC_prime256v1")
    csr = key.sign_csr(spec().attributes)
    document = {"csr": csr, "private-key": {"rotate": "never"}, "attributes": {"ttl": "90d"}}
    bench.want(spec(**document))
    bench.run()
    first = serial(bench)
    renew(bench)
    assert roll_back(bench) == "certificate.rolled-back"
    assert serial(bench) == first
    assert bench.destinations.known["here"].bundle.private_key is None  # type: ignore[union-attr]


# -- what is kept -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("number", "expected"), [(0, []), (1, [5, 4]), (5, [5, 4, 3, 2, 1])])
def test_spec_says_how_many_are_kept(bench: Bench, number: int, expected: list[int]) -> None:
    bench.want(spec(lifecycle={"keep-revisions": number}))
    bench.run()
    for _ in range(4):
        renew(bench)
    assert kept(bench) == expected
    assert bench.table.items["certificate#web", "record"]["schema"] == {"N": str(SCHEMA)}


def test_run_that_keeps_none_does_not_read_them(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.revisions, "read", lambda *_: pytest.fail("kept revisions were read"))
    bench.want(spec(lifecycle={"keep-revisions": 0}))
    assert bench.run() == "certificate.issued"


def test_two_earlier_revisions_are_kept_by_default(bench: Bench) -> None:
    bench.want(spec())
    bench.run()
    for _ in range(4):
        renew(bench)
    assert kept(bench) == [5, 4, 3]


def test_expired_revision_is_forgotten(bench: Bench) -> None:
    bench.want(spec(lifecycle={"keep-revisions": 5}))
    bench.run()
    renew(bench, timedelta(days=80))
    renew(bench, timedelta(days=11))
    assert kept(bench) == [3, 2]
    expires_at = bench.table.items["certificate#web", "revisions"]["expires_at"]["N"]
    assert int(expires_at) == int(bench.record().facts.not_after.timestamp())  # type: ignore[union-attr]


def test_revoked_revision_is_forgotten(bench: Bench) -> None:
    issuer = Asked(SelfSigned.Settings())
    bench.issuers.known["main"] = OpenIssuer(issuer, "self-signed")
    bench.want(spec())
    bench.run()
    issuer.gone = {serial(bench)}
    bench.clock.now = bench.record().check_at  # type: ignore[assignment]
    assert [bench.run(), bench.run()] == ["certificate.revoked", "certificate.renewed"]
    assert kept(bench) == [2]


def test_drifted_revision_is_kept(bench: Bench) -> None:
    bench.want(spec())
    bench.run()
    bench.destinations.known["here"].drift = Drift("it is gone", gone=True)
    bench.clock.now = bench.record().check_at  # type: ignore[assignment]
    assert [bench.run(), bench.run()] == ["certificate.drifted", "certificate.renewed"]
    assert kept(bench) == [2, 1]


@pytest.mark.parametrize("error", [Unavailable("no answer"), Misconfigured("no permission")], ids=["outage", "denied"])
def test_lost_store_delays_no_renewal(bench: Bench, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    bench.want(spec())
    bench.run()

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(bench.revisions, "read", fail)
    renew(bench)
    assert str(error) in bench.announcer.announced[-1].data["warnings"][0]
    assert kept(bench) == [1]


def test_operator_who_deletes_meanwhile_delays_no_renewal(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.want(spec())
    bench.run()
    read = bench.revisions.read

    def read_and_delete(name: str, uid: str) -> KeptRevisions:
        seen = read(name, uid)
        bench.table.forget(bench.record())
        return seen

    monkeypatch.setattr(bench.revisions, "read", read_and_delete)
    renew(bench)
    (warning,) = bench.announcer.announced[-1].data["warnings"]
    assert warning == (
        "revision 2 cannot be restored by a rollback later, because it was not kept: "
        "the kept revisions were changed or deleted during the run"
    )
    assert kept(bench) == []
    assert bench.record().facts.revision == 2


def test_revisions_of_a_newer_release_remain(bench: Bench) -> None:
    bench.want(spec())
    bench.run()
    item = bench.table.items["certificate#web", "revisions"]
    item["schema"] = {"N": "99"}
    renew(bench)
    assert "newer evercert" in bench.announcer.announced[-1].data["warnings"][0]
    assert bench.table.items["certificate#web", "revisions"] is item


def test_huge_chains_are_kept_as_far_as_they_fit(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evercert.issuance.revision_history.LARGEST", 2_000)
    two_revisions(bench)
    assert kept(bench) == [2]


@pytest.mark.parametrize("first", [True, False])
def test_edit_during_a_run_leaves_no_sealed_key(bench: Bench, monkeypatch: pytest.MonkeyPatch, first: bool) -> None:
    """The edit comes after the claim and before the run reads what is kept."""
    bench.want(spec())
    if not first:
        bench.run()
    read, edits = bench.revisions.read, [spec(lifecycle={"keep-revisions": 0})]

    def read_after_edit(name: str, uid: str) -> KeptRevisions:
        if edits:
            bench.edit(edits.pop())
            bench.table.forget(bench.record())
        return read(name, uid)

    monkeypatch.setattr(bench.revisions, "read", read_after_edit)
    bench.run() if first else renew(bench)
    bench.run()
    assert bench.record().spec.lifecycle.keep_revisions == 0
    assert kept(bench) == []
