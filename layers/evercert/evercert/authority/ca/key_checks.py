"""Public keys that nobody should certify: RSA with a strange exponent, or with factors that are found at once."""

from __future__ import annotations

from functools import cache
from math import gcd, isqrt, prod

from cryptography.hazmat.primitives.asymmetric import rsa

_LEAST_EXPONENT, _MOST_EXPONENT = 2**16 + 1, 2**256  # FIPS 186-5 §A.1.1
_SMALL = 752  # CA/Browser Forum BR §6.1.6: no factor below it
_FERMAT_ROUNDS = 100  # BR §6.1.1.3: what falls within as many rounds was made from primes too close together
_MODULUS = 2**4 * 3**2 * 5 * 7  # few numbers are squares modulo it: one in twenty-six
_SQUARES = frozenset(n * n % _MODULUS for n in range(_MODULUS // 2 + 1))


def unsound(public_key: object) -> str | None:
    """Why a key is not to be certified; None for every EC key, whose point was checked as it was read."""
    if not isinstance(public_key, rsa.RSAPublicKey):
        return None
    numbers = public_key.public_numbers()
    if not _LEAST_EXPONENT <= numbers.e < _MOST_EXPONENT:  # an even one is not even read
        return "its RSA exponent is below 65537, or above 2^256 (FIPS 186-5 §A.1.1)"
    if gcd(numbers.n, _small_primes()) != 1:
        return "its RSA modulus has a small factor: it is broken"
    if _factors_are_close(numbers.n):
        return "its RSA modulus is of two primes too close together: it is broken"
    return None


@cache
def _small_primes() -> int:
    """Their product."""
    return prod(n for n in range(2, _SMALL) if all(n % d for d in range(2, isqrt(n) + 1)))


def _factors_are_close(modulus: int) -> bool:
    """Fermat's method: a² - n is a square for an `a` just above the root of n."""
    first = isqrt(modulus - 1) + 1
    a, n = first % _MODULUS, modulus % _MODULUS
    for step in range(_FERMAT_ROUNDS):
        if ((a + step) ** 2 - n) % _MODULUS in _SQUARES:
            rest = (first + step) ** 2 - modulus
            if isqrt(rest) ** 2 == rest:
                return True
    return False
