"""Public files: CRLs and CA certificates in DER (RFC 5280 §4.2.1.13, §4.2.2.1), served by the API and by a bucket."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.serialization import Encoding

from evercert.authority.ca.crl import crl_number, parse, signed_at
from evercert.authority.ca.definition import Installed
from evercert.authority.ca.public_paths import certificate_path, crl_path

CRL_SECONDS, CERTIFICATE_SECONDS = 300, 86_400  # longest lifetimes in caches
CRL_KIND, CERTIFICATE_KIND = "application/pkix-crl", "application/pkix-cert"  # RFC 2585 §4


@dataclass(frozen=True)
class PublicFile:
    """A public file; caches may store it for `seconds`. Of two files with one path, the higher number is newer."""

    path: str
    content: bytes
    kind: str  # media type
    seconds: int
    modified: datetime
    number: int = 0

    @property
    def cache_control(self) -> str:
        """Return the header Cache-Control."""
        return f"public, max-age={self.seconds}"


def crl_file(ca_id: str, der: bytes, now: datetime) -> PublicFile:
    """Return a CRL as a file that no cache keeps after nextUpdate; raise Misconfigured if it is malformed."""
    crl = parse(der)
    left = timedelta(seconds=CRL_SECONDS) if crl.next_update_utc is None else crl.next_update_utc - now
    seconds = max(min(CRL_SECONDS, int(left.total_seconds())), 0)
    return PublicFile(crl_path(ca_id), der, CRL_KIND, seconds, min(signed_at(crl), now), crl_number(crl) or 0)


def certificate_file(ca_id: str, installed: Installed) -> PublicFile:
    """Return a CA certificate as a file; it never changes."""
    der = installed.x509.public_bytes(Encoding.DER)
    path, begins = certificate_path(ca_id, installed.id), installed.x509.not_valid_before_utc
    return PublicFile(path, der, CERTIFICATE_KIND, CERTIFICATE_SECONDS, begins)
