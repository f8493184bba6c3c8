"""`evercert authority status`, `audit` and `revoke`: issued certificates, their records and CRLs."""

from __future__ import annotations

import hashlib
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from evercert.authority.ca.signing_orders import Intent
from evercert.aws.authority.certificates import DynamoDBCertificates
from evercert.aws.authority.signing_ledger import DynamoDBLedger
from evercert.pki.keys import public_bytes
from tests.contract.cli.authority.command_line import Command, FrontFunction, crl, fine, fine_with_notes, refused
from tests.doubles.fakes import START
from tests.doubles.world import World
from tests.samples.authority import kept, requested


def write_ledger(world: World, outputs: dict[str, str], order: str, der: bytes | None, at: datetime = START) -> None:
    ledger = DynamoDBLedger(world.operator.dynamodb, outputs["AuthorityLedger"])
    serial = int(hashlib.sha256(order.encode()).hexdigest()[:30], 16)
    intent = Intent(order, "ca-1", serial, "digest", at, {"leaf": '{"names":["dns:hidden.example.com"]}'})
    assert ledger.intend(intent) == intent
    if der is not None:
        ledger.conclude(intent, der)


def test_audit_finds_certificates_unknown_to_the_front(
    command: Command, world: World, outputs: dict[str, str], certificates: DynamoDBCertificates
) -> None:
    honest, lost = requested(), requested()
    for request in (honest, lost):
        certificates.open(request, None)
    issued = certificates.finish(honest, kept(honest))
    der = x509.load_pem_x509_certificate(issued.certificate.encode()).public_bytes(serialization.Encoding.DER)
    write_ledger(world, outputs, honest.id, der)
    write_ledger(world, outputs, lost.id, b"signed before the front died", datetime.now(UTC))
    write_ledger(world, outputs, "crl:ca-1:7", b"a list")
    write_ledger(world, outputs, str(uuid.uuid4()), None)
    assert fine(command("audit", "--json")) == {"signed": 2, "begun": 1, "unknown": []}
    hidden, other, kept_open = str(uuid.uuid4()), requested(), requested()
    certificates.open(kept_open, None)
    certificates.open(other, None)
    certificates.finish(other, kept(other))
    write_ledger(world, outputs, kept_open.id, b"signed long ago, request still pending")
    write_ledger(world, outputs, hidden, b"another certificate")
    write_ledger(world, outputs, other.id, b"not the certificate in the record")
    code, out, _ = command("audit", "--json")
    assert code == 1
    assert {one["order"] for one in json.loads(out)["unknown"]} == {hidden, other.id, kept_open.id}
    code, _, err = command("audit")
    assert code == 1
    assert err.count("signed but unknown to the front") == 3
    assert "hidden.example.com" in err


def test_revoke_refuses_an_imported_certificate(command: Command, certificates: DynamoDBCertificates) -> None:
    request = requested()
    imported = kept(request, id=request.id, imported=True)
    certificates.add_imported(imported)
    for reason in ("superseded", "key-compromise"):
        refused(command("revoke", imported.id, "--yes", "--reason", reason), "was imported: revoke it at its issuer")
    assert certificates.certificate(imported.id) == imported


def test_revoke_refuses_a_certificate_of_an_external_issuer(
    command: Command, certificates: DynamoDBCertificates
) -> None:
    request = requested(external="outside")
    certificates.open(request, None)
    issued = certificates.finish(request, kept(request, external="outside"))
    refused(command("revoke", issued.id, "--yes"), "issuer outside signed certificate")
    found = certificates.certificate(issued.id)
    assert found is not None and found.revoked_at is None


