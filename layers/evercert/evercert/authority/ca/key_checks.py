"""Detect weak RSA keys: unusual exponents, small factors, and primes too close together."""

from __future__ import annotations

from functools import cache
from math import gcd, isqrt, prod

from cryptography.hazmat.primitives.asymmetric import rsa

_LEAST_EXPONENT, _MOST_EXPONENT = 2**16 + 1, 2**256  # FIPS 186-5 §A.1.1
_SMALL = 752  # CA/Browser Forum BR §6.1.6: no factor below it
_FERMAT_ROUNDS = 100  # BR §6.1.1.3: a modulus factored within 100 rounds has primes too close together
_MODULUS = 2**4 * 3**2 * 5 * 7  # only one in 26 residues is a square, which makes a cheap first test
_SQUARES = frozenset(n * n % _MODULUS for n in range(_MODULUS // 2 + 1))


def key_weakness(public_key: object) -> str | None:
    """Return why a key must not be certified, or None. EC points were checked when the key was parsed."""
    if not isinstance(public_key, rsa.RSAPublicKey):
        return None
    numbers = public_key.public_numbers()
    if not _LEAST_EXPONENT <= numbers.e < _MOST_EXPONENT:  # the parser refuses even exponents
        return "weak RSA key: exponent is below 65537, or above 2^256 (FIPS 186-5 §A.1.1)"
    if gcd(numbers.n, _small_primes()) != 1:
        return "weak RSA key: modulus has a small factor; create a new key"
    if _factors_are_close(numbers.n):
        return "weak RSA key: primes are too close together; create a new key"
    return None


@cache
def _small_primes() -> int:
    """Return the product of all primes below 752."""
    return prod(n for n in range(2, _SMALL) if all(n % d for d in range(2, isqrt(n) + 1)))


def _factors_are_close(modulus: int) -> bool:
    """Apply Fermat's method: for close factors, a² - n is a square for some `a` just above the root of n."""
    first = isqrt(modulus - 1) + 1
    a, n = first % _MODULUS, modulus % _MODULUS
    for step in range(_FERMAT_ROUNDS):
        if ((a + step) ** 2 - n) % _MODULUS in _SQUARES:
            rest = (first + step) ** 2 - modulus
            if isqrt(rest) ** 2 == rest:
                return True
    return False
