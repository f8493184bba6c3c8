"""`status`, `audit` and `revoke`: how the authority stands, and what it has signed."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evercert.cli import arguments, terminal
from evercert.cli.authority import crls, show
from evercert.cli.files import BadInput
from evercert.cli.terminal import Json, Region, Stack, Yes
from evercert.schema import printable
from evercert.timestamps import from_text, to_text

if TYPE_CHECKING:
    from evercert.authority.ca.definition import CA
    from evercert.authority.contracts.records import CertificateRecord
    from evercert.aws.authority.certificates import DynamoDBCertificates
    from evercert.aws.authority.signing_ledger_reader import Entry
    from evercert.cli.authority.connection import Opened

UNFINISHED = timedelta(hours=1)  # that a request may stay pending after its certificate was signed
Certificate = Annotated[
    str,
    typer.Argument(
        metavar="CERTIFICATE",
        help="Its id, SHA-256, or (of what a CA here signed) serial number, with colons or without.",
    ),
]
Reason = Annotated[str, typer.Option(help="In the API's words, such as key-compromise or superseded.")]


def status(*, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:
    """Each CA with its end, and the age of its revocation list."""
    found = _opened(stack, region)
    certificates = found.certificates
    rows = [_standing(ca, certificates) for ca in found.estate.cas()]
    if as_json:
        terminal.print_json({"address": found.address, "cas": rows})
        return
    terminal.out.print(f"address: {found.address}")
    show.standings(terminal.out, rows, terminal.now())
    if not rows:
        terminal.notes(["there are no CAs yet: evercert authority init makes them"])


def audit(*, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:
    """Compare the signer's ledger with the front's records; ends with 1 if something was signed that is not there."""
    found = _opened(stack, region)
    with terminal.err.status("reading the ledger"):
        entries = _ledger(found)
        certificates = found.certificates
        strange = [entry for entry in entries if entry.sha256 is not None and not _known(entry, certificates)]
    begun = sum(entry.sha256 is None for entry in entries)
    names = {ca.id: ca.name for ca in found.estate.cas()}
    if as_json:
        terminal.print_json(
            {
                "signed": len(entries) - begun,
                "begun": begun,
                "unknown": [show.entry_values(one, names) for one in strange],
            }
        )
    else:
        signed = arguments.counted(len(entries) - begun, "certificate")
        terminal.out.print(f"{signed} signed, {begun} begun and never finished")
        for entry in strange:
            values = show.entry_values(entry, names)
            terminal.err.print(
                f"signed, and no such certificate is known to the front: {show.listed(list(values.values()))}"
            )
    if strange:
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
    """End a certificate before its time; its CA's revocation list follows at once."""
    from evercert.authority.ca.revocation_reasons import REASONS  # noqa: PLC0415 (AWS's library is slow to load)
    from evercert.cli.authority import by_serial  # noqa: PLC0415

    word = reason.upper().replace("-", "_")
    if word not in REASONS:
        choice = ", ".join(one.lower().replace("_", "-") for one in REASONS)
        raise BadInput([f"--reason {printable(reason, 60)}: one of {choice}"])
    found = _opened(stack, region)
    if (one := by_serial.meant(found, certificate)) is None:
        expected = "give its id, its SHA-256 or its serial number (hexadecimal)"
        raise BadInput([f"unknown certificate {printable(certificate, 120)!r}: {expected}"])
    if (kept := one.kept).revoked_at is not None:
        already = f"certificate {kept.id} was revoked at {to_text(kept.revoked_at)} already"
        if word != "KEY_COMPROMISE":
            raise BadInput([already])
        _end_key(found, kept, yes=yes)
        if as_json:
            terminal.print_json({"revoked": kept.id, "serial_number": kept.serial_number, "key_ended": True})
        else:
            terminal.out.print(f"{already}; its key is certified no more from now on")
        return
    if not yes:
        arguments.confirm(f"Revoke {show.names_of(kept.leaf)} (serial {kept.serial_number})? It cannot be taken back.")
    kept = by_serial.recorded(found, one)
    if found.certificates.revoke(kept.id, terminal.now(), word) is None:
        raise BadInput([f"certificate {kept.id} was revoked meanwhile"])
    listed = _listed(found, kept)
    if as_json:
        terminal.print_json({"revoked": kept.id, "serial_number": kept.serial_number, "listed": listed})
    else:
        terminal.out.print(f"certificate {kept.id} is revoked" + (", and listed" if listed else ""))


def _end_key(found: Opened, kept: CertificateRecord, *, yes: bool) -> None:
    """That its key is compromised may come out late; what its list says of it stays."""
    if not yes:
        arguments.confirm(f"End the key of {show.names_of(kept.leaf)}, which is revoked? It cannot be taken back.")
    found.certificates.revoke(kept.id, terminal.now(), "KEY_COMPROMISE")


def _listed(found: Opened, kept: CertificateRecord) -> bool:
    """Whether the list that stands then has it: the index that lists are made from may be a moment behind."""
    from cryptography import x509  # noqa: PLC0415 (slow to load)

    if not kept.ca:
        terminal.notes(["it signed itself, so no list names it: take it out of use"])
        return False
    if not crls.made_now(found):
        return False
    der = found.certificates.published(kept.ca)
    serial = int(kept.serial_number, 16)
    if der and x509.load_der_x509_crl(der).get_revoked_certificate_by_serial_number(serial) is not None:
        return True
    terminal.notes(["the new list does not name it yet; the schedule's does, within a day"])
    return False


def _standing(ca: CA, certificates: DynamoDBCertificates) -> dict[str, Any]:
    from cryptography import x509  # noqa: PLC0415

    ends = to_text(ca.current.x509.not_valid_after_utc) if ca.installed else None
    der = certificates.published(ca.id) if ca.kind == "issuing" else None
    values = {"name": ca.name, "kind": ca.kind, "status": ca.status, "ends": ends, "crl": None, "crl_made": None}
    if der is None:
        return {**values, "crl_revoked": None}
    crl = x509.load_der_x509_crl(der)
    number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    return {**values, "crl": number, "crl_made": to_text(crl.last_update_utc), "crl_revoked": len(crl)}


def _known(entry: Entry, certificates: DynamoDBCertificates) -> bool:
    """Whether the front has this very certificate under the order's request, or it is revoked."""
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    if (recorded := certificates.certificate(entry.sha256 or "")) is not None and recorded.revoked_at is not None:
        return True  # by its serial number, once it was found
    request = certificates.request(entry.order)
    kept = None if request is None else certificates.certificate(request.certificate_id)
    if kept is None:
        # Signed, and the front died before it wrote that down: whoever asks again drives it on, to this certificate.
        # Not for long: a front that hides something could leave a request pending, too.
        return request is not None and request.status == "pending" and _young(entry)
    der = x509.load_pem_x509_certificate(kept.certificate.encode()).public_bytes(Encoding.DER)
    return hashlib.sha256(der).hexdigest() == entry.sha256


def _young(entry: Entry) -> bool:
    try:
        return terminal.now() - from_text(entry.at) < UNFINISHED
    except ValueError:
        return False


def _ledger(found: Opened) -> list[Entry]:
    from evercert.aws.authority.signing_ledger_reader import LedgerReading  # noqa: PLC0415

    return LedgerReading(found.clients.dynamodb, found.connection.output("AuthorityLedger")).certificates()


def _opened(stack: str, region: str | None) -> Opened:
    from evercert.cli.authority.connection import opened  # noqa: PLC0415

    return opened(stack, region)
