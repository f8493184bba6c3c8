"""Endpoints to read, renew, search and revoke certificates."""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tests.doubles.infisical import schema
from tests.doubles.infisical.ca import SUBJECT
from tests.doubles.infisical.configuration import Identity
from tests.doubles.infisical.errors import Refusal, broken, denied
from tests.doubles.infisical.issuance import Issuing, joined, may, need
from tests.doubles.infisical.store import OPEN, Certificate, Request

REASONS = (
    "UNSPECIFIED", "KEY_COMPROMISE", "CA_COMPROMISE", "AFFILIATION_CHANGED", "SUPERSEDED",
    "CESSATION_OF_OPERATION", "CERTIFICATE_HOLD", "PRIVILEGE_WITHDRAWN", "A_A_COMPROMISE",
)  # fmt: skip
READ_KEY = "read-private-key certificates"


class Reading:
    """The certificate and request endpoints other than issuance."""

    def __init__(self, issuing: Issuing) -> None:
        self._issuing = issuing
        self._store = issuing.store
        self._switches = issuing.switches

    def status(self, certificate: Certificate) -> str:
        if certificate.revoked:
            return "revoked"
        if certificate.signed.not_valid_after_utc < self._issuing.clock():
            return "expired"
        return "renewed" if certificate.renewed_by and self._switches.renewed_status else "active"

    def certificate(self, identity: Identity, name: str) -> dict[str, Any]:
        need(identity, "read certificates")
        found = self._store.certificate(name)
        latest = self._store.latest(found)
        wanted, authority = found.wanted, found.profile.authority
        said = {
            "id": found.id,
            "createdAt": found.created.isoformat(),
            "updatedAt": found.created.isoformat(),
            "status": self.status(found),
            "serialNumber": found.serial_number,
            "commonName": wanted.get("commonName", ""),
            "altNames": ",".join(san["value"] for san in wanted.get("altNames", [])),
            "notBefore": found.signed.not_valid_before_utc.isoformat(),
            "notAfter": found.signed.not_valid_after_utc.isoformat(),
            "caId": authority.id if authority else None,
            "caName": authority.name if authority else None,
            "caType": "external" if found.profile.external else "internal",
            "keyUsages": wanted.get("keyUsages", []),
            "extendedKeyUsages": wanted.get("extendedKeyUsages", []),
            "subject": {key: wanted[key] for key in SUBJECT if key in wanted},
            "fingerprints": {"sha256": found.fingerprint(hashes.SHA256()), "sha1": found.fingerprint(hashes.SHA1())},
            "basicConstraints": _basics(found.signed),
            "keyAlgorithm": found.key_algorithm,
            "signatureAlgorithm": _signature_algorithm(found),
            "projectId": found.profile.project_id,
            "profileId": found.profile.id,
            "applicationId": found.application.id if found.application else None,
            "subjectOrganization": wanted.get("organization"),
            "subjectOrganizationalUnit": wanted.get("organizationalUnit"),
            "subjectCountry": wanted.get("country"),
            "subjectState": wanted.get("state"),
            "subjectLocality": wanted.get("locality"),
            "friendlyName": wanted.get("commonName", ""),
            "renewedByCertificateId": found.renewed_by,
            "profileName": found.profile.slug,
            "applicationName": found.application.name if found.application else None,
            "hasPrivateKey": self._key(found) is not None,
            "metadata": found.metadata,
        }
        if latest:
            said["latestRenewalCertificateId"] = latest.id
        return {"certificate": said}

    def _key(self, certificate: Certificate) -> str | None:
        return None if self._switches.key_missing else certificate.private_key

    def bundle(self, identity: Identity, name: str) -> dict[str, Any]:
        need(identity, "read certificates")
        found = self._store.certificate(name)
        chain = None if self._switches.chain_missing or not found.chain else joined(found.chain)
        return {
            "certificate": found.pem.strip(),
            "certificateChain": chain,
            "privateKey": self._key(found) if may(identity, READ_KEY) else None,
            "serialNumber": found.serial_number,
        }

    def private_key(self, identity: Identity, name: str) -> str:
        found = self._store.certificate(name)
        need(identity, READ_KEY)
        key = self._key(found)
        if key is None:
            raise Refusal(404, f"Private key of certificate with ID '{found.id}' not found")
        return key

    def poll(self, identity: Identity, name: str) -> dict[str, Any]:
        """Return the body without chain and issuer certificate."""
        need(identity, "read certificates")
        request = self._store.request(name)
        made, wanted = request.certificate, request.wanted
        return {
            "status": request.status,
            "certificate": made.pem.strip() if made else None,
            "certificateId": made.id if made else None,
            "privateKey": self._key(made) if made and may(identity, READ_KEY) else None,
            "serialNumber": made.serial_number if made else None,
            "errorMessage": request.error,
            "pendingMessage": request.pending,
            **{key: wanted.get(key) for key in SUBJECT},
            "basicConstraints": wanted.get("basicConstraints"),
            "metadata": request.metadata,
            "customExtensions": wanted.get("customExtensions"),
            "createdAt": request.created.isoformat(),
            "updatedAt": request.updated.isoformat(),
        }

    def trigger_validation(self, identity: Identity, name: str) -> dict[str, Any]:
        need(identity, "read certificates")
        request = self._store.request(name)
        if request.status != "pending_validation":
            raise Refusal(400, "Certificate request is not waiting for validation")
        request.status, request.pending = "pending", None
        return {"status": request.status, "orderStatus": "processing"}

    def cancel(self, identity: Identity, name: str) -> dict[str, Any]:
        need(identity, "issue-cert certificate-profiles")
        request = self._store.request(name)
        cancelled = request.status in OPEN
        if cancelled:
            request.status, request.error = "failed", "Certificate request was cancelled"
        return {"status": request.status, "cancelled": cancelled, "errorMessage": request.error}

    def search(self, identity: Identity, body: Any) -> dict[str, Any]:
        if self._switches.search == "none":
            raise Refusal(404, "Route POST:/certificate-requests/search not found", error="Not Found")
        asked = schema.search_body(body)
        project = asked.get("projectId") or self._issuing.estate.projects.get(asked.get("projectSlug", ""))
        if project not in self._issuing.estate.projects.values():
            raise Refusal(404, "Project not found")
        need(identity, "read certificates")
        pairs = [] if self._switches.search == "ignores-metadata" else asked["metadata"]
        found = [one for one in self._store.requests.values() if _fits(one, asked, project, pairs)]
        found.sort(key=lambda one: one.created, reverse=asked["sortOrder"] == "desc")
        page = found[asked["offset"] : asked["offset"] + asked["limit"]]
        return {"certificateRequests": [self._row(one) for one in page], "totalCount": len(found)}

    def _row(self, request: Request) -> dict[str, Any]:
        made = request.certificate
        return {
            "id": request.id,
            "status": request.status,
            "commonName": request.wanted.get("commonName"),
            "altNames": ",".join(san["value"] for san in request.wanted.get("altNames", [])),
            "profileId": request.profile.id,
            "profileName": request.profile.slug,
            "caId": request.profile.authority.id if request.profile.authority else None,
            "certificateId": made.id if made else None,
            "approvalRequestId": request.id if request.outcome == "approval" else None,
            "errorMessage": request.error,
            "pendingMessage": request.pending,
            "createdAt": request.created.isoformat(),
            "updatedAt": request.updated.isoformat(),
            "certificate": made and {"id": made.id, "serialNumber": made.serial_number, "status": self.status(made)},
        }

    def revoke(self, identity: Identity, name: str, body: Any) -> dict[str, Any]:
        reason = schema.strings(body, ("revocationReason",))["revocationReason"]
        if reason not in REASONS:
            issues = schema.Issues()
            issues.say(["revocationReason"], "Invalid enum value", "invalid_enum_value")
            issues.done()
        found = self._store.certificate(name)
        if not may(identity, "revoke certificates"):
            raise denied("revoke", "certificates")
        if found.revoked:
            raise broken()  # Infisical answers a second revocation with 500
        found.revoked, found.reason = self._issuing.clock(), reason
        return {
            "message": "Successfully revoked certificate",
            "serialNumber": found.serial_number,
            "revokedAt": found.revoked.isoformat(),
        }


def _signature_algorithm(certificate: Certificate) -> str:
    signing = certificate.profile.authority
    family = signing.family if signing else "RSA" if certificate.key_algorithm.startswith("RSA") else "ECDSA"
    hashed = certificate.signed.signature_hash_algorithm
    assert hashed is not None
    return f"{family}-{hashed.name.upper()}"


def _basics(signed: x509.Certificate) -> dict[str, Any]:
    basics = signed.extensions.get_extension_for_class(x509.BasicConstraints).value
    return {"isCA": basics.ca, "pathLength": basics.path_length}


def _fits(request: Request, asked: dict[str, Any], project: str, pairs: list[dict[str, str]]) -> bool:
    return (
        request.profile.project_id == project
        and all(pair in request.metadata for pair in pairs)
        and request.status == asked.get("status", request.status)
        and request.profile.id in (asked.get("profileIds") or [request.profile.id])
        and asked.get("search", "").lower() in str(request.wanted.get("commonName", "")).lower()
        and asked.get("fromDate", request.created) <= request.created <= asked.get("toDate", request.created)
    )
