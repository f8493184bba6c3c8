"""Certificates by their serial number, as the ledger knows them: also those that the front has no record of."""

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
from evercert.timestamps import from_text

if TYPE_CHECKING:
    from evercert.cli.authority.connection import Opened

_HEXADECIMAL = re.compile(r"[0-9a-f]{1,64}")
SHA256 = 64  # digits


@dataclass(frozen=True)
class Meant:
    """`request` is what has to be written first, when the front has no record of it."""

    kept: CertificateRecord
    request: RequestRecord | None = None


def meant(found: Opened, text: str) -> Meant | None:
    """By id, SHA-256 or serial number, as OpenSSL writes them too; None: nobody has signed such a one."""
    plain = text.replace(":", "").lower()
    is_hexadecimal = _HEXADECIMAL.fullmatch(plain) is not None
    if (kept := found.certificates.certificate(plain if is_hexadecimal else text)) is not None:
        return Meant(kept)
    if not is_hexadecimal or len(plain) == SHA256:
        return None
    ledger = LedgerReading(found.clients.dynamodb, found.connection.output("AuthorityLedger"))
    for ca in found.estate.cas():
        if (signed := ledger.signed(ca.id, int(plain, 16))) is not None:
            return _recorded(found, *signed)
    return None


def recorded(found: Opened, one: Meant) -> CertificateRecord:
    """In the front's table, from where revocation lists are made; repeatable."""
    if one.request is None:
        return one.kept
    # What stands under its own id, and not what renews the same certificate by now.
    stands = found.certificates.request(one.request.id) or found.certificates.open(one.request, None)
    kept = found.certificates.finish(stands, replace(one.kept, id=stands.certificate_id, request=stands.id))
    if kept.serial_number != one.kept.serial_number:
        raise Misconfigured(f"serial number {one.kept.serial_number}: another certificate stands under its request")
    return kept


def _recorded(found: Opened, entry: Entry, der: bytes | None) -> Meant:
    if der is None:
        raise BadInput([f"serial number {entry.serial_number} was begun and never handed out: nothing to revoke"])
    certificate = x509.load_der_x509_certificate(der)
    known = found.certificates.certificate(certificate.fingerprint(hashes.SHA256()).hex())
    if known is not None:
        return Meant(known)
    request = found.certificates.request(entry.order)
    kept = None if request is None else found.certificates.certificate(request.certificate_id)
    # The front shows another certificate under this order, or none: it gets a record of this one too.
    if kept is not None or request is None:
        request = _request(entry, entry.order if kept is None else _id(entry, "request"))
    made = CertificateRecord(
        id=request.certificate_id, request=request.id, identity=request.identity, profile=request.profile,
        application=request.application, project=request.project, ca=entry.ca, leaf=request.leaf, csr=request.csr,
        created_at=request.created_at, updated_at=request.created_at,
        serial_number=f"{certificate.serial_number:040x}",
        not_before=certificate.not_valid_before_utc, not_after=certificate.not_valid_after_utc,
        certificate=to_pem([certificate]), chain="", lifetime=request.lifetime,
    )  # fmt: skip
    return Meant(made, request)


def _request(entry: Entry, request_id: str) -> RequestRecord:
    at, leaf = from_text(entry.at), Leaf.model_validate_json(entry.leaf)
    return RequestRecord(
        id=request_id, certificate_id=_id(entry, "certificate"), identity="", profile=str(entry.says.get("profile")),
        application=None, project="", created_at=at, updated_at=at, status="pending", ca=entry.ca,
        leaf=leaf, csr="", lifetime=int((leaf.not_after - leaf.not_before).total_seconds()),
    )  # fmt: skip


def _id(entry: Entry, what: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"evercert:recorded:{what}:{entry.order}"))
