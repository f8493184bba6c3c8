"""Compromised keys: refuse them in new certificates, and restrict who may report them."""

from __future__ import annotations

from evercert.authority.api_errors import compromised_key, forbidden
from evercert.authority.configuration.identity import Identity
from evercert.authority.contracts.ports import Certificates
from evercert.authority.contracts.records import CertificateRecord, RequestRecord
from evercert.authority.registration.access import Access
from evercert.authority.requests.csr import ParsedCsr
from evercert.pki.csr_parser import public_key_of
from evercert.pki.keys import public_bytes

MAX_RENEWAL_CHAIN = 100  # renewals followed back to find the owner of a key


def require_uncompromised(certificates: Certificates, public_key: object) -> None:
    """Raise Refusal (400) if the key was revoked as compromised."""
    if certificates.compromised(public_bytes(public_key)):
        raise compromised_key()


def open_uncompromised(
    certificates: Certificates, request: RequestRecord, token: str | None, csr: ParsedCsr | None = None
) -> RequestRecord:
    """Store a request as `Certificates.open` does; raise Refusal (400) if its key was revoked as compromised.

    `csr` spares the parsing of the request's CSR. A key that the authority generated for this request cannot have been
    revoked.
    """
    if not request.supplied_csr and request.renews is None:
        return certificates.open(request, token)
    key = csr.public_key if csr is not None else public_key_of(request.csr)
    return certificates.open(request, token, public_bytes(key))


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
