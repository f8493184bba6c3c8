"""`status`, `audit` and `revoke`: inspect the authority and the certificates that it has signed."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evercert.cli import arguments, terminal
from evercert.cli.authority import crls, show
from evercert.cli.authority.lazy import open_authority
from evercert.cli.files import BadInput
from evercert.cli.terminal import Json, Region, Stack, Yes
from evercert.schema import printable
from evercert.timestamps import from_text, to_text

if TYPE_CHECKING:
    from evercert.authority.ca.definition import CA
    from evercert.authority.contracts.records import CertificateRecord
    from evercert.aws.authority.certificates import DynamoDBCertificates
    from evercert.aws.authority.signing_ledger_reader import Entry
    from evercert.cli.authority.by_serial import Match
    from evercert.cli.authority.connection import AuthorityConnection

UNFINISHED = timedelta(hours=1)  # longest time that a request may stay pending after signing
Certificate = Annotated[
    str,
    typer.Argument(
        metavar="CERTIFICATE",
        help="ID, SHA-256 or serial number (hexadecimal, with or without colons) of the certificate.",
    ),
]
Reason = Annotated[str, typer.Option(help="Revocation reason, such as key-compromise or superseded.")]


def status(*, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:
    """Show each CA with its expiry and the age of its CRL."""
    authority = open_authority(stack, region)
    certificates = authority.certificates
    rows = [_ca_status(ca, certificates) for ca in authority.configuration.cas()]
    if as_json:
        terminal.print_json({"address": authority.address, "cas": rows})
        return
    terminal.out.print(f"address: {authority.address}")
    show.ca_status(terminal.out, rows, terminal.now())
    if not rows:
        terminal.notes(["no CAs yet: run evercert authority init to create them"])


def audit(*, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:
    """Compare the signer's ledger with the front's records. Exit with 1 if a signed certificate has no record."""
    authority = open_authority(stack, region)
    with terminal.err.status("reading the ledger"):
        entries = _ledger(authority)
        certificates = authority.certificates
        unknown = [entry for entry in entries if entry.sha256 is not None and not _known(entry, certificates)]
    unfinished = sum(entry.sha256 is None for entry in entries)
    names = {ca.id: ca.name for ca in authority.configuration.cas()}
    if as_json:
        terminal.print_json(
            {
                "signed": len(entries) - unfinished,
                "begun": unfinished,
                "unknown": [show.entry_values(one, names) for one in unknown],
            }
        )
    else:
        signed = arguments.counted(len(entries) - unfinished, "certificate")
        terminal.out.print(f"{signed} signed, {unfinished} never finished")
        for entry in unknown:
            values = show.entry_values(entry, names)
            terminal.err.print(f"signed but unknown to the front: {show.listed(list(values.values()))}")
    if unknown:
        raise typer.Exit(terminal.FAILED)


def revoke(
    certificate: Certificate,
    *,
    reason: Reason = "unspecified",
    yes: Yes = False,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Revoke a certificate and publish its CA's CRL. This cannot be undone."""
    from evercert.cli.authority import by_serial  # noqa: PLC0415 (AWS's library is slow to load)

    word = reason_of(reason)
    authority = open_authority(stack, region)
    if (match := by_serial.find_certificate(authority, certificate)) is None:
        expected = "give its id, its SHA-256 or its serial number (hexadecimal)"
        raise BadInput([f"unknown certificate {printable(certificate, 120)!r}: {expected}"])
    record = match.record
    require_own(record)
    if record.revoked_at is not None:
        already = f"certificate {record.id} was revoked at {to_text(record.revoked_at)} already"
        if word != "KEY_COMPROMISE":
            raise BadInput([already])
        _block_key(authority, record, yes=yes)
        if as_json:
            terminal.print_json({"revoked": record.id, "serial_number": record.serial_number, "key_ended": True})
        else:
            terminal.out.print(f"{already}; its key is now blocked from new certificates")
        return
    authority.connection.output("AuthorityAudit")  # a stack of an older template cannot record the revocation
    if not yes:
        terminal.confirm(f"Revoke {show.names_of(record.leaf)} (serial {record.serial_number})? This cannot be undone.")
    record, listed = revoke_match(authority, match, word)
    if as_json:
        terminal.print_json({"revoked": record.id, "serial_number": record.serial_number, "listed": listed})
    else:
        terminal.out.print(f"revoked certificate {record.id}" + (" and published it in the CRL" if listed else ""))


