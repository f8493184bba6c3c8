"""JSON Web Keys: examples of the RFCs, round trips, and keys that evercert refuses."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from evercert.acme import base64url
from evercert.acme.jwk import from_jwk, thumbprint, to_jwk
from evercert.pki.keys import PrivateKey
from tests.samples import acme
from tests.samples.certificates import private_key

EXAMPLES = [
    pytest.param(acme.RSA_KEY, id="RFC 7515 A.2"),
    pytest.param(acme.EC_KEY, id="RFC 7515 A.3"),
    pytest.param(acme.ED25519_KEY, id="RFC 8037 A.1"),
]
ALGORITHMS = ["RSA_2048", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "Ed25519"]


def number(value: int, size: int | None = None) -> str:
    return base64url.encode(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def rsa_jwk(bits: int = 2_048, exponent: int = 65_537) -> dict[str, str]:
    """Return a key with a modulus of this size, whose factors no test needs."""
    return {"kty": "RSA", "n": number(2**bits - 1), "e": number(exponent)}


def ec_jwk(curve: str = "P-256", **members: Any) -> dict[str, Any]:
    key = private_key({"P-256": "EC_prime256v1", "P-384": "EC_secp384r1"}[curve]).public_key()
    return {**to_jwk(key), **members}


# -- valid keys -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("jwk", EXAMPLES)
def test_from_jwk_reads_examples_of_rfcs(jwk: dict[str, str]) -> None:
    assert to_jwk(from_jwk(jwk)) == jwk


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_from_jwk_reverses_to_jwk(algorithm: str) -> None:
    key = PrivateKey.generate(algorithm) if "RSA" not in algorithm else PrivateKey(private_key(algorithm))  # type: ignore[arg-type]
    assert from_jwk(to_jwk(key.public_key)) == key.public_key


def test_to_jwk_gives_the_rfc_8037_public_key() -> None:
    key = ed25519.Ed25519PrivateKey.from_private_bytes(base64url.decode(acme.ED25519_SECRET))
    assert to_jwk(key.public_key()) == acme.ED25519_KEY


@pytest.mark.parametrize(
    ("curve", "secret", "name"),
    [
        pytest.param(ec.SECP256R1(), 379, "x", id="P-256 x"),
        pytest.param(ec.SECP256R1(), 43, "y", id="P-256 y"),
        pytest.param(ec.SECP384R1(), 197, "x", id="P-384 x"),
        pytest.param(ec.SECP384R1(), 176, "y", id="P-384 y"),
    ],
)
def test_to_jwk_pads_short_coordinates(curve: ec.EllipticCurve, secret: int, name: str) -> None:
    """RFC 7518 §6.2.1.2: a coordinate has the octets of its curve, leading zeros included."""
    key = ec.derive_private_key(secret, curve).public_key()
    octets = base64url.decode(to_jwk(key)[name])
    assert octets[0] == 0
    assert len(octets) == curve.key_size // 8
    assert from_jwk(to_jwk(key)) == key


def test_from_jwk_ignores_other_members() -> None:
    jwk = {**acme.EC_KEY, "alg": "ES256", "use": "sig", "kid": "1", "key_ops": ["verify"]}
    assert to_jwk(from_jwk(jwk)) == acme.EC_KEY


@pytest.mark.parametrize(
    ("bits", "exponent"),
    [
        pytest.param(2_048, 65_537, id="2048 bits"),
        pytest.param(3_072, 65_537, id="3072 bits"),
        pytest.param(4_096, 65_537, id="4096 bits"),
        pytest.param(2_048, 3, id="smallest exponent"),
        pytest.param(2_048, 2**32 - 1, id="largest exponent"),
    ],
)
def test_from_jwk_accepts_rsa_keys_within_limits(bits: int, exponent: int) -> None:
    key = from_jwk(rsa_jwk(bits, exponent))
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == bits
    assert key.public_numbers().e == exponent


# -- refusals ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("jwk", "why"),
    [
        pytest.param(rsa_jwk(1_024), "2048 to 4096 bits", id="RSA 1024"),
        pytest.param(rsa_jwk(2_047), "2048 to 4096 bits", id="RSA 2047"),
        pytest.param(rsa_jwk(4_097), "2048 to 4096 bits", id="RSA 4097"),
        pytest.param({**rsa_jwk(), "n": ""}, "2048 to 4096 bits", id="empty modulus"),
        pytest.param(rsa_jwk(exponent=65_536), "its public exponent must be odd", id="even exponent"),
        pytest.param(rsa_jwk(exponent=2**32 + 1), "its public exponent .* below 2\\^32", id="exponent of 33 bits"),
        pytest.param(rsa_jwk(exponent=1), "its public exponent .* above 1", id="exponent 1"),
        pytest.param({**rsa_jwk(), "e": ""}, "public exponent", id="empty exponent"),
        pytest.param({**rsa_jwk(), "e": "AQAB="}, "base64url", id="padding"),
        pytest.param({"kty": "RSA", "e": "AQAB"}, "member n is missing", id="RSA without n"),
        pytest.param({**rsa_jwk(), "e": 65_537}, "member e is missing", id="exponent as number"),
        pytest.param({**acme.RSA_KEY, "d": "AQAB"}, "private key", id="private RSA key"),
        pytest.param({**acme.EC_KEY, "d": "AQAB"}, "private key", id="private EC key"),
        pytest.param({**acme.ED25519_KEY, "d": acme.ED25519_SECRET}, "private key", id="private Ed25519 key"),
        pytest.param({**acme.EC_KEY, "d": None}, "private key", id="private key null"),
        pytest.param({"kty": "oct", "k": "AQAB"}, "unsupported key", id="symmetric key"),
        pytest.param(ec_jwk(y=number(1, 32)), "(?i)not on the curve", id="point not on the curve"),
        pytest.param(ec_jwk(x=number(0, 32), y=number(0, 32)), "(?i)not on the curve", id="point at zero"),
        pytest.param(ec_jwk("P-384", crv="P-256"), "x must have 32 octets", id="P-384 as P-256"),
        pytest.param(ec_jwk(crv="P-384"), "x must have 48 octets", id="P-256 as P-384"),
        pytest.param(ec_jwk(x=number(5, 33)), "x must have 32 octets", id="long x"),
        pytest.param(ec_jwk(y=number(5, 31)), "y must have 32 octets", id="short y"),
        pytest.param({**acme.EC_KEY, "crv": "P-521"}, "unsupported key", id="P-521"),
        pytest.param({**acme.EC_KEY, "crv": "secp256k1"}, "unsupported key", id="secp256k1"),
        pytest.param({"kty": "EC", "crv": "P-256", "x": acme.EC_KEY["x"]}, "member y is missing", id="EC without y"),
        pytest.param({**acme.ED25519_KEY, "x": number(5, 31)}, "32 bytes", id="short Ed25519 key"),
        pytest.param({**acme.ED25519_KEY, "crv": "Ed448"}, "unsupported key", id="Ed448"),
        pytest.param({**acme.ED25519_KEY, "crv": "X25519"}, "unsupported key", id="X25519"),
        pytest.param({**acme.EC_KEY, "kty": "ec"}, "unsupported key", id="type in lower case"),
        pytest.param({**acme.EC_KEY, "kty": ["EC"]}, "unsupported key", id="type as list"),
        pytest.param({}, "unsupported key", id="empty"),
    ],
)
def test_from_jwk_refuses(jwk: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        from_jwk(jwk)


def test_from_jwk_never_shows_a_private_key() -> None:
    with pytest.raises(ValueError, match="private key") as caught:
        from_jwk({**acme.ED25519_KEY, "d": acme.ED25519_SECRET})
    assert acme.ED25519_SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "curve", [pytest.param(ec.SECP521R1(), id="P-521"), pytest.param(ec.SECP256K1(), id="secp256k1")]
)
def test_to_jwk_refuses_other_curves(curve: ec.EllipticCurve) -> None:
    with pytest.raises(ValueError, match=f"unsupported curve {curve.name}"):
        to_jwk(ec.generate_private_key(curve).public_key())


# -- thumbprints ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("jwk", "expected"),
    [
        pytest.param(acme.THUMBPRINT_KEY, acme.THUMBPRINT, id="RFC 7638 3.1"),
        pytest.param(acme.ED25519_KEY, acme.ED25519_THUMBPRINT, id="RFC 8037 A.3"),
    ],
)
def test_thumbprint_is_that_of_the_rfc(jwk: dict[str, str], expected: str) -> None:
    assert thumbprint(to_jwk(from_jwk(jwk))) == expected


def test_thumbprint_ignores_the_order_of_members() -> None:
    assert thumbprint(dict(reversed(acme.EC_KEY.items()))) == thumbprint(acme.EC_KEY)


def test_thumbprint_differs_for_another_key() -> None:
    jwks = [to_jwk(PrivateKey.generate("EC_prime256v1").public_key) for _ in range(2)]
    assert thumbprint(jwks[0]) != thumbprint(jwks[1])