def test_revoke_succeeds_without_the_front_function(
    command: Command, certificates: DynamoDBCertificates, function: FrontFunction
) -> None:
    request = requested()
    certificates.open(request, None)
    issued = certificates.finish(request, kept(request))
    refused(command("revoke", issued.id), "pass --yes")
    refused(
        command("revoke", issued.id, "--reason", "boredom"),
        "--reason boredom: write one of unspecified, key-compromise",
    )
    for reason, why in (
        ("certificate-hold", "a hold cannot be lifted"),
        ("a-a-compromise", "it is for certificates of"),
    ):
        refused(command("revoke", issued.id, "--reason", reason), f"--reason {reason}: {why}")
    refused(command("revoke", "none", "--yes"), "unknown certificate 'none'")
    function.action = None
    code, out, err = command("revoke", issued.id, "--reason", "key-compromise", "--yes", "--json")
    assert (code, json.loads(out)["listed"]) == (0, False)
    assert "the schedule publishes them within a day" in err
    assert certificates.certificate(issued.id).reason == "KEY_COMPROMISE"
    refused(command("revoke", issued.id, "--yes"), "was revoked at")


def test_revoke_accepts_a_late_key_compromise(command: Command, certificates: DynamoDBCertificates) -> None:
    request = requested()
    certificates.open(request, None)
    issued = certificates.finish(request, kept(request))
    public_key = public_bytes(x509.load_pem_x509_certificate(issued.certificate.encode()).public_key())
    fine_with_notes(command("revoke", issued.id, "--reason", "superseded", "--yes", "--json"))
    refused(command("revoke", issued.id, "--yes"), "already")
    refused(command("revoke", issued.id, "--reason", "key-compromise"), "pass --yes")
    assert not certificates.compromised(public_key)
    code, out, err = command("revoke", issued.id, "--reason", "key-compromise", "--yes")
    assert (code, err) == (0, "")  # idempotent
    assert out.endswith(" already; its key is now blocked from new certificates\n")
    assert fine(command("revoke", issued.id, "--reason", "key-compromise", "--yes", "--json"))["key_ended"] is True
    assert certificates.compromised(public_key)
    assert certificates.certificate(issued.id).reason == "SUPERSEDED"


def test_revoke_reports_listed_from_the_published_list(
    command: Command, certificates: DynamoDBCertificates, function: FrontFunction
) -> None:
    request = requested()
    certificates.open(request, None)
    issued = certificates.finish(request, kept(request))

    def publish(*serials: int) -> None:
        der = crl(*serials)
        certificates.publish(request.ca, certificates.next_crl_number(request.ca), der)

    function.action = publish  # the index is eventually consistent
    code, out, err = command("revoke", issued.id, "--yes", "--json")
    assert (code, json.loads(out)["listed"]) == (0, False)
    assert "does not name it yet" in err
    again = requested()
    certificates.open(again, None)
    issued = certificates.finish(again, kept(again))
    function.action = lambda: publish(int(issued.serial_number, 16))
    assert fine(command("revoke", issued.id, "--yes", "--json"))["listed"]


def test_revoke_by_serial_number_works_without_a_record(
    command: Command, world: World, outputs: dict[str, str], cas: list[Any], certificates: DynamoDBCertificates
) -> None:
    ca = next(one["id"] for one in cas if one["name"] == "issuing-ec")
    ledger = DynamoDBLedger(world.operator.dynamodb, outputs["AuthorityLedger"])

    def signed(order: str) -> x509.Certificate:
        made = x509.load_pem_x509_certificate(kept(requested()).certificate.encode())
        says = {"profile": "p", "leaf": requested().leaf.model_dump_json(by_alias=True)}
        intent = Intent(order, ca, made.serial_number, "digest", START, says)
        ledger.intend(intent)
        ledger.conclude(intent, made.public_bytes(serialization.Encoding.DER))
        return made

    hidden, other, failed = str(uuid.uuid4()), requested(ca=ca), requested(ca=ca)
    for request in (other, failed):
        certificates.open(request, None)
    certificates.finish(other, kept(other))
    certificates.fail(failed, "CA is not active")
    for order in (hidden, other.id, failed.id):
        made = signed(order)
        code, out, _ = command("audit", "--json")
        assert (code, {one["order"] for one in json.loads(out)["unknown"]}) == (1, {order})
        serial = f"{made.serial_number:x}"
        done = fine_with_notes(command("revoke", serial, "--yes", "--json"))
        again = certificates.certificate(done["revoked"])
        assert (again.ca, int(again.serial_number, 16)) == (ca, made.serial_number)
        assert again.revoked_at is not None
        assert made.serial_number in {one.serial_number for one in certificates.revoked(ca, START - timedelta(days=9))}
        pairs = ":".join(serial.upper().zfill(40)[place : place + 2] for place in range(0, 40, 2))
        refused(command("revoke", pairs, "--yes"), "was revoked at")
    assert fine(command("audit", "--json"))["unknown"] == []  # all of them are revoked
    refused(command("revoke", "abcdef", "--yes"), "its SHA-256 or its serial number")


