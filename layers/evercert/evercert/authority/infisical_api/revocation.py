"""Revocation by the requester or an administrator of the profile."""

from __future__ import annotations

from typing import Any

from evercert.authority.api_errors import bad_request, invalid
from evercert.authority.ca.revocation_reasons import LEAF_REASONS, REFUSED_REASONS
from evercert.authority.configuration.identity import Identity
from evercert.authority.contracts.issuance_trail import Actor
from evercert.authority.contracts.ports import Certificates
from evercert.authority.registration.access import Access
from evercert.authority.registration.blocked_keys import require_own_key
from evercert.authority.registration.revocation import Revoking
from evercert.timestamps import to_text


class Revocation:
    """Revoke certificates for identities with the permission."""

    def __init__(self, certificates: Certificates, access: Access, revoking: Revoking) -> None:
        self._certificates = certificates
        self._access = access
        self._revoking = revoking

    def revoke(self, identity: Identity, name: str, body: object) -> dict[str, Any]:
        """Revoke a certificate; raise Refusal (400) if it is revoked already."""
        reason = _reason(body)
        record = self._access.certificate(identity, name)
        self._access.require_revoke(identity, record)
        if record.imported:
            raise bad_request("Cannot revoke imported certificates: revoke the certificate at its issuer")
        if record.external:
            raise bad_request(f"issuer {record.external} signed the certificate: revoke it there")
        if reason == "KEY_COMPROMISE":
            require_own_key(self._certificates, self._access, identity, record)
        revoked = self._revoking.revoke(record, reason, Actor(identity.id, "api"))
        if revoked is None or revoked.revoked_at is None:
            raise bad_request("Certificate is already revoked")
        return {
            "message": "Successfully revoked certificate",
            "serialNumber": revoked.serial_number,
            "revokedAt": to_text(revoked.revoked_at),
            "certificateId": revoked.id,
            "crlPublished": self._revoking.publish_crl(revoked),
        }


def _reason(body: object) -> str:
    reason = body.get("revocationReason") if isinstance(body, dict) else None
    if not isinstance(reason, str) or reason not in LEAF_REASONS:
        why = f"{reason}: {REFUSED_REASONS[reason]}. " if isinstance(reason, str) and reason in REFUSED_REASONS else ""
        raise invalid([(("revocationReason",), f"{why}Expected one of {', '.join(LEAF_REASONS)}")])
    return reason
