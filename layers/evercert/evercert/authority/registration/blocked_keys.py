"""Compromised keys: refuse them in new certificates, and restrict who may report them."""

from __future__ import annotations

from evercert.authority.api_errors import bad_request, forbidden
from evercert.authority.configuration.identity import Identity
from evercert.authority.contracts.ports import Certificates
from evercert.authority.contracts.records import CertificateRecord
from evercert.authority.registration.access import Access
from evercert.pki.keys import public_bytes

MAX_RENEWAL_CHAIN = 100  # renewals followed back to find the owner of a key


def require_uncompromised(certificates: Certificates, public_key: object) -> None:
    """Raise Refusal (400) if the key was revoked as compromised."""
    if certificates.compromised(public_bytes(public_key)):
        raise bad_request("the key was revoked as compromised: it cannot be certified again; generate a new key")


def require_own_key(certificates: Certificates, access: Access, identity: Identity, record: CertificateRecord) -> None:
    """Raise Refusal (403) if the key belongs to another identity, unless this one administers the profile.

    An identity may renew the certificates of others with their CSR: it owns the new certificate, but not the key.
    If the chain of renewals exceeds the limit, the key counts as another identity's.
    """
    if access.administers(identity, record):
        return
    key, current = _public_key(record), record
    for _ in range(MAX_RENEWAL_CHAIN):
        previous = certificates.certificate(current.renews) if current.renews else None
        if previous is None or _public_key(previous) != key:
            return
        if previous.identity != identity.id:
            break
        current = previous
    raise forbidden(
        "The key belongs to another identity's certificate: only that identity or an administrator of the profile can"
        " report it as compromised; use another revocation reason"
    )


def _public_key(record: CertificateRecord) -> bytes:
    return public_bytes(record.signed.public_key())
