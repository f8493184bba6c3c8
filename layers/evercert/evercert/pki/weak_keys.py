"""Weak RSA keys: invalid exponents, small factors, primes too close together, and the ROCA fingerprint."""

from __future__ import annotations

from functools import cache
from math import gcd, isqrt, prod

_MIN_EXPONENT, _MAX_EXPONENT = 3, 2**31 - 1  # Go and Windows cannot parse a larger one
_SMALL = 752  # CA/Browser Forum BR §6.1.6: no factor below it
_FERMAT_ROUNDS = 100  # BR §6.1.1.3: a modulus factored within 100 rounds has primes too close together
_MODULUS = 2**4 * 3**2 * 5 * 7  # only one in 26 residues is a square, which makes a cheap first test
_SQUARES = frozenset(n * n % _MODULUS for n in range(_MODULUS // 2 + 1))
_ROCA_GENERATOR, _ROCA_LAST_PRIME = 65_537, 167


def rsa_weakness(modulus: int, exponent: int) -> str | None:
    """Return why an RSA key must not be certified, or None."""
    if not is_valid_exponent(exponent):
        return "weak RSA key: exponent must be odd, from 3 to 2^31-1; create a key with the exponent 65537"
    if modulus <= 0 or gcd(modulus, _small_primes()) != 1:
        return "weak RSA key: modulus has a small factor; create a new key"
    if _factors_are_close(modulus):
        return "weak RSA key: primes are too close together; create a new key"
    if has_roca_fingerprint(modulus):
        return "weak RSA key: ROCA (CVE-2017-15361); create a new key, outside the chip that made this one"
    return None


def is_valid_exponent(exponent: int) -> bool:
    """Return whether peers accept an RSA exponent."""
    return _MIN_EXPONENT <= exponent <= _MAX_EXPONENT and exponent % 2 == 1


def has_roca_fingerprint(modulus: int) -> bool:
    """Return whether the modulus is a power of 65537 modulo all small primes, as those of Infineon's library are."""
    return all(modulus % prime in residues for prime, residues in _roca_residues())


@cache
def _roca_residues() -> tuple[tuple[int, frozenset[int]], ...]:
    """Return the powers of 65537 modulo each odd prime up to 167; the larger primes, which exclude most, come first."""
    primes = [n for n in range(3, _ROCA_LAST_PRIME + 1, 2) if all(n % d for d in range(2, isqrt(n) + 1))]
    found = ((prime, frozenset(pow(_ROCA_GENERATOR, power, prime) for power in range(prime))) for prime in primes)
    return tuple(sorted(found, key=lambda entry: len(entry[1]) / entry[0]))


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
