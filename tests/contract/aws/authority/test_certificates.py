"""Contract of requests and certificates: the emulator's table and the double."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.x509 import load_pem_x509_certificate

from evercert.authority.api_errors import Refusal
from evercert.authority.ca.signing_orders import Revoked
from evercert.authority.contracts.issuance_trail import OPERATOR
from evercert.aws.authority import crls
from evercert.aws.authority.certificate_items import SINCE_EVER
from evercert.errors import Misconfigured, Rejected
from evercert.pki.keys import public_bytes
from tests.doubles.authority.certificates import FakeCertificates, fingerprint
from tests.doubles.authority.stored import stored_certificates
from tests.doubles.fakes import START
from tests.doubles.read_meter import ReadMeter
from tests.doubles.world import World
from tests.samples.authority import CA, PROFILE, crl, kept, requested
from tests.samples.certificates import private_key

LATER = START + timedelta(hours=1)


@pytest.fixture(params=["fake", "table"])
def certificates(request: pytest.FixtureRequest):
    if request.param == "fake":
        return FakeCertificates()
    world: World = request.getfixturevalue("world")
    return stored_certificates(world)


def issued(certificates, **changes):
    opened = certificates.open(requested(**changes), None)
    return opened, certificates.finish(opened, kept(opened))


def test_request_round_trip(certificates) -> None:
    request = requested()
    assert certificates.open(request, "token") == request
    assert certificates.request(request.id) == request
    assert certificates.request_of("token") == request
    assert certificates.request("nothing") is None
    assert certificates.request_of("nothing") is None


def test_due_certificates_are_listed_soonest_expiry_first(certificates) -> None:
    opened = [certificates.open(requested(), None) for _ in range(12)]
    for number, request in enumerate(opened):
        end = START + timedelta(days=30 + (number * 5) % 12)
        certificates.finish(request, kept(request, not_after=end, due_at=START, renew_before_days=7))
    found = certificates.due(START, 100)
    assert len(found) == 12 and [one.not_after for one in found] == sorted(one.not_after for one in found)
    assert [one.id for one in certificates.due(START, 5)] == [one.id for one in found[:5]]
    assert certificates.due(START - timedelta(seconds=1), 100) == []


def test_renewal_is_set_and_ended(certificates) -> None:
    _, certificate = issued(certificates)
    found = certificates.set_renewal(certificate.id, 7, LATER, LATER, OPERATOR)
    assert (found.renew_before_days, found.due_at, found.updated_at) == (7, LATER, LATER)
    assert certificates.certificate(certificate.id) == found
    assert certificates.set_renewal(certificate.id, None, None, LATER, OPERATOR).due_at is None
    assert certificates.due(LATER, 10) == []
    assert certificates.set_renewal("nothing", 7, LATER, LATER, OPERATOR) is None


def test_renewal_of_a_renewed_or_revoked_certificate_is_not_set(certificates) -> None:
    _, first = issued(certificates)
    _, second = issued(certificates)
    certificates.open(requested(renews=first.id), None)
    certificates.revoke(second.id, LATER, "SUPERSEDED", OPERATOR)
    assert certificates.set_renewal(first.id, 7, LATER, LATER, OPERATOR) is None
    assert certificates.set_renewal(second.id, 7, LATER, LATER, OPERATOR) is None


def test_renewal_and_revocation_end_the_entry(certificates) -> None:
    _, first = issued(certificates)
    _, second = issued(certificates)
    for one in (first, second):
        certificates.set_renewal(one.id, 7, START, START, OPERATOR)
    issued(certificates, renews=first.id)
    certificates.revoke(second.id, LATER, "SUPERSEDED", OPERATOR)
    assert certificates.due(LATER, 10) == []
    assert certificates.certificate(first.id).due_at is None


def test_refused_renewal_is_stored(certificates) -> None:
    _, certificate = issued(certificates)
    certificates.set_renewal(certificate.id, 7, START, START, OPERATOR)
    for reason in ("no policy allows it", "another reason"):
        assert certificates.record_refused_renewal(certificate.id, reason, LATER)
        found = certificates.certificate(certificate.id)
        assert (found.renewal_error, found.updated_at) == (f"renewal refused: {reason}", LATER)
    (entry,) = certificates.due(START, 10)  # a caller cannot stop automatic renewals
    assert entry.id == certificate.id
    assert not certificates.record_refused_renewal("nothing", "no", LATER)


def test_refused_renewal_replaces_no_error_of_an_automatic_one(certificates) -> None:
    """Its text is the state of a renewal that waits, and prevents that it is announced twice."""
    _, certificate = issued(certificates)
    certificates.set_renewal(certificate.id, 7, START, START, OPERATOR)
    (entry,) = certificates.due(START, 10)
    certificates.record_renewal_failure(entry, LATER, "waits for an approval: request 1")
    assert not certificates.record_refused_renewal(certificate.id, "no", LATER)
    assert certificates.certificate(certificate.id).renewal_error == "waits for an approval: request 1"


def test_refused_renewal_of_a_renewed_certificate_is_not_stored(certificates) -> None:
    _, first = issued(certificates)
    issued(certificates, renews=first.id)
    assert not certificates.record_refused_renewal(first.id, "no", LATER)
    assert certificates.certificate(first.id).renewal_error is None


def test_failed_renewal_is_postponed(certificates) -> None:
    _, certificate = issued(certificates)
    certificates.set_renewal(certificate.id, 7, START, START, OPERATOR)
    (entry,) = certificates.due(START, 10)
    assert certificates.record_renewal_failure(entry, LATER, "no policy allows it")
    found = certificates.certificate(certificate.id)
    assert (found.renewal_error, found.due_at, found.renew_before_days) == ("no policy allows it", LATER, 7)
    assert not certificates.record_renewal_failure(entry, LATER, "again")
    (entry,) = certificates.due(LATER, 10)
    assert certificates.record_renewal_failure(entry, None, "expired")
    assert certificates.due(LATER, 10) == []


def test_same_token_returns_the_same_request(certificates) -> None:
    first = certificates.open(requested(), "token")
    assert certificates.open(requested(), "token") == first
    assert certificates.open(requested(), "other") != first


def test_request_is_created_once(certificates) -> None:
    first = certificates.open(requested(), None)
    assert certificates.open(replace(first, asked="other"), None) == first


def test_concurrent_requests_with_one_token_create_one(certificates) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: certificates.open(requested(), "token").id, range(16)))
    assert len(set(found)) == 1


def test_certificate_completes_its_request(certificates) -> None:
    request, found = issued(certificates)
    assert certificates.certificate(found.id) == found
    assert certificates.certificate(fingerprint(found)) == found
    ended = certificates.request(request.id)
    assert (ended.status, ended.updated_at) == ("issued", found.updated_at)
    assert certificates.certificate("0" * 64) is None
    assert certificates.certificate(str(uuid.uuid4())) is None


def test_first_certificate_of_a_request_is_kept(certificates) -> None:
    request, found = issued(certificates)
    assert certificates.finish(request, kept(request)) == found
    assert certificates.certificate(found.id) == found


def test_request_stays_failed_until_its_certificate_is_stored(certificates) -> None:
    request = certificates.open(requested(), None)
    certificates.fail(replace(request, updated_at=LATER), "the ceiling")
    certificates.fail(request, "again")
    ended = certificates.request(request.id)
    assert (ended.status, ended.error, ended.updated_at) == ("failed", "the ceiling", LATER)
    found = certificates.finish(request, kept(request))
    assert certificates.certificate(found.id) == found
    assert (certificates.request(request.id).status, certificates.request(request.id).error) == ("issued", None)


def test_issued_request_never_fails(certificates) -> None:
    request, _ = issued(certificates)
    certificates.fail(request, "too late")
    assert certificates.request(request.id).status == "issued"


# -- renewals ----------------------------------------------------------------------------------------------------------
def test_certificate_is_renewed_by_one_request(certificates) -> None:
    _, old = issued(certificates)
    assert certificates.renewal_of(old.id) is None
    first = certificates.open(requested(renews=old.id), None)
    assert certificates.open(requested(renews=old.id), "token") == first
    assert certificates.renewal_of(old.id) == first
    new = certificates.finish(first, kept(first))
    assert certificates.certificate(old.id).renewed_by == new.id
    assert certificates.certificate(new.id).renews == old.id
    assert certificates.finish(first, kept(first)) == new
    assert certificates.open(requested(renews=old.id), None).id == first.id
    assert certificates.request_of("token") is None


def test_concurrent_renewals_create_one_request(certificates) -> None:
    _, old = issued(certificates)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: certificates.open(requested(renews=old.id), None).id, range(16)))
    assert len(set(found)) == 1


def test_failed_renewal_permits_another(certificates) -> None:
    _, old = issued(certificates)
    first = certificates.open(requested(renews=old.id), None)
    certificates.fail(first, "the ceiling")
    assert certificates.renewal_of(old.id) is None
    second = certificates.open(requested(renews=old.id), None)
    assert certificates.renewal_of(old.id) == second
    late = certificates.finish(first, kept(first))
    assert certificates.certificate(late.id) == late
    assert certificates.certificate(old.id).renewed_by is None
    new = certificates.finish(second, kept(second))
    assert certificates.certificate(old.id).renewed_by == new.id


# -- revocation ----------------------------------------------------------------------------------------------------------
def test_certificate_is_revoked_once(certificates) -> None:
    _, found = issued(certificates)
    revoked = certificates.revoke(found.id, LATER, "KEY_COMPROMISE", OPERATOR)
    assert revoked == replace(found, revoked_at=LATER, reason="KEY_COMPROMISE", updated_at=LATER)
    assert certificates.certificate(found.id) == revoked
    for at in (LATER, LATER + timedelta(hours=1)):  # the trail has one entry for each time
        assert certificates.revoke(found.id, at, "SUPERSEDED", OPERATOR) is None
    assert certificates.revoke(str(uuid.uuid4()), LATER, "SUPERSEDED", OPERATOR) is None
    assert certificates.certificate(found.id) == revoked


def test_compromised_key_is_stored(certificates) -> None:
    _, found = issued(certificates)
    public_key = public_bytes(load_pem_x509_certificate(found.certificate.encode()).public_key())
    other = public_bytes(private_key("EC_prime256v1", 4).public_key())
    assert not certificates.compromised(public_key)
    certificates.revoke(found.id, LATER, "SUPERSEDED", OPERATOR)
    assert not certificates.compromised(public_key)
    for _ in range(2):  # reported late, and reported twice
        assert certificates.revoke(found.id, LATER, "KEY_COMPROMISE", OPERATOR) is None
        assert (certificates.compromised(public_key), certificates.compromised(other)) == (True, False)
    assert certificates.certificate(found.id).reason == "SUPERSEDED"


def test_request_with_a_compromised_key_is_not_stored(certificates) -> None:
    _, found = issued(certificates)
    key = public_bytes(load_pem_x509_certificate(found.certificate.encode()).public_key())
    before = certificates.open(requested(), "earlier", key)
    certificates.revoke(found.id, LATER, "KEY_COMPROMISE", OPERATOR)
    refused = requested()
    with pytest.raises(Refusal, match="the key was revoked as compromised"):
        certificates.open(refused, "token", key)
    assert certificates.request(refused.id) is None and certificates.request_of("token") is None
    assert certificates.open(requested(), "earlier", key) == before  # a retry, which its fulfillment checks
    other = public_bytes(private_key("EC_prime256v1", 4).public_key())
    assert certificates.open(refused, "token", other) == refused


def test_refused_renewal_with_a_compromised_key_claims_nothing(certificates) -> None:
    _, found = issued(certificates)
    key = public_bytes(load_pem_x509_certificate(found.certificate.encode()).public_key())
    certificates.revoke(issued(certificates)[1].id, LATER, "KEY_COMPROMISE", OPERATOR)
    with pytest.raises(Refusal, match="the key was revoked as compromised"):
        certificates.open(requested(renews=found.id), None, key)
    assert certificates.renewal_of(found.id) is None


def test_crl_lists_revoked_certificates_until_long_after_expiry(certificates) -> None:
    _, found = issued(certificates)
    issued(certificates)
    certificates.revoke(found.id, LATER, "KEY_COMPROMISE", OPERATOR)
    _, unsaid = issued(certificates)
    certificates.revoke(unsaid.id, LATER, "UNSPECIFIED", OPERATOR)
    listed = set(certificates.revoked(CA, START))
    assert listed == {
        Revoked(int(found.serial_number, 16), LATER, "keyCompromise"),
        Revoked(int(unsaid.serial_number, 16), LATER, None),
    }
    assert list(certificates.revoked(CA, found.not_after)) == []
    assert list(certificates.revoked(PROFILE, START)) == []


def test_self_signed_certificate_is_revoked_without_a_crl(certificates) -> None:
    _, found = issued(certificates, ca="")
    assert certificates.revoke(found.id, LATER, "SUPERSEDED", OPERATOR).revoked_at == LATER
    assert list(certificates.revoked(CA, START)) == []


def test_crl_numbers_are_unique(certificates) -> None:
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(lambda _: certificates.next_crl_number(CA), range(6)))
    assert sorted(found) == list(range(1, 7))
    assert certificates.next_crl_number(PROFILE) == 1
    assert certificates.next_crl_number(PROFILE, at_least=100) == 100
    assert certificates.next_crl_number(PROFILE, at_least=50) == 101
    assert certificates.next_crl_number(CA) == 7


def test_one_publisher_has_the_lease_of_a_crl(certificates) -> None:
    soon, later = START + timedelta(seconds=20), START + timedelta(seconds=40)
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda _: certificates.lease_crl(CA, START, soon), range(6)))
    assert sorted(found) == [False] * 5 + [True]
    assert certificates.lease_crl(PROFILE, START, soon)
    assert certificates.lease_crl(CA, soon, later)  # expired
    certificates.release_crl(CA, soon)  # too late: another publisher has it
    assert not certificates.lease_crl(CA, soon, later)
    certificates.release_crl(CA, later)
    assert certificates.lease_crl(CA, soon, later)
    assert certificates.published(CA) is None and certificates.next_crl_number(CA) == 1


def test_older_crl_never_replaces_a_newer_one(certificates) -> None:
    one, two, three = (crl(number) for number in (1, 2, 3))
    assert certificates.published(CA) is None
    certificates.next_crl_number(CA)
    assert certificates.published(CA) is None
    certificates.publish(CA, 2, two)
    certificates.publish(CA, 1, one)
    assert certificates.published(CA) == two
    certificates.publish(CA, 3, three)
    certificates.publish(CA, 3, three)
    assert certificates.published(CA) == three
    assert certificates.published(PROFILE) is None
    assert certificates.next_crl_number(CA) == 2


# -- DynamoDB only ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def table(world: World) -> str:
    return world.authority_table("AuthorityTable")


def test_spoiled_crl_item_stops_no_publication(world: World, table: str) -> None:
    certificates = stored_certificates(world, table)
    key = {"pk": {"S": f"crl#{CA}"}, "sk": {"S": "crl"}}
    values = [{"N": "9.99E+125"}, {"S": "soon"}, {"B": b"x"}, {"NULL": True}, {"SS": ["a"]}, {"M": {}}, {"N": "-1"}]
    for count, value in enumerate(values):
        spoiled = dict.fromkeys(("number", "published", "parts", "leased_until"), value)
        world.operator.dynamodb.put_item(TableName=table, Item={**key, **spoiled})
        soon = START + timedelta(seconds=20)
        assert certificates.lease_crl(CA, START, soon), value
        assert not certificates.lease_crl(CA, START, soon)
        certificates.release_crl(CA, soon)
        number = certificates.next_crl_number(CA, at_least=1_768_478_400 + count)
        assert number == 1_768_478_400 + count, value
        certificates.publish(CA, number, crl(number))
        assert certificates.published(CA) == crl(number), value


def test_unparsable_item_is_reported(world: World, table: str) -> None:
    certificates = stored_certificates(world, table)
    request, found = issued(certificates)
    for kind, name, read in [
        ("request", request.id, certificates.request),
        ("certificate", found.id, certificates.certificate),
    ]:
        for document in ({"S": "{}"}, {"S": "no json"}, {"N": "5"}, {"NULL": True}):
            world.operator.dynamodb.update_item(
                TableName=table,
                Key={"pk": {"S": f"{kind}#{name}"}, "sk": {"S": kind}},
                UpdateExpression="SET document = :document",
                ExpressionAttributeValues={":document": document},
            )
            with pytest.raises(Misconfigured, match=f"item {kind}#{name} of the authority's table cannot be read"):
                read(name)


def test_item_of_a_newer_evercert_is_left_unchanged(world: World, table: str) -> None:
    certificates = stored_certificates(world, table)
    request, found = issued(certificates)
    for kind, name, read in [
        ("request", request.id, certificates.request),
        ("certificate", found.id, certificates.certificate),
    ]:
        world.operator.dynamodb.update_item(
            TableName=table,
            Key={"pk": {"S": f"{kind}#{name}"}, "sk": {"S": kind}},
            UpdateExpression="SET #schema = :schema",
            ExpressionAttributeNames={"#schema": "schema"},
            ExpressionAttributeValues={":schema": {"N": "2"}},
        )
        with pytest.raises(Misconfigured, match=f"item {kind}#{name} was written by a newer evercert"):
            read(name)


def test_long_expired_items_have_a_time_to_live(world: World, table: str) -> None:
    certificates = stored_certificates(world, table)
    request = certificates.open(requested(), "token")
    certificates.finish(request, kept(request))
    found = world.operator.dynamodb.scan(TableName=table)["Items"]
    kinds = {item["pk"]["S"].partition("#")[0] for item in found}
    assert kinds == {"request", "idempotency", "certificate", "fingerprint", "inventory"}
    wanted = int((request.leaf.not_after + timedelta(days=400)).timestamp())
    assert {item["expires_at"]["N"] for item in found} == {str(wanted)}


def test_crl_larger_than_an_item_is_stored_in_parts(world: World, table: str, monkeypatch) -> None:
    monkeypatch.setattr(crls, "PART", 200)
    certificates = stored_certificates(world, table)
    for number in (1, 2):
        certificates.publish(CA, number, crl(number, entries=20))
        with ReadMeter(world.operator.dynamodb) as meter:
            certificates.publish(CA, number, crl(number, entries=20))
        assert set(meter.calls) == {"PutItem", "UpdateItem"}  # DynamoDB bills a transaction twice
    assert certificates.published(CA) == crl(2, entries=20)
    found = world.operator.dynamodb.scan(TableName=table)["Items"]
    parts = [item for item in found if item["sk"]["S"] == "crl-part"]
    assert len(parts) > 4 and all(len(bytes(part["der"]["B"])) <= 200 for part in parts)
    wanted = int((START + timedelta(days=8)).timestamp())
    assert {part["expires_at"]["N"] for part in parts} == {str(wanted)}
    monkeypatch.setattr(crls, "PART", 10)
    with pytest.raises(Rejected, match="can be stored"):
        certificates.publish(CA, 3, crl(3))
    for part in parts[:1]:
        key = {"pk": part["pk"], "sk": part["sk"]}
        world.operator.dynamodb.delete_item(TableName=table, Key={**key, "pk": {"S": f"crl-part#{CA}#2#0"}})
    with pytest.raises(Misconfigured, match="is incomplete; publish a new one"):
        stored_certificates(world, table).published(CA)  # without the list in memory


def test_missing_table_is_misconfigured(world: World) -> None:
    certificates = stored_certificates(world, "nowhere")
    with pytest.raises(Misconfigured, match="cannot open request"):
        certificates.open(requested(), None)
    with pytest.raises(Misconfigured, match="cannot read certificate x"):
        certificates.certificate("x")


# -- spoiled items (manual edits) ------------------------------------------------------------------------------------------
SPOILED = [{"S": "x"}, {"N": "9.99E+125"}, {"N": "-1"}, {"B": b"x"}, {"SS": ["x"]}, {"L": []}, {"NULL": True}]


def spoil(world: World, table: str, kind: str, name: str, attribute: str, value: dict) -> None:
    world.operator.dynamodb.update_item(
        TableName=table,
        Key={"pk": {"S": f"{kind}#{name}"}, "sk": {"S": kind}},
        UpdateExpression="SET #name = :value",
        ExpressionAttributeNames={"#name": attribute},
        ExpressionAttributeValues={":value": value},
    )


@pytest.mark.parametrize("value", SPOILED, ids=lambda value: next(iter(value)))
@pytest.mark.parametrize("attribute", ["number", "published", "parts", "leased_until"])
def test_spoiled_crl_is_replaced(world: World, table: str, attribute: str, value: dict) -> None:
    certificates = stored_certificates(world, table)
    certificates.publish(CA, certificates.next_crl_number(CA, at_least=100), crl(100))
    spoil(world, table, "crl", CA, attribute, value)
    assert certificates.lease_crl(CA, START, START + timedelta(seconds=20))
    number = certificates.next_crl_number(CA, at_least=101)
    assert number == 101
    certificates.publish(CA, number, crl(number))
    assert certificates.published(CA) == crl(101)


@pytest.mark.parametrize("attribute", ["published", "parts"])
def test_spoiled_crl_is_reported_as_incomplete(world: World, table: str, attribute: str) -> None:
    certificates = stored_certificates(world, table)
    certificates.publish(CA, 100, crl(100))
    spoil(world, table, "crl", CA, attribute, {"S": "x"})
    with pytest.raises(Misconfigured, match="is incomplete; publish a new one"):
        certificates.published(CA)


def test_spoiled_revocation_leaves_the_others_listed(world: World, table: str) -> None:
    certificates = stored_certificates(world, table)
    one, two, three = (issued(certificates)[1] for _ in range(3))
    for found in (one, two, three):
        certificates.revoke(found.id, LATER, "SUPERSEDED", OPERATOR)
    spoil(world, table, "certificate", one.id, "serial_number", {"S": "no"})
    spoil(world, table, "certificate", two.id, "revoked_at", {"N": "1"})
    spoil(world, table, "certificate", two.id, "reason", {"S": "BORED"})
    assert set(certificates.revoked(CA, START)) == {
        Revoked(int(two.serial_number, 16), SINCE_EVER, None),
        Revoked(int(three.serial_number, 16), LATER, "superseded"),
    }


@pytest.mark.parametrize("value", SPOILED, ids=lambda value: next(iter(value)))
def test_spoiled_link_is_reported(world: World, table: str, value: dict) -> None:
    certificates = stored_certificates(world, table)
    certificates.open(requested(), "token")
    spoil(world, table, "idempotency", "token", "request", value)
    if value == {"S": "x"}:
        assert certificates.request_of("token") is None
        return
    with pytest.raises(Misconfigured, match="item idempotency#token of the authority's table cannot be read"):
        certificates.request_of("token")


def test_malformed_stored_certificate_is_reported() -> None:
    found = replace(kept(requested()), certificate="-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(Misconfigured, match=f"certificate {found.id} of the authority's table cannot be read"):
        _ = found.signed


def test_renewal_ends_while_another_one_runs(certificates) -> None:
    _, first = issued(certificates)
    certificates.set_renewal(first.id, 7, START, START, OPERATOR)
    certificates.open(requested(renews=first.id), None)
    assert certificates.set_renewal(first.id, None, None, LATER, OPERATOR).due_at is None
    assert certificates.due(LATER, 10) == []