def reason_of(text: str) -> str:
    """Return the word of the API for a revocation reason; raise BadInput for others."""
    from evercert.authority.ca.revocation_reasons import (  # noqa: PLC0415 (slow to load)
        LEAF_REASONS,
        REFUSED_REASONS,
    )

    word = text.upper().replace("-", "_")
    if word not in LEAF_REASONS:
        choices = ", ".join(one.lower().replace("_", "-") for one in LEAF_REASONS)
        why = f"{REFUSED_REASONS[word]}; " if word in REFUSED_REASONS else ""
        raise BadInput([f"--reason {printable(text, 60)}: {why}write one of {choices}"])
    return word


def revoke_match(authority: AuthorityConnection, match: Match, word: str) -> tuple[CertificateRecord, bool]:
    """Revoke a certificate for a reason of the API; return its record, and whether the published CRL lists it."""
    from evercert.authority.contracts.issuance_trail import OPERATOR  # noqa: PLC0415
    from evercert.cli.authority import by_serial  # noqa: PLC0415

    record = by_serial.ensure_record(authority, match)
    if authority.certificates.revoke(record.id, terminal.now(), word, OPERATOR) is None:
        raise BadInput([f"certificate {record.id} was revoked in the meantime"])
    return record, _publish(authority, record)


def require_own(record: CertificateRecord) -> None:
    """Raise BadInput for a certificate of another issuer: no CRL of the authority can name it."""
    if record.imported:
        raise BadInput([f"certificate {record.id} was imported: revoke it at its issuer"])
    if record.external:
        raise BadInput([f"issuer {record.external} signed certificate {record.id}: revoke it there"])


def _block_key(authority: AuthorityConnection, record: CertificateRecord, *, yes: bool) -> None:
    """Block the key of a revoked certificate; its reason in the CRL stays unchanged."""
    from evercert.authority.contracts.issuance_trail import OPERATOR  # noqa: PLC0415 (slow to load)

    if not yes:
        terminal.confirm(f"Block the key of {show.names_of(record.leaf)}, which is revoked? This cannot be undone.")
    authority.certificates.revoke(record.id, terminal.now(), "KEY_COMPROMISE", OPERATOR)


def _publish(authority: AuthorityConnection, record: CertificateRecord) -> bool:
    """Publish the CRLs; return whether the published list has the certificate.

    The index that lists are built from is eventually consistent.
    """
    from evercert.authority.ca.crl import parse  # noqa: PLC0415 (slow to load)

    if not record.ca:
        terminal.notes(["it is self-signed, so no CRL names it: stop using it"])
        return False
    if not crls.publish_now(authority):
        return False
    der = authority.certificates.published(record.ca)
    serial = int(record.serial_number, 16)
    if der and parse(der).get_revoked_certificate_by_serial_number(serial) is not None:
        return True
    terminal.notes(["the new list does not name it yet; the scheduled list will, within a day"])
    return False


def _ca_status(ca: CA, certificates: DynamoDBCertificates) -> dict[str, Any]:
    from cryptography import x509  # noqa: PLC0415

    from evercert.authority.ca.crl import parse, signed_at  # noqa: PLC0415

    ends = to_text(ca.current.x509.not_valid_after_utc) if ca.installed else None
    der = certificates.published(ca.id)
    values = {"name": ca.name, "kind": ca.kind, "status": ca.status, "ends": ends, "crl": None, "crl_made": None}
    if der is None:
        return {**values, "crl_revoked": None}
    crl = parse(der)
    number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    return {**values, "crl": number, "crl_made": to_text(signed_at(crl)), "crl_revoked": len(crl)}


def _known(entry: Entry, certificates: DynamoDBCertificates) -> bool:
    """Return whether the front has this very certificate under the order's request, or has revoked it."""
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    if (revoked := certificates.certificate(entry.sha256 or "")) is not None and revoked.revoked_at is not None:
        return True  # `revoke` wrote a record of a certificate that it found by its serial number
    request = certificates.request(entry.order)
    record = None if request is None else certificates.certificate(request.certificate_id)
    if record is None:
        # The front may have died between signing and storing; the next call of the client stores this certificate.
        # Accepted for a limited time: a compromised front could leave a request pending on purpose.
        return request is not None and request.status == "pending" and _young(entry)
    der = record.signed.public_bytes(Encoding.DER)
    return hashlib.sha256(der).hexdigest() == entry.sha256


def _young(entry: Entry) -> bool:
    try:
        return terminal.now() - from_text(entry.at) < UNFINISHED
    except ValueError:
        return False


def _ledger(authority: AuthorityConnection) -> list[Entry]:
    from evercert.aws.authority.signing_ledger_reader import LedgerReading  # noqa: PLC0415

    return LedgerReading(authority.clients.dynamodb, authority.connection.output("AuthorityLedger")).certificates()
