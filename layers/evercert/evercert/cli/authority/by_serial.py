"""Find certificates by serial number in the signer's ledger, including those without a record in the front's table."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from evercert.authority.ca.leaf_fields import Leaf
from evercert.authority.contracts.records import CertificateRecord, RequestRecord
from evercert.aws.authority.signing_ledger_reader import Entry, LedgerReading
from evercert.cli.files import BadInput
from evercert.errors import Misconfigured
from evercert.pki.certificate import to_pem
from evercert.schema import printable
from evercert.timestamps import from_text

if TYPE_CHECKING:
    from evercert.cli.authority.connection import AuthorityConnection

_HEXADECIMAL = re.compile(r"[0-9a-f]{1,64}")
SHA256 = 64  # digits


@dataclass(frozen=True)
class Match:
    """A certificate; `request` is set if the front has no record of it yet and must be written first."""

    record: CertificateRecord
    request: RequestRecord | None = None


def find_certificate(authority: AuthorityConnection, text: str) -> Match | None:
    """Find a certificate by id, SHA-256 or serial number; None if no CA of this stack has signed it.

    Accept digests and serial numbers in the notation of OpenSSL too: upper case, with colons.
    """
    plain = text.replace(":", "").lower()
    is_hexadecimal = _HEXADECIMAL.fullmatch(plain) is not None
    if (record := authority.certificates.certificate(plain if is_hexadecimal else text)) is not None:
        return Match(record)
    if not is_hexadecimal or len(plain) == SHA256:
        return None
    ledger = LedgerReading(authority.clients.dynamodb, authority.connection.output("AuthorityLedger"))
    for ca in authority.configuration.cas():
        if (signed := ledger.signed(ca.id, int(plain, 16))) is not None:
            return _read_entry(authority, *signed)
    return None


def ensure_record(authority: AuthorityConnection, match: Match) -> CertificateRecord:
    """Write the missing record to the front's table, the source of CRLs; idempotent."""
    if match.request is None:
        return match.record
    # Look up by the request's own id: a lookup by certificate could return the renewal that replaced it.
    request = authority.certificates.request(match.request.id) or authority.certificates.open(match.request, None)
    attached = replace(match.record, id=request.certificate_id, request=request.id)
    record = authority.certificates.finish(request, attached)
    if record.serial_number != match.record.serial_number:
        raise Misconfigured(
            f"cannot record serial number {match.record.serial_number}: its request holds another certificate"
        )
    return record


def _read_entry(authority: AuthorityConnection, entry: Entry, der: bytes | None) -> Match:
    try:
        return _match_entry(authority, entry, der)
    except ValueError as error:
        raise Misconfigured(
            f"cannot read certificate {printable(entry.serial_number, 80)} from the signing ledger: a stored value is "
            "invalid; restore table AuthorityLedger from a backup"
        ) from error


def _match_entry(authority: AuthorityConnection, entry: Entry, der: bytes | None) -> Match:
    if der is None:
        raise BadInput([f"serial number {entry.serial_number} was reserved but never issued: nothing to revoke"])
    certificate = x509.load_der_x509_certificate(der)
    known = authority.certificates.certificate(certificate.fingerprint(hashes.SHA256()).hex())
    if known is not None:
        return Match(known)
    request = authority.certificates.request(entry.order)
    other = None if request is None else authority.certificates.certificate(request.certificate_id)
    # The front shows another certificate under this order, or none: write a second record for this one.
    if other is not None or request is None:
        request = _build_request(entry, entry.order if other is None else _id(entry, "request"))
    record = CertificateRecord(
        id=request.certificate_id, request=request.id, identity=request.identity, profile=request.profile,
        application=request.application, project=request.project, ca=entry.ca, leaf=request.leaf, csr=request.csr,
        created_at=request.created_at, updated_at=request.created_at,
        serial_number=f"{certificate.serial_number:040x}",
        not_before=certificate.not_valid_before_utc, not_after=certificate.not_valid_after_utc,
        certificate=to_pem([certificate]), chain="", lifetime=request.lifetime,
    )  # fmt: skip
    return Match(record, request)


def _build_request(entry: Entry, request_id: str) -> RequestRecord:
    at, leaf = from_text(entry.at), Leaf.model_validate_json(entry.leaf)
    return RequestRecord(
        id=request_id, certificate_id=_id(entry, "certificate"), identity="", profile=str(entry.says.get("profile")),
        application=None, project="", created_at=at, updated_at=at, status="pending", ca=entry.ca,
        leaf=leaf, csr="", lifetime=int((leaf.not_after - leaf.not_before).total_seconds()), origin="command",
    )  # fmt: skip


def _id(entry: Entry, kind: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"evercert:recorded:{kind}:{entry.order}"))