def test_revoke_spares_the_renewal_that_replaced_a_failed_one(
    command: Command, world: World, outputs: dict[str, str], cas: list[Any], certificates: DynamoDBCertificates
) -> None:
    ca = next(one["id"] for one in cas if one["name"] == "issuing-ec")
    old = requested(ca=ca)
    certificates.open(old, None)
    first = certificates.finish(old, kept(old))
    failed, taken = requested(ca=ca, renews=first.id), requested(ca=ca, renews=first.id)
    certificates.open(failed, None)
    certificates.fail(failed, "CA is not active")
    certificates.open(taken, None)
    second = certificates.finish(taken, kept(taken))
    ledger = DynamoDBLedger(world.operator.dynamodb, outputs["AuthorityLedger"])
    made = x509.load_pem_x509_certificate(kept(requested()).certificate.encode())
    says = {"profile": "p", "leaf": requested().leaf.model_dump_json(by_alias=True)}
    intent = Intent(failed.id, ca, made.serial_number, "digest", START, says)
    ledger.intend(intent)
    ledger.conclude(intent, made.public_bytes(serialization.Encoding.DER))
    done = fine_with_notes(command("revoke", f"{made.serial_number:x}", "--yes", "--json"))
    assert int(done["serial_number"], 16) == made.serial_number
    assert certificates.certificate(second.id).revoked_at is None
    assert certificates.certificate(first.id).renewed_by == second.id


@pytest.mark.parametrize("text", ["nope", "0x1f", "12 34", "abc_def", "٣"])
def test_revoke_refuses_text_that_is_no_serial_number(command: Command, cas: list[Any], text: str) -> None:
    message = f"unknown certificate {text!r}: give its id, its SHA-256 or its serial number (hexadecimal)"
    refused(command("revoke", text, "--yes"), message)


def test_revoke_refuses_a_serial_number_never_issued(
    command: Command, world: World, outputs: dict[str, str], cas: list[Any]
) -> None:
    ledger = DynamoDBLedger(world.operator.dynamodb, outputs["AuthorityLedger"])
    ledger.intend(Intent("order", cas[1]["id"], 0xABCDEF, "digest", START, {}))
    refused(command("revoke", "abcdef", "--yes"), "was reserved but never issued")


def test_status_shows_each_ca_and_its_revocation_list(command: Command, cas: list[dict[str, Any]]) -> None:
    found = fine(command("status", "--json"))
    assert found["address"] == "https://ca.example.com"
    assert {row["name"]: row["ends"] for row in found["cas"]} == {
        ca["name"]: ca["certificates"][0]["not_after"] for ca in cas
    }
    # `init` signs the CRL of the root; functions publish those of the others.
    assert {row["name"]: row["crl"] is not None for row in found["cas"]} == {
        ca["name"]: ca["name"] == "root" for ca in cas
    }
    code, out, _ = command("status")
    assert code == 0
    assert "issuing-rsa" in out
