"""Key algorithms: names, families and curves."""

from __future__ import annotations

from typing import Literal, get_args

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

KeyAlgorithm = Literal["EC_prime256v1", "EC_secp384r1", "EC_secp521r1", "RSA_2048", "RSA_3072", "RSA_4096", "Ed25519"]
Family = Literal["RSA", "EC", "Ed25519"]
ALGORITHMS: tuple[KeyAlgorithm, ...] = get_args(KeyAlgorithm)
CURVES: dict[KeyAlgorithm, type[ec.EllipticCurve]] = {
    "EC_prime256v1": ec.SECP256R1,
    "EC_secp384r1": ec.SECP384R1,
    "EC_secp521r1": ec.SECP521R1,
}
_OF_CURVE = {curve().name: algorithm for algorithm, curve in CURVES.items()}
_OF_SIZE: dict[int, KeyAlgorithm] = {2048: "RSA_2048", 3072: "RSA_3072", 4096: "RSA_4096"}


def family(algorithm: KeyAlgorithm) -> Family:
    """Return the family of a key algorithm; ACM requires that a CA and its certificates have the same one."""
    if algorithm == "Ed25519":
        return "Ed25519"
    return "RSA" if algorithm.startswith("RSA") else "EC"


def algorithm_of(public_key: object) -> KeyAlgorithm | None:
    """Return the algorithm of a public key, or None if evercert does not support it."""
    match public_key:
        case ec.EllipticCurvePublicKey():
            return _OF_CURVE.get(public_key.curve.name)
        case rsa.RSAPublicKey():
            return _OF_SIZE.get(public_key.key_size)
        case ed25519.Ed25519PublicKey():
            return "Ed25519"
    return None
