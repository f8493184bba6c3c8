"""Retrieval of certificates and requests; reading a pending request resumes it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from evercert.authority.api_errors import bad_request, not_found, permission_denied
from evercert.authority.configuration.identity import Identity
from evercert.authority.contracts.external import ExternalRequests
from evercert.authority.contracts.issuance_trail import Actor
from evercert.authority.contracts.ports import Certificates, Configuration, KeySeal
from evercert.authority.contracts.records import CertificateRecord, RequestRecord
from evercert.authority.infisical_api import response_bodies
from evercert.authority.registration.access import Access
from evercert.authority.registration.fulfillment import Fulfillment
from evercert.errors import Misconfigured, Unavailable

MAX_LATEST = 100  # requests in which the newest certificate is searched
MAX_RENEWAL_CHAIN = 100  # renewals followed to find the newest


@dataclass(frozen=True)
class Retrieval:
    """Return certificates, keys and the status of requests."""

    configuration: Configuration
    certificates: Certificates
    access: Access
    fulfillment: Fulfillment
    seal: KeySeal
    clock: Callable[[], datetime]
    external: ExternalRequests

    def certificate(self, identity: Identity, name: str) -> dict[str, Any]:
        """Return a certificate with the id of its newest renewal, if any."""
        record = self.access.certificate(identity, name)
        found = response_bodies.certificate(record, self.clock())
        profile = self.configuration.profile(record.profile)
        application = self.configuration.application(record.application) if record.application else None
        ca = self.configuration.ca(record.ca) if record.ca else None
        found |= {
            "profileName": profile.slug if profile else None,
            "applicationName": application.name if application else None,
            "caName": ca.name if ca else record.external or None,
            "caType": "internal" if record.ca else "external" if record.external else None,
        }
        if latest := self._latest(record):
            found["latestRenewalCertificateId"] = latest
        return {"certificate": found}

    def _latest(self, record: CertificateRecord) -> str | None:
        """Return the id of the newest renewal; first complete an interrupted one to prevent a second renewal."""
        with suppress(Unavailable, Misconfigured):
            waiting = None if record.renewed_by else self.certificates.renewal_of(record.id)
            if waiting is not None and isinstance(made := self.fulfillment.fulfill(waiting), CertificateRecord):
                return made.id
        latest, last = None, record
        for _ in range(MAX_RENEWAL_CHAIN):
            if last.renewed_by is None or (successor := self.certificates.certificate(last.renewed_by)) is None:
                break
            latest, last = successor.id, successor
        return latest

    def bundle(self, identity: Identity, name: str) -> dict[str, Any]:
        """Return certificate, chain (root last) and the private key if the identity may read it."""
        record = self.access.certificate(identity, name)
        return {
            "certificate": record.certificate.strip(),
            "certificateChain": record.chain.strip() or None,
            "privateKey": self._key(identity, record),
            "serialNumber": record.serial_number,
        }

    def latest_active_bundle(self, identity: Identity, profile_id: str) -> dict[str, Any]:
        """Return the bundle of the newest certificate of a profile that is valid and not renewed.

        Considers the latest 100 requests. Raise Refusal (404) if none of them has such a certificate.
        """
        profile, now = self.access.profile(identity, profile_id), self.clock()
        listed = self.certificates.requests_of(profile.id, MAX_LATEST)
        for request in self.certificates.requests_by_id([one.id for one in listed]):
            record = self.certificates.certificate(request.certificate_id) if request.status == "issued" else None
            if record is not None and not record.renewed_by and response_bodies.status(record, now) == "active":
                return {"certificateId": record.id, **self.bundle(identity, record.id)}
        raise not_found("No active certificate found for this profile")

    def private_key(self, identity: Identity, name: str) -> str:
        """Return the private key in PEM; raise Refusal (403 without permission, 404 if the client made it)."""
        record = self.access.certificate(identity, name)
        self.access.require_key(identity, record)
        if (key := self._key(identity, record)) is None:
            raise not_found(f"Private key of certificate with ID '{record.id}' not found")
        return key

    def poll(self, identity: Identity, request_id: str) -> dict[str, Any]:
        """Return the status of a request; it stays pending while the signer is unavailable."""
        request, record = self._resume(self.access.request(identity, request_id))
        return response_bodies.request_status(request, record, self._key(identity, record) if record else None)

    def cancel(self, identity: Identity, request_id: str) -> dict[str, Any]:
        """Cancel a request that waits for an approval or an external issuer; complete any other.

        The issuer function cancels the order of an external issuer, or revokes its certificate. The signer may have
        signed other requests already; a client that does not want the certificate revokes it.
        """
        pending = self.access.request(identity, request_id)
        self.access.profile(identity, pending.profile, "request")
        if pending.status == "pending_approval" or (pending.status == "pending" and pending.external):
            if pending.identity != identity.id and not self.access.administers(identity, pending):
                raise permission_denied("edit", "certificate-requests")
            why = "cancelled before its approval" if pending.status == "pending_approval" else "cancelled"
            self.certificates.fail(replace(pending, updated_at=self.clock()), why, Actor(identity.id, "api"))
            pending = self.access.request(identity, request_id)
            if pending.status == "failed":
                if pending.external:
                    with suppress(Unavailable):  # the schedule does the same, within minutes
                        self.external.hasten(request_id, self.clock())
                return {"status": pending.status, "cancelled": True, "errorMessage": pending.error}
        request, record = self._resume(pending)
        return {"status": "issued" if record else request.status, "cancelled": False, "errorMessage": request.error}

    def trigger_validation(self, identity: Identity, request_id: str) -> dict[str, Any]:
        """Have the issuer function ask its issuer again at once, after a person has acted there.

        Raise Refusal (400) unless the request waits for that, Unavailable.
        """
        request = self.access.request(identity, request_id)
        self.access.profile(identity, request.profile, "request")
        found = self.fulfillment.fulfill(request) if request.external else request
        if not isinstance(found, RequestRecord) or found.status != "pending_validation":
            raise bad_request("Certificate request is not waiting for validation")
        self.external.hasten(found.id, self.clock())
        return {"status": found.status}

    def _resume(self, request: RequestRecord) -> tuple[RequestRecord, CertificateRecord | None]:
        try:
            found = self.fulfillment.fulfill(request)
        except Unavailable:
            return request, None
        return (request, found) if isinstance(found, CertificateRecord) else (found, None)

    def _key(self, identity: Identity, record: CertificateRecord) -> str | None:
        if record.sealed_key is None or not self.access.may_read_key(identity, record):
            return None
        return self.seal.open(record.sealed_key, record.request).pem()
