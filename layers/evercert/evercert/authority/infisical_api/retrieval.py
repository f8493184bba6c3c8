"""Certificates and requests as clients read them (contract §B.3, §B.5); what waits goes on when it is read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from evercert.authority.api_errors import bad_request, not_found
from evercert.authority.configuration.identity import Identity
from evercert.authority.contracts.ports import Certificates, Configuration, KeySeal
from evercert.authority.contracts.records import CertificateRecord, RequestRecord
from evercert.authority.infisical_api import response_bodies as answers
from evercert.authority.registration.access import Access
from evercert.authority.registration.fulfillment import Fulfillment
from evercert.errors import Misconfigured, Unavailable

LONGEST_LINE = 100  # renewals that are followed to the newest


@dataclass(frozen=True)
class Retrieval:
    """Everything about certificates and requests but their making and their end."""

    configuration: Configuration
    certificates: Certificates
    seeing: Access
    progress: Fulfillment
    seal: KeySeal
    clock: Callable[[], datetime]

    def certificate(self, identity: Identity, name: str) -> dict[str, Any]:
        """With the newest of its renewals, if there is one."""
        kept = self.seeing.certificate(identity, name)
        found = answers.described(kept, self.clock())
        profile = self.configuration.profile(kept.profile)
        application = self.configuration.application(kept.application) if kept.application else None
        ca = self.configuration.ca(kept.ca) if kept.ca else None
        found |= {
            "profileName": profile.slug if profile else None,
            "applicationName": application.name if application else None,
            "caName": ca.name if ca else None,
            "caType": "internal" if kept.ca else None,
        }
        if latest := self._latest(kept):
            found["latestRenewalCertificateId"] = latest
        return {"certificate": found}

    def _latest(self, kept: CertificateRecord) -> str | None:
        """A renewal that died on its way is finished first, so that nobody renews twice."""
        with suppress(Unavailable, Misconfigured):
            waiting = None if kept.renewed_by else self.certificates.renewal_of(kept.id)
            if waiting is not None and isinstance(made := self.progress.drive(waiting), CertificateRecord):
                return made.id
        latest, last = None, kept
        for _ in range(LONGEST_LINE):
            if last.renewed_by is None or (successor := self.certificates.certificate(last.renewed_by)) is None:
                break
            latest, last = successor.id, successor
        return latest

    def bundle(self, identity: Identity, name: str) -> dict[str, Any]:
        """The whole chain, root last; the private key where it is ours to give."""
        kept = self.seeing.certificate(identity, name)
        return {
            "certificate": kept.certificate.strip(),
            "certificateChain": kept.chain.strip() or None,
            "privateKey": self._key(identity, kept),
            "serialNumber": kept.serial_number,
        }

    def private_key(self, identity: Identity, name: str) -> str:
        """PEM; 403 without the permission, 404 where somebody else made it."""
        kept = self.seeing.certificate(identity, name)
        self.seeing.require_key(identity, kept)
        if (key := self._key(identity, kept)) is None:
            raise not_found(f"Private key of certificate with ID '{kept.id}' not found")
        return key

    def poll(self, identity: Identity, request_id: str) -> dict[str, Any]:
        """A signer that does not answer leaves it waiting."""
        request, kept = self._driven(self.seeing.request(identity, request_id))
        return answers.polled(request, kept, self._key(identity, kept) if kept else None)

    def cancel(self, identity: Identity, request_id: str) -> dict[str, Any]:
        """The signer may have signed already, so what waits is finished rather than forgotten: revoke it then."""
        asked = self.seeing.request(identity, request_id)
        self.seeing.profile(identity, asked.profile, "request")
        request, kept = self._driven(asked)
        return {"status": "issued" if kept else request.status, "cancelled": False, "errorMessage": request.error}

    def trigger_validation(self, identity: Identity, request_id: str) -> dict[str, Any]:
        """Nothing here waits for a validation."""
        self.seeing.request(identity, request_id)
        raise bad_request("Certificate request is not waiting for validation")

    def _driven(self, request: RequestRecord) -> tuple[RequestRecord, CertificateRecord | None]:
        try:
            found = self.progress.drive(request)
        except Unavailable:
            return request, None
        return (request, found) if isinstance(found, CertificateRecord) else (found, None)

    def _key(self, identity: Identity, kept: CertificateRecord) -> str | None:
        if kept.sealed_key is None or not self.seeing.may_read_key(identity, kept):
            return None
        return self.seal.open(kept.sealed_key, kept.request).pem()
