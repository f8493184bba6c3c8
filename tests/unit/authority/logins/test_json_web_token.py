"""JSON web tokens: the examples of the RFCs, and every way to make one without the key of its issuer."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding

from evercert.acme.jwk import from_jwk
from evercert.authority.logins.json_web_token import Key, parse, verify
from tests.doubles.infisical.ca import new_key
from tests.doubles.infisical.identity_providers import shared_key
from tests.doubles.infisical.jwt import encoded

NOW = datetime(2011, 3, 22, 18, 0, tzinfo=UTC)
# RFC 7515 A.2 and A.3: the claims expire at 1300819380, which is 2011-03-22T18:43:00Z.
CLAIMS = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
RS256 = (
    {
        "kty": "RSA",
        "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCg"
        "NMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtd"
        "VMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
        "e": "AQAB",
    },
    (
        f"eyJhbGciOiJSUzI1NiJ9.{CLAIMS}.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjb"
        "KBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZES"
        "c6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
    ),
)
ES256 = (
    {
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    },
    f"eyJhbGciOiJFUzI1NiJ9.{CLAIMS}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
)


@pytest.mark.parametrize(("jwk", "token"), [RS256, ES256], ids=["RS256", "ES256"])
def test_examples_of_the_rfc_verify(jwk: dict[str, str], token: str) -> None:
    parsed = parse(token)
    verify(parsed, [Key("", from_jwk(jwk))], NOW)
    assert parsed.claims["iss"] == "joe"
    head, _, signature = token.split(".")
    changed = f"{head}.{encoded(json.dumps({**parsed.claims, 'iss': 'eve'}).encode())}.{signature}"
    with pytest.raises(ValueError, match="invalid signature"):
        verify(parse(changed), [Key("", from_jwk(jwk))], NOW)


def signed(algorithm: str, sign: Any, **header: Any) -> str:
    head = encoded(json.dumps({"alg": algorithm, **header}).encode())
    data = f"{head}.{encoded(json.dumps({'exp': NOW.timestamp() + 60}).encode())}"
    return f"{data}.{encoded(sign(data.encode()))}"


def rsa(algorithm: str, **header: Any) -> tuple[str, Any]:
    key, digest = shared_key(), getattr(hashes, f"SHA{algorithm[2:]}")()
    padded = padding.PSS(padding.MGF1(digest), digest.digest_size) if algorithm[0] == "P" else padding.PKCS1v15()
    return signed(algorithm, lambda data: key.sign(data, padded, digest), **header), key.public_key()


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"])
def test_rsa_algorithms(algorithm: str) -> None:
    token, key = rsa(algorithm)
    verify(parse(token), [Key("", key)], NOW)
    for other in {"RS256", "PS512"} - {algorithm}:
        with pytest.raises(ValueError, match="no key of the issuer fits"):
            verify(parse(token), [Key("", key, other)], NOW)


def test_ed25519() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    verify(parse(signed("EdDSA", key.sign)), [Key("", key.public_key())], NOW)


@pytest.mark.parametrize(
    ("header", "rest", "message"),
    [
        ('{"alg":"none"}', f".{CLAIMS}.", "invalid algorithm"),
        ('{"alg":"None"}', f".{CLAIMS}.", "invalid algorithm"),
        ('{"alg":"HS256"}', f".{CLAIMS}.AAAA", "invalid algorithm"),
        ("{}", f".{CLAIMS}.AAAA", "invalid algorithm"),
        ('{"alg":["RS256"]}', f".{CLAIMS}.AAAA", "invalid algorithm"),
        ('{"alg":"RS256","alg":"none"}', f".{CLAIMS}.", "invalid algorithm"),
        ('{"alg":"RS256","crit":["b64"],"b64":false}', f".{CLAIMS}.AAAA", "extensions"),
        ("[]", f".{CLAIMS}.AAAA", "not JSON objects"),
        ('{"alg":"RS256"}', f".{CLAIMS}", "three parts"),
        ('{"alg":"RS256"}', f".{CLAIMS}.AA.AA", "three parts"),
        ('{"alg":"RS256"}', f".{CLAIMS}=.AA", "not base64url of JSON"),
    ],
)
def test_other_tokens_are_refused(header: str, rest: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(encoded(header.encode()) + rest)


def test_signature_of_another_length_is_refused() -> None:
    head, claims, signature = ES256[1].split(".")
    for longer in (signature + "AA", signature[:-4]):
        with pytest.raises(ValueError, match=r"invalid signature|base64url"):
            verify(parse(f"{head}.{claims}.{longer}"), [Key("", from_jwk(ES256[0]))], NOW)


def test_key_of_another_curve_does_not_fit() -> None:
    with pytest.raises(ValueError, match="no key of the issuer fits"):
        verify(parse(ES256[1]), [Key("", ec.generate_private_key(ec.SECP384R1()).public_key())], NOW)


def test_token_without_a_key_id_is_tried_with_a_few_keys() -> None:
    token, key = rsa("RS256")
    others = [Key(str(number), new_key("EC_prime256v1").public_key()) for number in range(30)]
    verify(parse(token), [*others, Key("x", shared_key(1).public_key()), Key("y", key)], NOW)
    with pytest.raises(ValueError, match="needs the header kid"):
        verify(parse(token), [Key(str(number), key) for number in range(11)], NOW)
    named, _ = rsa("RS256", kid="5")
    verify(parse(named), [Key(str(number), key) for number in range(11)], NOW)


@pytest.mark.parametrize("value", [True, "1", [], float(10**30)])
def test_times_are_numbers(value: Any) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    head = encoded(b'{"alg":"EdDSA"}')
    data = f"{head}.{encoded(json.dumps({'exp': NOW.timestamp() + 60, 'nbf': value}).encode())}"
    token = f"{data}.{encoded(key.sign(data.encode()))}"
    with pytest.raises(ValueError, match=r"invalid nbf|not active"):
        verify(parse(token), [Key("", key.public_key())], NOW)
