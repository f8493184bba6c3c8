"""Public downloads: CRLs and CA certificates in DER (RFC 5280 §4.2.1.13, §4.2.2.1)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from cryptography.hazmat.primitives.serialization import Encoding

from evercert.authority.api_errors import not_found
from evercert.authority.ca.crl import parse, signed_at
from evercert.authority.contracts.ports import Certificates, Configuration
from evercert.authority.infisical_api.conditional_requests import Binary
from evercert.authority.registration.access import uuid_of

CRL_SECONDS, CERTIFICATE_SECONDS = 300, 86_400  # lifetimes in caches


class PublicDownloads:
    """Serve stored CRLs and CA certificates; never signs anything."""

    def __init__(self, configuration: Configuration, certificates: Certificates, clock: Callable[[], datetime]) -> None:
        self._configuration = configuration
        self._certificates = certificates
        self._clock = clock

    def crl(self, ca_id: str) -> Binary:
        """Return the newest CRL of a CA."""
        name = uuid_of(ca_id)
        der = self._certificates.published(name) if name else None
        if der is None:
            raise not_found("CRL not found")
        return Binary(der, "application/pkix-crl", CRL_SECONDS, min(signed_at(parse(der)), self._clock()))

    def certificate(self, ca_id: str, installed_id: str) -> Binary:
        """Return a certificate of a CA, including older ones that issued certificates refer to."""
        name = uuid_of(ca_id)
        ca = self._configuration.ca(name) if name else None
        for one in ca.installed if ca else ():
            if one.id == installed_id:
                der = one.x509.public_bytes(Encoding.DER)
                return Binary(der, "application/pkix-cert", CERTIFICATE_SECONDS, one.x509.not_valid_before_utc)
        raise not_found("CA certificate not found")
