"""Automatic renewal of single certificates: set the days before the end, or end it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, ValidationError

from evercert.authority.api_errors import bad_request, invalid
from evercert.authority.configuration.identity import Identity
from evercert.authority.contracts.issuance_trail import Actor
from evercert.authority.contracts.ports import Certificates
from evercert.authority.contracts.records import CertificateRecord
from evercert.authority.infisical_api import response_bodies
from evercert.authority.registration.access import Access
from evercert.authority.registration.renewal_schedule import renewal_time
from evercert.authority.requests.attribute_fields import Body
from evercert.authority.requests.bodies import to_refusal

DEFAULT_DAYS = 7  # for a certificate that had no automatic renewal


class RenewalConfig(Body):
    """The body of a call; one of the fields is required."""

    renew_before_days: Annotated[int, Field(ge=1, le=30)] | None = None
    enable_auto_renewal: bool | None = None


@dataclass(frozen=True)
class RenewalSettings:
    """Change the automatic renewal of a certificate; idempotent."""

    certificates: Certificates
    access: Access
    clock: Callable[[], datetime]

    def change(self, identity: Identity, name: str, data: object) -> dict[str, Any]:
        """Set or end the automatic renewal; raise Refusal (400) if the certificate cannot be renewed automatically."""
        record = self.access.certificate(identity, name)
        self.access.profile(identity, record.profile, "request")
        self.access.require_own(identity, record, "edit", "certificates")
        body = _parsed(data)
        days = None
        if body.enable_auto_renewal is not False:
            days = body.renew_before_days or record.renew_before_days or DEFAULT_DAYS
            self._require_renewable(record)
        due_at = None if days is None else renewal_time(record.not_before, record.not_after, days)
        if self.certificates.set_renewal(record.id, days, due_at, self.clock(), Actor(identity.id, "api")) is None:
            raise bad_request("Certificate is not eligible for automatic renewal: it was renewed or revoked meanwhile")
        if days is None:
            return {"message": "Automatic renewal is disabled"}
        return {"message": "Automatic renewal is enabled", "renewBeforeDays": days}

    def _require_renewable(self, record: CertificateRecord) -> None:
        status = response_bodies.status(record, self.clock())
        reasons = [f"certificate is {status}"] if status != "active" else []
        if record.renewed_by:
            reasons.append("certificate has already been renewed")
        if record.imported:
            reasons.append("certificate was imported; its issuer renews it")
        elif not record.ca and not record.external:
            reasons.append("self-signed certificates are renewed by request only")
        elif record.sealed_key is None:
            reasons.append("the authority does not have its private key; renew it with a CSR")
        if reasons:
            raise bad_request(f"Certificate is not eligible for automatic renewal: {', '.join(reasons)}")


def _parsed(data: object) -> RenewalConfig:
    if not isinstance(data, dict):
        raise invalid([((), "Expected an object")])
    try:
        body = RenewalConfig.model_validate(data)
    except ValidationError as error:
        raise to_refusal(error) from None
    if body.renew_before_days is None and body.enable_auto_renewal is None:
        raise invalid([(("renewBeforeDays",), "Required, or enableAutoRenewal")])
    if body.renew_before_days is not None and body.enable_auto_renewal is False:
        raise invalid([(("renewBeforeDays",), "Not with enableAutoRenewal: false")])
    return body
