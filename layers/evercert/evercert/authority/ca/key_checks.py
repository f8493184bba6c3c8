"""The keys that a CA certifies: none that is weak, and no RSA exponent below 65537."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import rsa

from evercert.pki.weak_keys import rsa_weakness

_MIN_EXPONENT = 2**16 + 1  # FIPS 186-5 §A.1.1


def key_weakness(public_key: object) -> str | None:
    """Return why a key must not be certified, or None. EC points were checked when the key was parsed."""
    if not isinstance(public_key, rsa.RSAPublicKey):
        return None
    numbers = public_key.public_numbers()
    if numbers.e < _MIN_EXPONENT:
        return "weak RSA key: exponent is below 65537 (FIPS 186-5 §A.1.1)"
    return rsa_weakness(numbers.n, numbers.e)
