"""Revocation of certificates, followed by a new CRL."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from evercert.authority.ca.revocation_reasons import REASONS
from evercert.authority.ca.signing_orders import Revoked
from evercert.authority.contracts.issuance_trail import Actor
from evercert.authority.contracts.ports import Certificates
from evercert.authority.contracts.records import CertificateRecord
from evercert.authority.registration.crl_publisher import CrlPublisher
from evercert.deadline import Clock
from evercert.errors import EvercertError


@dataclass(frozen=True)
class Revoking:
    """Revokes certificates; if the CRL cannot be signed now, the schedule signs it later."""

    certificates: Certificates
    publisher: CrlPublisher
    clock: Clock

    def revoke(self, record: CertificateRecord, reason: str, by: Actor) -> CertificateRecord | None:
        """Revoke a certificate; return None if it is revoked already.

        A repeated call also repairs a CRL that the first one failed to publish.
        """
        revoked = self.certificates.revoke(record.id, self.clock(), reason, by)
        if revoked is None or revoked.revoked_at is None:
            self._ensure_listed(record.id)
            return None
        return revoked

    def publish_crl(self, revoked: CertificateRecord) -> bool:
        """Publish a CRL with the certificate; return False if that or its copy failed, or if no CA issued it."""
        if not revoked.ca:
            return False
        try:
            self.publisher.publish_revoked(revoked.ca, {int(revoked.serial_number, 16): _entry(revoked)})
        except EvercertError:
            return False
        return True

    def _ensure_listed(self, certificate_id: str) -> None:
        """Publish a CRL if the current one lacks a revoked certificate, and copy it if an earlier copy failed."""
        stored = self.certificates.certificate(certificate_id)
        if stored is None or stored.revoked_at is None or stored.not_after <= self.clock():
            return
        if not stored.ca:
            return
        if not self.publisher.has_entry(stored.ca, int(stored.serial_number, 16)):
            self.publish_crl(stored)
            return
        with suppress(EvercertError):
            self.publisher.copy(stored.ca)


def _entry(record: CertificateRecord) -> Revoked:
    at = record.revoked_at or record.updated_at
    return Revoked(int(record.serial_number, 16), at, REASONS[record.reason or "UNSPECIFIED"])
