"""Response bodies of certificates and requests, with the field names of the Infisical API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from pydantic.alias_generators import to_camel

from evercert.authority.ca.leaf_fields import SUBJECT_FIELDS, Leaf, SubjectField
from evercert.authority.contracts.records import CertificateRecord, RequestRecord
from evercert.authority.requests.requested_fields import Metadata
from evercert.errors import Misconfigured
from evercert.pki.algorithms import algorithm_of
from evercert.pki.certificate import to_pem
from evercert.pki.path.builder import is_self_signed
from evercert.pki.signature_algorithm import signature_algorithm
from evercert.timestamps import to_text

_FIELD_NAMES = {
    "domain_components": "domainComponents",
    "country": "country",
    "state": "state",
    "locality": "locality",
    "organization": "organization",
    "organizational_unit": "organizationalUnit",
    "common_name": "commonName",
}
NO_CA = {"isCA": False, "pathLength": None}


def status_response(now: datetime) -> dict[str, Any]:
    """Return the state of the server; clients check that it answers before they log in."""
    return {
        "date": to_text(now),
        "message": "Ok",
        "emailConfigured": False,
        "inviteOnlySignup": True,
        "redisConfigured": False,
        "secretScanningConfigured": False,
    }


def issued_certificate(record: CertificateRecord, *, remove_roots: bool) -> dict[str, Any]:
    """Return the body of an issued or renewed certificate; a self-signed one has an empty issuer."""
    issuer, chain = _chain(record.chain, remove_roots=remove_roots)
    return {
        "certificate": record.certificate.strip(),
        "issuingCaCertificate": issuer if record.ca or record.external else "",
        "certificateChain": chain,
        "serialNumber": record.serial_number,
        "certificateId": record.id,
    }


@lru_cache(maxsize=32)  # certificates of a CA share their chain
def _chain(text: str, *, remove_roots: bool) -> tuple[str, str]:
    """Return the issuer and the chain in PEM."""
    try:
        chain = x509.load_pem_x509_certificates(text.encode())
    except (ValueError, x509.InvalidVersion):
        raise Misconfigured("a chain in the authority's table cannot be read; restore it from a backup") from None
    return to_pem(chain[:1]).strip(), to_pem(without_roots(chain) if remove_roots else chain).strip()


def without_roots(chain: list[x509.Certificate]) -> list[x509.Certificate]:
    """Remove self-signed certificates; their position does not matter, because a chain may lack its root."""
    return [one for one in chain if not is_self_signed(one)]


def status(record: CertificateRecord, now: datetime) -> str:
    """Return the status of a certificate; a renewed one stays active until it expires."""
    if record.revoked_at is not None:
        return "revoked"
    return "expired" if record.not_after <= now else "active"


def certificate(record: CertificateRecord, now: datetime) -> dict[str, Any]:
    """Return the body of a certificate; callers add the names of profile, application and CA."""
    leaf, signed = record.leaf, record.signed
    found = {
        "id": record.id,
        "createdAt": to_text(record.created_at),
        "updatedAt": to_text(record.updated_at),
        "status": status(record, now),
        "serialNumber": record.serial_number,
        "commonName": record.spelling.common_name or common_name(leaf),
        "altNames": alt_names(record),
        "notBefore": to_text(record.not_before),
        "notAfter": to_text(record.not_after),
        "caId": record.ca or None,
        "keyUsages": _as_written(leaf.key_usages, record.spelling.key_usages),
        "extendedKeyUsages": _as_written(leaf.extended_key_usages, record.spelling.extended_key_usages),
        "subject": {word: value for word, value in subject(leaf).items() if value is not None},
        "fingerprints": {
            "sha256": signed.fingerprint(hashes.SHA256()).hex(),
            "sha1": signed.fingerprint(hashes.SHA1()).hex(),  # noqa: S303 (an identifier for searches, not a proof)
        },
        "basicConstraints": NO_CA,
        "projectId": record.project,
        "applicationId": record.application,
        "keyAlgorithm": algorithm_of(signed.public_key()),
        "signatureAlgorithm": signature_algorithm(signed),
        **_subject_fields(record),
        "friendlyName": record.friendly_name or common_name(leaf),
        "renewedByCertificateId": record.renewed_by,
        "hasPrivateKey": record.sealed_key is not None,
        "renewBeforeDays": record.renew_before_days,
        "renewalError": record.renewal_error,
        "metadata": metadata_pairs(record.metadata),
        "certificateRequestId": None if record.imported else record.request,
        "profileId": record.profile,
        "source": "imported" if record.imported else "issued",
    }
    if record.revoked_at is not None:
        found |= {"revokedAt": to_text(record.revoked_at), "revocationReason": record.reason}
    return found


def _subject_fields(record: CertificateRecord) -> dict[str, str | None]:
    """Return the subject fields that the Infisical API repeats beside `subject`."""
    names: tuple[SubjectField, ...] = ("organization", "organizational_unit", "country", "state", "locality")
    found = {to_camel(f"subject_{name}"): next(iter(record.leaf.subject.get(name, ())), None) for name in names}
    return found | ({"subjectCountry": record.spelling.country} if record.spelling.country else {})


def request_status(request: RequestRecord, record: CertificateRecord | None, private_key: str | None) -> dict[str, Any]:
    """Return the status of a request, like the Infisical API without chain and issuer."""
    return {
        "status": "issued" if record else request.status,
        "certificate": record.certificate.strip() if record else None,
        "certificateId": record.id if record else None,
        "privateKey": private_key,
        "serialNumber": record.serial_number if record else None,
        "errorMessage": None if record or request.is_open else request.error,
        "pendingMessage": waiting_message(request) if is_waiting(request, record) else None,
        **subject(request.leaf),
        "basicConstraints": None,
        "metadata": metadata_pairs(request.metadata),
        "customExtensions": None,
        "createdAt": to_text(request.created_at),
        "updatedAt": to_text(record.created_at if record else request.updated_at),
        **(notes_message(request) if record else {}),
    }


def notes_message(request: RequestRecord) -> dict[str, str]:
    """Return the field `message` with what the certificate leaves out of the request; empty if nothing."""
    return {"message": "; ".join(request.notes)} if request.notes else {}


def request_row(request: RequestRecord) -> dict[str, Any]:
    """Return a request as an item of a search result."""
    issued = request.status == "issued"
    return {
        "id": request.id,
        "status": request.status,
        "commonName": common_name(request.leaf) or None,
        "altNames": alt_names(request),
        "profileId": request.profile,
        "caId": request.ca or None,
        "certificateId": request.certificate_id if issued else None,
        "approvalRequestId": request.id if request.approval is not None else None,
        "errorMessage": request.error,
        "pendingMessage": None,
        "metadata": metadata_pairs(request.metadata),
        "createdAt": to_text(request.created_at),
        "updatedAt": to_text(request.updated_at),
    }


def is_waiting(request: RequestRecord, record: CertificateRecord | None) -> bool:
    """Return whether the request still waits for an approval or the signer."""
    return record is None and request.is_open


def waiting_message(request: RequestRecord) -> str:
    """Return what an open request waits for."""
    if request.external and request.status in {"pending", "pending_validation"}:
        return request.error or f"Waiting for issuer {request.external}"
    terms, approved = request.approval, sum(one.approved for one in request.decisions)
    if request.status != "pending_approval" or terms is None:
        return "The signer has not answered yet; try again"
    return f"Waiting for approval until {to_text(terms.until)}: {approved} of {terms.needed}"


def subject(leaf: Leaf) -> dict[str, Any]:
    """Return the subject fields, None if absent; domain components in host name order."""
    found: dict[str, Any] = {}
    for field in SUBJECT_FIELDS:
        values = leaf.subject.get(field, ())
        if field == "domain_components":
            found[_FIELD_NAMES[field]] = list(values[::-1]) or None
        else:
            found[_FIELD_NAMES[field]] = values[0] if values else None
    return found


def common_name(leaf: Leaf) -> str:
    """Return the common name, or an empty string."""
    return next(iter(leaf.subject.get("common_name", ())), "")


def alt_names(record: RequestRecord | CertificateRecord) -> str:
    """Return the names as requested, or those of the certificate, separated by commas like in the Infisical API.

    The certificate may have one more: a host in the common name.
    """
    written = record.spelling.alt_names
    return ",".join([name.value for name in record.leaf.names] if written is None else written)


def _as_written(usages: Sequence[str], written: Sequence[str] | None) -> list[str]:
    """Return the usages in the order of the request."""
    return list(usages) if written is None else [usage for usage in written if usage in usages]


def metadata_pairs(metadata: Metadata) -> list[dict[str, str]]:
    """Return the metadata as the client sent it."""
    return [{"key": key, "value": value} for key, value in metadata]
