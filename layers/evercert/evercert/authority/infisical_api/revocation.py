"""Revocation (contract §B.6): once, by who requested it or who administers the profile; the CRL follows at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from evercert.authority.api_errors import bad_request, invalid
from evercert.authority.ca.revocation_reasons import REASONS
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
    """A CRL that cannot be signed now is signed by the schedule: the revocation stands."""

    def __init__(
        self,
        certificates: Certificates,
        seeing: Access,
        publishing: CrlPublisher,
        clock: Callable[[], datetime],
    ) -> None:
        self._certificates = certificates
        self._seeing = seeing
        self._publishing = publishing
        self._clock = clock

    def revoke(self, identity: Identity, name: str, body: object) -> dict[str, Any]:
        """A second time is refused with 400, once the CRL lists it: the first try may have died before."""
        reason = _reason(body)
        kept = self._seeing.certificate(identity, name)
        self._seeing.require_revoke(identity, kept)
        if reason == "KEY_COMPROMISE":
            require_own_key(self._certificates, self._seeing, identity, kept)
        revoked = self._certificates.revoke(kept.id, self._clock(), reason)
        if revoked is None or revoked.revoked_at is None:
            self._listed(kept.id)
            raise bad_request("Certificate is already revoked")
        return {
            "message": "Successfully revoked certificate",
            "serialNumber": revoked.serial_number,
            "revokedAt": to_text(revoked.revoked_at),
            "certificateId": revoked.id,
            "crlPublished": self._published(revoked),
        }

    def _listed(self, certificate_id: str) -> None:
        """Whoever tries again is the first to notice that a list was never made."""
        stands = self._certificates.certificate(certificate_id)
        if stands is None or stands.revoked_at is None or stands.not_after <= self._clock():
            return
        if stands.ca and not self._publishing.lists(stands.ca, int(stands.serial_number, 16)):
            self._published(stands)

    def _published(self, revoked: CertificateRecord) -> bool:
        """Not, where the signer cannot be asked now, or no CA signed it."""
        if not revoked.ca:
            return False
        try:
            self._publishing.publish(revoked.ca, {int(revoked.serial_number, 16): _entry(revoked)})
        except EvercertError:
            return False
        return True


def _reason(body: object) -> str:
    given = body.get("revocationReason") if isinstance(body, dict) else None
    if not isinstance(given, str) or given not in REASONS:
        raise invalid([(("revocationReason",), f"Expected one of {', '.join(REASONS)}")])
    return given


def _entry(kept: CertificateRecord) -> Revoked:
    at = kept.revoked_at or kept.updated_at
    return Revoked(int(kept.serial_number, 16), at, REASONS[kept.reason or "UNSPECIFIED"])
