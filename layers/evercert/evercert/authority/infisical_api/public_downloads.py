"""Public downloads: CRLs and CA certificates in DER (RFC 5280 §4.2.1.13, §4.2.2.1)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from evercert.authority.api_errors import not_found
from evercert.authority.ca.public_files import PublicFile, certificate_file, crl_file
from evercert.authority.contracts.ports import Certificates, Configuration
from evercert.authority.registration.access import uuid_of


class PublicDownloads:
    """Serve stored CRLs and CA certificates; never signs anything."""

    def __init__(self, configuration: Configuration, certificates: Certificates, clock: Callable[[], datetime]) -> None:
        self._configuration = configuration
        self._certificates = certificates
        self._clock = clock

    def crl(self, ca_id: str) -> PublicFile:
        """Return the newest CRL of a CA."""
        name = uuid_of(ca_id)
        if name is None or (der := self._certificates.published(name)) is None:
            raise not_found("CRL not found")
        return crl_file(name, der, self._clock())

    def certificate(self, ca_id: str, installed_id: str) -> PublicFile:
        """Return a certificate of a CA, including older ones that issued certificates refer to."""
        name = uuid_of(ca_id)
        ca = self._configuration.ca(name) if name else None
        found = next((one for one in ca.installed if one.id == installed_id), None) if ca else None
        if ca is None or found is None:
            raise not_found("CA certificate not found")
        return certificate_file(ca.id, found)
