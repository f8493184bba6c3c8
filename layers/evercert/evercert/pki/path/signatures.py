"""Verification of certificate signatures, and the strength of the keys that made them."""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.x509.oid import PublicKeyAlgorithmOID

from evercert.pki.weak_keys import is_valid_exponent

MIN_RSA_BITS, MAX_RSA_BITS, MIN_CURVE_BITS = 2048, 16_384, 224
_BROKEN = (hashes.MD5, hashes.SHA1)


def signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Return whether the issuer's key made the signature; False for a key or an algorithm that is unknown."""
    signature, signed = certificate.signature, certificate.tbs_certificate_bytes
    try:
        key, parameters = issuer.public_key(), certificate.signature_algorithm_parameters
        match key:
            case rsa.RSAPublicKey() if key.key_size <= MAX_RSA_BITS and is_valid_exponent(key.public_numbers().e):
                digest = certificate.signature_hash_algorithm
                allowed = padding.PSS if _only_pss(issuer) else padding.PKCS1v15 | padding.PSS
                if digest is None or not isinstance(parameters, allowed):
                    return False
                key.verify(signature, signed, parameters, digest)
            case ec.EllipticCurvePublicKey():
                if not isinstance(parameters, ec.ECDSA):
                    return False
                key.verify(signature, signed, parameters)
            case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey():
                key.verify(signature, signed)
            case _:
                return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def is_verifiable(certificate: x509.Certificate) -> bool:
    """Return whether signatures of this algorithm can be verified; MD5 and ECDSA with SHA-1 cannot."""
    try:
        digest = certificate.signature_hash_algorithm
        parameters = certificate.signature_algorithm_parameters
    except (ValueError, UnsupportedAlgorithm):
        return False
    weak = hashes.MD5 if isinstance(parameters, padding.PKCS1v15) else _BROKEN
    return not isinstance(digest, weak)


def _only_pss(issuer: x509.Certificate) -> bool:
    """Return whether the key may make RSASSA-PSS signatures only (RFC 4055 §1.2)."""
    return issuer.public_key_algorithm_oid == PublicKeyAlgorithmOID.RSASSA_PSS


def key_fault(certificate: x509.Certificate) -> str | None:
    """Return why TLS peers refuse the public key, or None."""
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return "its public key cannot be parsed, or is of an unknown type"
    match key:
        case rsa.RSAPublicKey():
            return _rsa_fault(key)
        case ec.EllipticCurvePublicKey():
            weak = key.curve.key_size < MIN_CURVE_BITS
            return f"its key is on the weak curve {key.curve.name}" if weak else None
        case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey():
            return None
    return "its public key is neither RSA, EC nor Ed25519"


def _rsa_fault(key: rsa.RSAPublicKey) -> str | None:
    if key.key_size < MIN_RSA_BITS:
        return f"its RSA key has {key.key_size} bits: at least {MIN_RSA_BITS} are required"
    return None if is_valid_exponent(key.public_numbers().e) else "its RSA key has an invalid exponent"


def digest_fault(certificate: x509.Certificate) -> str | None:
    """Return why TLS peers refuse the signature algorithm, or None."""
    try:
        digest = certificate.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        return "its signature algorithm is unknown"
    return f"it is signed with the broken digest {digest.name}" if isinstance(digest, _BROKEN) else None
