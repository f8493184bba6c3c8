"""Contract of the issuance trail: the emulator's table and the double."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from evercert.authority.contracts.approval_terms import ApprovalTerms, Decision
from evercert.authority.contracts.issuance_trail import MOST_NAMES_BYTES, OPERATOR, Actor, Asked, IssuanceEntry
from evercert.aws.authority import issuance_trail, transactions
from evercert.aws.authority.issuance_trail_reader import IssuanceTrailReader
from evercert.errors import Misconfigured
from tests.doubles.authority.certificates import FakeCertificates
from tests.doubles.authority.stored import stored_certificates
from tests.doubles.fakes import START
from tests.doubles.item_size import size
from tests.doubles.world import World
from tests.samples.authority import PROFILE, kept, leaf, requested

LATER = START + timedelta(hours=1)
NAMES = ("www.example.com", "10.0.0.7")
TERMS = ApprovalTerms(2, START + timedelta(days=7), movable=True)
Read = Callable[[], list[IssuanceEntry]]


@pytest.fixture(params=["fake", "table"])
def opened(request: pytest.FixtureRequest) -> tuple[object, Read]:
    """Return the store, and a function that reads the trail, newest first."""
    if request.param == "fake":
        fake = FakeCertificates()
        return fake, lambda: sorted(fake.trail.values(), key=lambda one: (one.at, one.id), reverse=True)
    world: World = request.getfixturevalue("world")
    stored = stored_certificates(world)
    reader = IssuanceTrailReader(world.operator.dynamodb, stored._trail)
    return stored, lambda: list(reader.entries(START - timedelta(days=2), START + timedelta(days=2)))


def refused(number: int = 0) -> IssuanceEntry:
    asked = Asked("machine", "api", PROFILE, "app", NAMES)
    return IssuanceEntry.refused(asked, START + timedelta(hours=number), "denied by the policy")


def test_issued_certificate_has_an_entry(opened) -> None:
    certificates, read = opened
    request = certificates.open(requested(application="app"), None)
    record = kept(request)
    for _ in range(2):
        certificates.finish(request, record)
    (entry,) = read()
    assert (entry.at, entry.result, entry.action, entry.origin) == (record.created_at, "issued", "issue", "api")
    assert (entry.identity, entry.profile, entry.application) == (request.identity, PROFILE, "app")
    assert (entry.request, entry.certificate, entry.serial_number) == (request.id, record.id, record.serial_number)
    assert entry.names == NAMES


def test_first_of_two_completions_is_recorded(opened) -> None:
    certificates, read = opened
    request = certificates.open(requested(), None)
    first = certificates.finish(request, kept(request))
    certificates.finish(request, kept(request, created_at=LATER))
    assert [one.serial_number for one in read()] == [first.serial_number]


def test_failed_request_has_an_entry(opened) -> None:
    certificates, read = opened
    request = certificates.open(requested(), None)
    for at in (LATER, LATER + timedelta(hours=1)):
        certificates.fail(replace(request, updated_at=at), "the ceiling")
    (entry,) = read()
    assert (entry.at, entry.result, entry.reason, entry.certificate) == (LATER, "failed", "the ceiling", None)


def test_renewal_and_revocation_have_entries(opened) -> None:
    certificates, read = opened
    first = certificates.open(requested(), None)
    old = certificates.finish(first, kept(first))
    request = certificates.open(requested(renews=old.id, origin="automatic"), None)
    certificates.finish(request, kept(request, created_at=LATER))
    for _ in range(2):
        certificates.revoke(old.id, LATER + timedelta(hours=1), "SUPERSEDED", Actor("someone", "acme"))
    revoked, renewed, _ = read()
    assert (renewed.action, renewed.result, renewed.origin) == ("renew", "issued", "automatic")
    assert (revoked.action, revoked.result, revoked.origin, revoked.identity) == (
        "revoke",
        "revoked",
        "acme",
        "someone",
    )
    assert (revoked.reason, revoked.certificate, revoked.serial_number) == ("SUPERSEDED", old.id, old.serial_number)


def test_import_has_an_entry(opened) -> None:
    certificates, read = opened
    request = requested(application="app")
    record = kept(request, id=request.id, imported=True)
    for _ in range(2):
        certificates.add_imported(record)
    (entry,) = read()
    assert (entry.at, entry.result, entry.action, entry.origin) == (record.created_at, "imported", "import", "api")
    assert (entry.identity, entry.profile, entry.application) == (request.identity, PROFILE, "app")
    assert (entry.request, entry.certificate, entry.serial_number) == (None, record.id, record.serial_number)
    assert entry.names == NAMES
    refusal = IssuanceEntry.refused(Asked("machine", "api", PROFILE, None, NAMES, imports=True), LATER, "no")
    certificates.record(refusal)
    assert (read()[0].action, read()[0].result) == ("import", "refused")


def test_entry_of_an_operator_is_read(opened) -> None:
    certificates, read = opened
    request = certificates.open(requested(leaf=leaf(names=(), subject={})), None)
    found = certificates.finish(request, kept(request))
    certificates.revoke(found.id, LATER, "SUPERSEDED", OPERATOR)
    revoked, issued = read()
    assert (revoked.identity, revoked.origin, revoked.names, issued.names) == ("", "command", (), ())


def test_renewal_that_lost_its_claim_has_an_entry(opened) -> None:
    certificates, read = opened
    first = certificates.open(requested(), None)
    old = certificates.finish(first, kept(first))
    request = certificates.open(requested(renews=old.id), None)
    certificates.fail(request, "no")
    certificates.finish(request, kept(request))
    assert sorted(one.result for one in read()) == ["failed", "issued", "issued"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": "pending_approval", "approval": TERMS}, "waits for 2 approvals"),
        ({"external": "outside", "ca": ""}, "waits for issuer outside"),
    ],
    ids=["approval", "external"],
)
def test_request_that_waits_has_an_entry_at_once(opened, changes, reason) -> None:
    certificates, read = opened
    request = certificates.open(requested(**changes), "token")
    assert certificates.open(requested(**changes), "token") == request
    certificates.record(IssuanceEntry.pending(request))  # as after an outage
    (entry,) = read()
    assert (entry.at, entry.result, entry.action, entry.reason) == (request.created_at, "pending", "issue", reason)
    assert (entry.identity, entry.request, entry.names) == (request.identity, request.id, NAMES)


def test_request_that_needs_the_signer_only_has_no_entry_yet(opened) -> None:
    certificates, read = opened
    certificates.open(requested(), None)
    assert read() == []


def test_decisions_have_entries(opened) -> None:
    certificates, read = opened
    request = certificates.open(requested(status="pending_approval", approval=TERMS), None)
    operator = "arn:aws:sts::123456789012:assumed-role/Ops/ann"
    first = Decision("identity", "approver", LATER, approved=True, reason="release 42")
    second = Decision("role", operator, LATER + timedelta(hours=1), approved=False, reason="no", origin="command")
    changed = certificates.decide(request, first, "pending_approval", None)
    assert certificates.decide(request, replace(first, by="other"), "pending_approval", None) is None
    certificates.decide(changed, second, "rejected", "rejected by Ann: no")
    found = {one.result: one for one in read()}
    assert sorted(found) == ["approved", "failed", "pending", "rejected"]
    approved, rejected, failed = found["approved"], found["rejected"], found["failed"]
    assert (approved.at, approved.action, approved.origin) == (LATER, "approve", "api")
    assert (approved.identity, approved.reason, approved.names) == ("identity", "release 42", NAMES)
    assert (rejected.at, rejected.action, rejected.origin) == (second.at, "reject", "command")
    assert (rejected.identity, rejected.reason) == (operator, "no")
    assert (failed.at, failed.identity, failed.reason) == (second.at, request.identity, "rejected by Ann: no")
    assert {one.request for one in found.values()} == {request.id}


def test_two_decisions_at_the_same_time_have_two_entries(opened) -> None:
    certificates, read = opened
    request = certificates.open(requested(status="pending_approval", approval=TERMS), None)
    for name in ("one", "two"):
        request = certificates.decide(request, Decision(name, name, LATER, approved=True), "pending_approval", None)
    assert sorted(one.identity for one in read() if one.result == "approved") == ["one", "two"]


def test_cancelled_request_names_who_cancelled_it(opened) -> None:
    certificates, read = opened
    request = certificates.open(requested(origin="acme"), None)
    certificates.fail(replace(request, updated_at=LATER), "cancelled", Actor("administrator", "api"))
    (entry,) = read()
    assert (entry.result, entry.identity, entry.origin) == ("failed", "administrator", "api")
    assert (entry.request, entry.reason) == (request.id, "cancelled")


def test_changes_of_a_renewal_have_entries(opened) -> None:
    certificates, read = opened
    request = certificates.open(requested(application="app"), None)
    record = certificates.finish(request, kept(request))
    by = Actor("administrator", "api")
    for days in (7, 7, None):
        certificates.set_renewal(record.id, days, None if days is None else LATER, LATER, by)
    *changes, _ = read()
    assert sorted(one.reason for one in changes) == [
        *["automatic renewal 7 days before the end"] * 2,
        "no automatic renewal",
    ]
    for one in changes:
        assert (one.at, one.action, one.result, one.origin) == (LATER, "configure", "changed", "api")
        assert (one.identity, one.certificate, one.application) == ("administrator", record.id, "app")


def test_change_that_is_refused_has_no_entry(opened) -> None:
    certificates, read = opened
    request = certificates.open(requested(), None)
    record = certificates.finish(request, kept(request))
    certificates.open(requested(renews=record.id), None)
    assert certificates.set_renewal(record.id, 7, LATER, LATER, Actor("administrator", "api")) is None
    assert [one.result for one in read()] == ["issued"]


def test_entry_is_appended_once(opened) -> None:
    certificates, read = opened
    request = certificates.open(requested(), None)
    for reason in ("", "another text"):
        certificates.record(replace(IssuanceEntry.pending(request), reason=reason))
    entry = refused()
    certificates.record(entry)
    assert sorted(read(), key=lambda one: one.result) == [IssuanceEntry.pending(request), entry]


def test_entries_are_read_newest_first(opened) -> None:
    certificates, read = opened
    entries = [refused(number) for number in range(-30, 30, 7)]
    for entry in entries[::2] + entries[1::2]:
        certificates.record(entry)
    assert read() == entries[::-1]


def test_entry_has_a_bounded_size(opened) -> None:
    certificates, read = opened
    names = tuple(f"{'x' * 240}{number}" for number in range(100))
    certificates.record(IssuanceEntry.refused(Asked("i", "api", PROFILE, None, names), START, "y" * 100_000))
    (entry,) = read()
    assert len(entry.names) == MOST_NAMES_BYTES // 242 and len(entry.names) + entry.names_left_out == 100
    assert len(entry.reason) == 1_000 and entry.reason.endswith("…")


# -- DynamoDB only ---------------------------------------------------------------------------------------------------------
def test_largest_entry_is_small(world: World) -> None:
    stored = stored_certificates(world)
    names = tuple(f"{'x' * 240}{number}" for number in range(100))
    stored.record(IssuanceEntry.refused(Asked("i" * 36, "api", PROFILE, PROFILE, names), START, "ÿ" * 1_000))
    (item,) = world.operator.dynamodb.scan(TableName=stored._trail)["Items"]
    assert size(item) < 8_000


def test_malformed_entry_is_reported(world: World) -> None:
    stored = stored_certificates(world)
    reader = IssuanceTrailReader(world.operator.dynamodb, stored._trail)
    stored.record(refused())
    (item,) = world.operator.dynamodb.scan(TableName=stored._trail)["Items"]
    for changed in ({"result": {"S": "lost"}}, {"names": {"N": "1"}}, {"profile": {"NULL": True}}):
        world.operator.dynamodb.put_item(TableName=stored._trail, Item={**item, **changed})
        with pytest.raises(Misconfigured, match="does not parse"):
            list(reader.entries(START, START))


def test_entry_of_a_transaction_is_not_replaced(world: World) -> None:
    stored, entry = stored_certificates(world), refused()
    client, reader = world.operator.dynamodb, IssuanceTrailReader(world.operator.dynamodb, stored._trail)
    for reason, conflict in (("first", []), ("second", [True])):
        write = issuance_trail.put(stored._trail, replace(entry, reason=reason))
        assert transactions.refused(client, [write], "test") == conflict
    assert [one.reason for one in reader.entries(START, START)] == ["first"]
