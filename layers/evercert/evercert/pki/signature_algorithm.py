"""The signature algorithm of a certificate, and how much of it the key of the CA decides."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import SignatureAlgorithmOID

from evercert.pki.attributes import SignatureAlgorithm

_NAMES: dict[x509.ObjectIdentifier, SignatureAlgorithm] = {
    SignatureAlgorithmOID.RSA_WITH_SHA256: "RSA-SHA256",
    SignatureAlgorithmOID.RSA_WITH_SHA384: "RSA-SHA384",
    SignatureAlgorithmOID.RSA_WITH_SHA512: "RSA-SHA512",
    SignatureAlgorithmOID.ECDSA_WITH_SHA256: "ECDSA-SHA256",
    SignatureAlgorithmOID.ECDSA_WITH_SHA384: "ECDSA-SHA384",
    SignatureAlgorithmOID.ECDSA_WITH_SHA512: "ECDSA-SHA512",
}
# By the largest number of a signature, in bits: the hash that is as strong as the curve.
_OF_CURVES: tuple[tuple[int, SignatureAlgorithm], ...] = (
    (256, "ECDSA-SHA256"),
    (384, "ECDSA-SHA384"),
    (521, "ECDSA-SHA512"),
)


def signature_algorithm(leaf: x509.Certificate) -> SignatureAlgorithm | None:
    """Return the signature algorithm under its name in documents, or None for another one."""
    return _NAMES.get(leaf.signature_algorithm_oid)


def mismatch(leaf: x509.Certificate, wanted: SignatureAlgorithm | None) -> str | None:
    """Return the difference from the requested algorithm.

    The key of the CA decides between RSA and ECDSA. An EC key may also use the hash of its curve: AWS KMS offers no
    other, and another would make the signature no stronger.
    """
    signed = signature_algorithm(leaf)
    if wanted in (None, signed):
        return None
    decided_by_key = signed is not None and (_kind(signed) != _kind(str(wanted)) or signed == _of_curve(leaf))
    return None if decided_by_key else f"it is signed with {signed or 'another algorithm'}; requested was {wanted}"


def _kind(algorithm: str) -> str:
    return algorithm.partition("-")[0]


def _of_curve(leaf: x509.Certificate) -> SignatureAlgorithm | None:
    """Return the algorithm whose hash belongs to the curve of the issuer's key; the issuer may be absent."""
    try:
        bits = max(number.bit_length() for number in decode_dss_signature(leaf.signature))
    except ValueError:  # RSA
        return None
    return next((algorithm for limit, algorithm in _OF_CURVES if bits <= limit), None)
