"""Contract of imported certificates and of metadata: the emulator's table and the double."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from evercert.authority.contracts.inventory import Criteria
from evercert.authority.contracts.issuance_trail import OPERATOR
from evercert.authority.contracts.records import CertificateRecord
from evercert.aws.authority import imports, transactions
from evercert.aws.dynamodb.retries import transact
from evercert.errors import Misconfigured, Unavailable
from evercert.pki.identifiers import parse
from evercert.pki.keys import public_bytes
from tests.doubles.authority.certificates import FakeCertificates, fingerprint
from tests.doubles.authority.stored import stored_certificates
from tests.doubles.fakes import START
from tests.doubles.world import World
from tests.samples.authority import CA, PROFILE, kept, leaf, requested

LATER = START + timedelta(hours=1)


@pytest.fixture(params=["fake", "table"])
def certificates(request: pytest.FixtureRequest) -> Any:
    if request.param == "fake":
        return FakeCertificates()
    return stored_certificates(request.getfixturevalue("world"))


@pytest.fixture
def table(world: World) -> Any:
    return stored_certificates(world)


def imported(**changes: Any) -> CertificateRecord:
    record = kept(requested(ca="", csr=""))
    return replace(record, request=record.id, imported=True, friendly_name="Shop", **changes)


def found(certificates: Any, **criteria: Any) -> list[str]:
    return [one.id for one in certificates.search(Criteria(START, **criteria), 10).records]


def test_imported_certificate_round_trip(certificates: Any) -> None:
    record = imported()
    assert certificates.add_imported(record) == record
    assert certificates.certificate(record.id) == certificates.certificate(fingerprint(record)) == record
    for criteria in (
        {"name": "www.example.com"}, {"serial_number": record.serial_number.lstrip("0")},
        {"fingerprint": fingerprint(record)}, {"identity": record.identity}, {"profiles": (PROFILE,)}, {},
    ):  # fmt: skip
        assert found(certificates, **criteria) == [record.id]
    assert certificates.request(record.id) is None and certificates.requests_of(PROFILE, 10) == []
    assert certificates.due(START + timedelta(days=400), 10) == []


def test_imports_of_a_profile_are_listed_newest_first(certificates: Any) -> None:
    records = [imported(created_at=START + timedelta(minutes=number)) for number in range(3)]
    for record in records:
        certificates.add_imported(record)
    certificates.add_imported(imported(profile=str(uuid.uuid4())))
    request = certificates.open(requested(), None)
    certificates.finish(request, kept(request))
    assert [one.id for one in certificates.imported_of(PROFILE, 10)] == [one.id for one in records[::-1]]
    assert [one.id for one in certificates.imported_of(PROFILE, 2)] == [records[2].id, records[1].id]
    assert [one.id for one in certificates.requests_of(PROFILE, 10)] == [request.id]


def test_fingerprint_is_imported_once(certificates: Any) -> None:
    first = imported()
    other = replace(first, identity="another", created_at=LATER)
    third = replace(other, id=str(uuid.uuid4()))
    certificates.add_imported(first)
    for again in (first, other, third):
        assert certificates.add_imported(again) == first
    assert certificates.certificate(third.id) is None and found(certificates) == [first.id]


def test_concurrent_imports_store_one(certificates: Any) -> None:
    base = imported()
    records = [replace(base, identity=str(number)) for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        stored = list(pool.map(certificates.add_imported, records))
    assert len({one.identity for one in stored}) == 1
    assert certificates.certificate(base.id) == stored[0]


def test_import_does_not_replace_an_issued_certificate(certificates: Any) -> None:
    request = certificates.open(requested(), None)
    issued = certificates.finish(request, kept(request))
    again = replace(imported(), certificate=issued.certificate, serial_number=issued.serial_number)
    assert certificates.add_imported(again) == issued
    assert certificates.certificate(again.id) is None
    assert certificates.certificate(fingerprint(issued)) == issued


def test_issued_certificate_takes_its_fingerprint_over(certificates: Any) -> None:
    """An import between the signature and the record must not stop the request."""
    request = certificates.open(requested(), None)
    record = kept(request)
    early = imported(certificate=record.certificate, serial_number=record.serial_number)
    certificates.add_imported(early)
    assert certificates.finish(request, record) == record
    assert certificates.request(request.id).status == "issued"
    assert certificates.certificate(fingerprint(record)) == record
    assert found(certificates, fingerprint=fingerprint(record)) == [record.id]
    assert certificates.add_imported(early) == record
    assert certificates.revoke(record.id, LATER, "SUPERSEDED", OPERATOR).revoked_at == LATER


@pytest.mark.parametrize("reason", ["SUPERSEDED", "KEY_COMPROMISE"])
def test_imported_certificate_is_not_revoked(certificates: Any, reason: str) -> None:
    record = imported(ca=CA)
    certificates.add_imported(record)
    assert certificates.revoke(record.id, LATER, reason, OPERATOR) is None
    assert certificates.certificate(record.id) == record
    assert not certificates.compromised(public_bytes(record.signed.public_key()))
    assert list(certificates.revoked(CA, START)) == []


def test_metadata_is_replaced(certificates: Any) -> None:
    request = certificates.open(requested(), None)
    record = certificates.finish(request, kept(request))
    changed = certificates.set_metadata(record.id, (("team", "shop"), ("team", "")), LATER)
    assert (changed.metadata, changed.updated_at) == ((("team", "shop"), ("team", "")), LATER)
    assert certificates.certificate(record.id) == changed
    assert certificates.set_metadata(record.id, (), LATER).metadata == ()
    assert certificates.certificate(record.id) == replace(record, metadata=(), updated_at=LATER)
    assert certificates.request(request.id).metadata == request.metadata
    assert certificates.set_metadata("nothing", (), LATER) is None
    assert certificates.certificate("nothing") is None


def test_metadata_survives_a_revocation(certificates: Any) -> None:
    request = certificates.open(requested(), None)
    record = certificates.finish(request, kept(request))
    certificates.set_metadata(record.id, (("a", "b"),), LATER)
    assert certificates.revoke(record.id, LATER, "SUPERSEDED", OPERATOR).metadata == (("a", "b"),)


def test_edited_metadata_is_reported(table: Any) -> None:
    request = table.open(requested(), None)
    record = table.finish(request, kept(request))
    for text in ("[", '{"a": 1}', "[[1, 2, 3]]"):
        table._client.update_item(
            TableName=table._table,
            Key={"pk": {"S": f"certificate#{record.id}"}, "sk": {"S": "certificate"}},
            UpdateExpression="SET metadata = :text",
            ExpressionAttributeValues={":text": {"S": text}},
        )
        with pytest.raises(Misconfigured, match="cannot be read"):
            table.certificate(record.id)


def test_import_that_dies_between_its_writes_is_repeated(table: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate with many names needs two transactions; the entries of the first one are found again."""
    names = tuple(parse(f"dns:n{number}.example.com") for number in range(100))
    record = imported(leaf=leaf(names=names))
    calls = []

    def die(*given: Any, **named: Any) -> None:
        calls.append(given)
        if len(calls) == 2:
            raise Unavailable("the process dies")
        transact(*given, **named)

    monkeypatch.setattr(transactions, "transact", die)
    with pytest.raises(Unavailable):
        table.add_imported(record)
    assert table.certificate(record.id) is None and found(table) == []
    monkeypatch.undo()
    assert table.add_imported(record) == record
    assert found(table, name="n99.example.com") == found(table) == [record.id]
    assert len(names) > imports.MOST_WRITES


def test_certificate_without_a_fingerprint_is_a_conflict(table: Any) -> None:
    record = imported()
    table.add_imported(record)
    table._client.delete_item(
        TableName=table._table,
        Key={"pk": {"S": f"fingerprint#{fingerprint(record)}"}, "sk": {"S": "fingerprint"}},
    )
    with pytest.raises(Unavailable, match="conflicts"):
        table.add_imported(record)
