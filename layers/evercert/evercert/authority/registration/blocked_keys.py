"""Keys that were revoked as compromised: no certificate has one again, and not everybody may say that one is."""

from __future__ import annotations

from cryptography import x509

from evercert.authority.api_errors import bad_request, forbidden
from evercert.authority.configuration.identity import Identity
from evercert.authority.contracts.ports import Certificates
from evercert.authority.contracts.records import CertificateRecord
from evercert.authority.registration.access import Access
from evercert.pki.keys import public_bytes

LONGEST_LINE = 100  # renewals that are followed back to whose key it is


def require_uncompromised(certificates: Certificates, public_key: object) -> None:
    """Raises Refusal (400)."""
    if certificates.compromised(public_bytes(public_key)):
        raise bad_request("its key was revoked as compromised, and is certified no more; make a new one")


def require_own_key(certificates: Certificates, seeing: Access, identity: Identity, kept: CertificateRecord) -> None:
    """Raises Refusal (403) for a key that came from somebody else, unless the identity administers the profile.

    Whoever may request may renew what others requested, with the CSR that they sent: the new certificate is its own,
    and the key is not. A key whose line is too long to follow is taken for somebody else's.
    """
    if seeing.administers(identity, kept):
        return
    key, line = _public_key(kept), kept
    for _ in range(LONGEST_LINE):
        before = certificates.certificate(line.renews) if line.renews else None
        if before is None or _public_key(before) != key:
            return
        if before.identity != identity.id:
            break
        line = before
    raise forbidden(
        "Its key came from another identity's certificate: that one can say that it is compromised, or who administers"
        " the profile; revoke it for another reason"
    )


def _public_key(kept: CertificateRecord) -> bytes:
    return public_bytes(x509.load_pem_x509_certificate(kept.certificate.encode()).public_key())
