"""Where automatic renewals of certificates are stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from evercert.authority.contracts.issuance_trail import Actor
from evercert.authority.contracts.records import CertificateRecord, DueCertificate

# Begins the error of a refused call. That of an automatic renewal differs, so that it is announced.
REFUSED = "renewal refused: "


class AutomaticRenewals(Protocol):
    """The settings of each certificate, the index of those that are due, and why the last renewal failed."""

    def set_renewal(
        self, certificate_id: str, days: int | None, due_at: datetime | None, at: datetime, by: Actor
    ) -> CertificateRecord | None:
        """Set or end the automatic renewal of a certificate; return None if it is renewed or revoked by now.

        Also clears the error of an earlier attempt.
        """

    def due(self, now: datetime, limit: int) -> Sequence[DueCertificate]:
        """Return certificates whose automatic renewal is due, soonest expiry first.

        Eventually consistent.
        """

    def record_renewal_failure(self, due: DueCertificate, until: datetime | None, error: str | None) -> bool:
        """Store why a renewal failed and when it is tried again (None: never); return False if it changed meanwhile."""

    def record_refused_renewal(self, certificate_id: str, reason: str, at: datetime) -> bool:
        """Store why the policy refused the renewal that a client requested; automatic renewals go on.

        Return False if the certificate was renewed, or has the error of an automatic renewal.
        """
