"""What the API says of certificates and requests, field by field (contract §B.2, §B.3, §B.5)."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from evercert.authority.ca.leaf_fields import SUBJECT_FIELDS, Leaf
from evercert.authority.contracts.records import CertificateRecord, RequestRecord
from evercert.authority.requests.requested_fields import Metadata
from evercert.pki.certificate import to_pem
from evercert.timestamps import to_text

_WORDS = {
    "domain_components": "domainComponents",
    "country": "country",
    "state": "state",
    "locality": "locality",
    "organization": "organization",
    "organizational_unit": "organizationalUnit",
    "common_name": "commonName",
}
NO_CA = {"isCA": False, "pathLength": None}


def parts(kept: CertificateRecord, *, remove_roots: bool) -> dict[str, Any]:
    """Of an issuance or a renewal; the issuer is empty where it signed itself."""
    issuer, chain = _chain(kept.chain, remove_roots=remove_roots)
    return {
        "certificate": kept.certificate.strip(),
        "issuingCaCertificate": issuer if kept.ca else "",
        "certificateChain": chain,
        "serialNumber": kept.serial_number,
        "certificateId": kept.id,
    }


@lru_cache(maxsize=32)  # all certificates of one CA have the same
def _chain(text: str, *, remove_roots: bool) -> tuple[str, str]:
    """The issuer and the chain."""
    chain = x509.load_pem_x509_certificates(text.encode())
    return to_pem(chain[:1]).strip(), to_pem(without_roots(chain) if remove_roots else chain).strip()


def without_roots(chain: list[x509.Certificate]) -> list[x509.Certificate]:
    """Told by looking, never by the place: a chain may end below its root."""
    return [one for one in chain if one.issuer != one.subject]


def status(kept: CertificateRecord, now: datetime) -> str:
    """One that was renewed is active until it ends."""
    if kept.revoked_at is not None:
        return "revoked"
    return "expired" if kept.not_after <= now else "active"


def described(kept: CertificateRecord, now: datetime) -> dict[str, Any]:
    """Everything that is in it, or beside it; names of other things are added where they are known."""
    leaf, signed = kept.leaf, x509.load_pem_x509_certificate(kept.certificate.encode())
    found = {
        "id": kept.id,
        "createdAt": to_text(kept.created_at),
        "updatedAt": to_text(kept.updated_at),
        "status": status(kept, now),
        "serialNumber": kept.serial_number,
        "commonName": common_name(leaf),
        "altNames": alt_names(leaf),
        "notBefore": to_text(kept.not_before),
        "notAfter": to_text(kept.not_after),
        "caId": kept.ca or None,
        "keyUsages": list(leaf.key_usages),
        "extendedKeyUsages": list(leaf.extended_key_usages),
        "subject": {word: value for word, value in subject(leaf).items() if value is not None},
        "fingerprints": {
            "sha256": signed.fingerprint(hashes.SHA256()).hex(),
            "sha1": signed.fingerprint(hashes.SHA1()).hex(),  # noqa: S303 (a name that people search by, and no proof)
        },
        "basicConstraints": NO_CA,
        "hasPrivateKey": kept.sealed_key is not None,
        "metadata": pairs(kept.metadata),
        "certificateRequestId": kept.request,
        "profileId": kept.profile,
    }
    if kept.revoked_at is not None:
        found |= {"revokedAt": to_text(kept.revoked_at), "revocationReason": kept.reason}
    return found


def polled(request: RequestRecord, kept: CertificateRecord | None, private_key: str | None) -> dict[str, Any]:
    """How a request stands; no chain and no issuer in it, as in the contract."""
    return {
        "status": "issued" if kept else request.status,
        "certificate": kept.certificate.strip() if kept else None,
        "certificateId": kept.id if kept else None,
        "privateKey": private_key,
        "serialNumber": kept.serial_number if kept else None,
        "errorMessage": None if kept else request.error,
        "pendingMessage": "The signer has not answered yet; ask again" if waits(request, kept) else None,
        **subject(request.leaf),
        "basicConstraints": None,
        "metadata": pairs(request.metadata),
        "customExtensions": None,
        "createdAt": to_text(request.created_at),
        "updatedAt": to_text(kept.created_at if kept else request.updated_at),
    }


def row(request: RequestRecord) -> dict[str, Any]:
    """One line of a search."""
    issued = request.status == "issued"
    return {
        "id": request.id,
        "status": request.status,
        "commonName": common_name(request.leaf) or None,
        "altNames": alt_names(request.leaf),
        "profileId": request.profile,
        "caId": request.ca or None,
        "certificateId": request.certificate_id if issued else None,
        "approvalRequestId": None,
        "errorMessage": request.error,
        "pendingMessage": None,
        "metadata": pairs(request.metadata),
        "createdAt": to_text(request.created_at),
        "updatedAt": to_text(request.updated_at),
    }


def waits(request: RequestRecord, kept: CertificateRecord | None) -> bool:
    """Whether the signer is still to be asked."""
    return kept is None and request.status == "pending"


def subject(leaf: Leaf) -> dict[str, Any]:
    """In the contract's words; None for what is not there. Domain components as in a host name."""
    found: dict[str, Any] = {}
    for field in SUBJECT_FIELDS:
        values = leaf.subject.get(field, ())
        if field == "domain_components":
            found[_WORDS[field]] = list(values[::-1]) or None
        else:
            found[_WORDS[field]] = values[0] if values else None
    return found


def common_name(leaf: Leaf) -> str:
    """Empty where there is none."""
    return next(iter(leaf.subject.get("common_name", ())), "")


def alt_names(leaf: Leaf) -> str:
    """With commas, as the contract's server has them."""
    return ",".join(name.value for name in leaf.names)


def pairs(metadata: Metadata) -> list[dict[str, str]]:
    """As they were sent."""
    return [{"key": key, "value": value} for key, value in metadata]
