"""Tests of weak RSA keys: exponents, small factors, close primes, the ROCA fingerprint."""

import random
from math import isqrt, prod

import pytest

from evercert.pki.weak_keys import has_roca_fingerprint, rsa_weakness
from tests.samples.certificates import private_key

SMALL = [n for n in range(2, 702) if all(n % d for d in range(2, isqrt(n) + 1))]
PRIMORIAL = prod(SMALL)  # of Infineon's keys of 2048 bits and more: the first 126 primes


def factor(seed):
    """Return a number of the form k * M + (65537^a mod M), which all primes of such keys have."""
    rng = random.Random(seed)
    return rng.randrange(2**50, 2**53) * PRIMORIAL + pow(65_537, rng.randrange(2**200), PRIMORIAL)


@pytest.mark.parametrize("seed", range(20))
def test_roca_keys_are_found(seed):
    modulus = factor(seed) * factor(-seed - 1)
    assert has_roca_fingerprint(modulus)
    assert "ROCA (CVE-2017-15361)" in rsa_weakness(modulus, 65_537)


@pytest.mark.parametrize("seed", range(50))
def test_other_moduli_have_no_roca_fingerprint(seed):
    assert not has_roca_fingerprint(random.Random(seed).getrandbits(2048) | 1)


@pytest.mark.parametrize("exponent", [3, 17, 65_537, 2**31 - 1])
def test_rsa_weakness_accepts_odd_exponents(exponent):
    assert rsa_weakness(private_key("RSA_2048").public_key().public_numbers().n, exponent) is None


@pytest.mark.parametrize("exponent", [-1, 0, 1, 2, 4, 65_536, 2**31, 2**31 + 1])
def test_rsa_weakness_finds_other_exponents(exponent):
    assert "exponent must be odd" in rsa_weakness(private_key("RSA_2048").public_key().public_numbers().n, exponent)
