"""Adjustments of requests to what keys can do, and the notes about them for the client.

Infisical issues such certificates as requested; documents of its agent often list the usages of RSA for every key.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from evercert.authority.ca.kms_key import PublicKey, hash_of
from evercert.authority.ca.leaf_fields import Hash
from evercert.authority.requests.csr import ParsedCsr
from evercert.authority.requests.requested_fields import RequestedFields
from evercert.pki.algorithms import Family, KeyAlgorithm, family
from evercert.pki.attributes import SignatureAlgorithm
from evercert.pki.usages import KEY_USAGES, impossible

_SIGNATURES: dict[Family, tuple[SignatureAlgorithm, ...]] = {
    "RSA": ("RSA-SHA256", "RSA-SHA384", "RSA-SHA512"),
    "EC": ("ECDSA-SHA256", "ECDSA-SHA384", "ECDSA-SHA512"),
}


def hash_of_signature(algorithm: SignatureAlgorithm) -> Hash:
    """Return the hash of a signature algorithm."""
    return algorithm.partition("-")[2]  # type: ignore[return-value]


def choose_signature(
    requested: SignatureAlgorithm, signing: Family, public_key: object, allowed: Collection[str] | None
) -> SignatureAlgorithm | None:
    """Return the signature algorithm closest to the requested one that the signing key can make, or None.

    Another one than the requested must be `allowed`; None allows all. `public_key` is that of the CA, whose key in KMS
    is limited to the hash of its curve; None is limited to none.
    """
    same_hash: Sequence[SignatureAlgorithm] = [
        one for one in _SIGNATURES[signing] if hash_of_signature(one) == hash_of_signature(requested)
    ]
    for one in (*same_hash, *_SIGNATURES[signing]):
        if _makes(public_key, one) and (allowed is None or one in {requested, *allowed}):
            return one
    return None


def _makes(public_key: object, algorithm: SignatureAlgorithm) -> bool:
    if not isinstance(public_key, PublicKey):
        return True
    try:
        hash_of(public_key, hash_of_signature(algorithm))
    except ValueError:
        return False
    return True


def find_notes(
    requested: RequestedFields, csr: ParsedCsr | None, algorithm: KeyAlgorithm, signed: Hash | None
) -> tuple[str, ...]:
    """Return what the certificate of this key leaves out of its request; `signed` is the hash of its signature."""
    return (
        *_notes_of_csr(csr),
        *_notes_of_usages(requested, csr, algorithm),
        *_notes_of_hash(requested, algorithm, signed),
    )


def _notes_of_csr(csr: ParsedCsr | None) -> Iterator[str]:
    if csr is not None and csr.notes:
        yield f"csr: {'; '.join(csr.notes)}"


def _notes_of_usages(requested: RequestedFields, csr: ParsedCsr | None, algorithm: KeyAlgorithm) -> Iterator[str]:
    by_csr = csr is not None and "key_usages" not in requested
    fields = csr.requested if csr is not None and by_csr else requested
    usages = [word for word in KEY_USAGES if word in (fields.get("key_usages") or ())]
    if why := impossible(usages, algorithm):
        yield f"{'csr' if by_csr else 'keyUsages'}: left out of the certificate: {why}"


def _notes_of_hash(requested: RequestedFields, algorithm: KeyAlgorithm, signed: Hash | None) -> Iterator[str]:
    wanted, made = requested.get("signature_algorithm"), f"{'RSA' if family(algorithm) == 'RSA' else 'ECDSA'}-{signed}"
    if wanted not in (None, made):
        yield f"signatureAlgorithm: the key of the CA cannot make {wanted}: signed with {made}"
