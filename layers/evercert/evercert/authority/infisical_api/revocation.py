"""Revocation by the requester or an administrator of the profile, followed by a new CRL."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

from evercert.authority.api_errors import bad_request, invalid
from evercert.authority.ca.revocation_reasons import LEAF_REASONS, REASONS, REFUSED_REASONS
from evercert.authority.ca.signing_orders import Revoked
from evercert.authority.configuration.identity import Identity
from evercert.authority.contracts.ports import Certificates
from evercert.authority.contracts.records import CertificateRecord
from evercert.authority.registration.access import Access
from evercert.authority.registration.blocked_keys import require_own_key
from evercert.authority.registration.crl_publisher import CrlPublisher
from evercert.errors import EvercertError
from evercert.timestamps import to_text


class Revocation:
    """Revoke certificates; if the CRL cannot be signed now, the schedule signs it later."""

    def __init__(
        self,
        certificates: Certificates,
        access: Access,
        publisher: CrlPublisher,
        clock: Callable[[], datetime],
    ) -> None:
        self._certificates = certificates
        self._access = access
        self._publisher = publisher
        self._clock = clock

    def revoke(self, identity: Identity, name: str, body: object) -> dict[str, Any]:
        """Revoke a certificate; raise Refusal (400) if it is revoked already.

        A repeated call also repairs a CRL that the first one failed to publish.
        """
        reason = _reason(body)
        record = self._access.certificate(identity, name)
        self._access.require_revoke(identity, record)
        if reason == "KEY_COMPROMISE":
            require_own_key(self._certificates, self._access, identity, record)
        revoked = self._certificates.revoke(record.id, self._clock(), reason)
        if revoked is None or revoked.revoked_at is None:
            self._ensure_listed(record.id)
            raise bad_request("Certificate is already revoked")
        return {
            "message": "Successfully revoked certificate",
            "serialNumber": revoked.serial_number,
            "revokedAt": to_text(revoked.revoked_at),
            "certificateId": revoked.id,
            "crlPublished": self._publish_crl(revoked),
        }

    def _ensure_listed(self, certificate_id: str) -> None:
        """Publish a CRL if the current one lacks a revoked certificate, and copy it if an earlier copy failed."""
        stored = self._certificates.certificate(certificate_id)
        if stored is None or stored.revoked_at is None or stored.not_after <= self._clock():
            return
        if not stored.ca:
            return
        if not self._publisher.has_entry(stored.ca, int(stored.serial_number, 16)):
            self._publish_crl(stored)
            return
        with suppress(EvercertError):
            self._publisher.copy(stored.ca)

    def _publish_crl(self, revoked: CertificateRecord) -> bool:
        """Publish a CRL with the certificate; return False if that or its copy failed, or if no CA issued it."""
        if not revoked.ca:
            return False
        try:
            self._publisher.publish_revoked(revoked.ca, {int(revoked.serial_number, 16): _entry(revoked)})
        except EvercertError:
            return False
        return True


def _reason(body: object) -> str:
    reason = body.get("revocationReason") if isinstance(body, dict) else None
    if not isinstance(reason, str) or reason not in LEAF_REASONS:
        why = f"{reason}: {REFUSED_REASONS[reason]}. " if isinstance(reason, str) and reason in REFUSED_REASONS else ""
        raise invalid([(("revocationReason",), f"{why}Expected one of {', '.join(LEAF_REASONS)}")])
    return reason


def _entry(record: CertificateRecord) -> Revoked:
    at = record.revoked_at or record.updated_at
    return Revoked(int(record.serial_number, 16), at, REASONS[record.reason or "UNSPECIFIED"])
