"""External account bindings: bound and verified, and bindings that evercert refuses."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from evercert.acme import base64url
from evercert.acme.external_account import bind, decode_mac_key, key_id_of, verify
from evercert.acme.jwk import JWK, to_jwk
from evercert.pki.keys import PrivateKey
from tests.samples import acme
from tests.samples.certificates import private_key

MAC_KEY = bytes(range(32))
URL = "https://acme.example/new-account"
ALGORITHMS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}


def encoded(value: object) -> str:
    return base64url.encode(json.dumps(value).encode())


def bound(payload: object = acme.EC_KEY, key: bytes = MAC_KEY, **header: Any) -> dict[str, str]:
    """Return a binding with a correct MAC over any header and payload; a header member that is None is missing."""
    members = {"alg": "HS256", "kid": "kid-1", "url": URL, **header}
    head = encoded({name: value for name, value in members.items() if value is not None})
    body = payload if isinstance(payload, str) else encoded(payload)
    mac = hmac.new(key, f"{head}.{body}".encode(), hashlib.sha256).digest()
    return {"protected": head, "payload": body, "signature": base64url.encode(mac)}


# -- bind -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_bind_makes_the_jws_of_rfc_8555(algorithm: str) -> None:
    found = bind(acme.EC_KEY, "kid-1", MAC_KEY, URL, algorithm)
    assert found.keys() == {"protected", "payload", "signature"}
    assert json.loads(base64url.decode(found["protected"])) == {"alg": algorithm, "kid": "kid-1", "url": URL}
    assert json.loads(base64url.decode(found["payload"])) == acme.EC_KEY
    expected = hmac.new(MAC_KEY, f"{found['protected']}.{found['payload']}".encode(), ALGORITHMS[algorithm]).digest()
    assert base64url.decode(found["signature"]) == expected


def test_bind_uses_hs256_by_default() -> None:
    header = base64url.decode(bind(acme.EC_KEY, "kid-1", MAC_KEY, URL)["protected"])
    assert json.loads(header)["alg"] == "HS256"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("key", ["RSA_2048", "EC_prime256v1", "EC_secp384r1", "Ed25519"])
def test_verify_accepts_bindings(algorithm: str, key: str) -> None:
    jwk = to_jwk(PrivateKey(private_key(key)).public_key)
    verify(bind(jwk, "kid-1", MAC_KEY, URL, algorithm), jwk, MAC_KEY, URL)


def test_verify_accepts_other_members_of_the_key() -> None:
    verify(bound({**acme.EC_KEY, "use": "sig"}), acme.EC_KEY, MAC_KEY, URL)


# -- verify -----------------------------------------------------------------------------------------------------------
OTHER_KEY: JWK = to_jwk(private_key("EC_prime256v1").public_key())
VALID = bound()
OTHER_HEADER = {**VALID, "protected": bound(kid="kid-2")["protected"]}


def test_helper_makes_valid_bindings() -> None:
    """The refusals below then have one cause each: the place in which they differ."""
    verify(VALID, acme.EC_KEY, MAC_KEY, URL)


@pytest.mark.parametrize(
    ("binding", "why"),
    [
        pytest.param(bound(key=b"other" * 8), "MAC of the binding does not verify", id="another MAC key"),
        pytest.param(bound(key=MAC_KEY[:-1]), "MAC of the binding does not verify", id="shortened MAC key"),
        pytest.param({**VALID, "signature": ""}, "MAC of the binding does not verify", id="no MAC"),
        pytest.param(
            {**VALID, "signature": VALID["signature"][:22]}, "does not verify|base64url", id="half of the MAC"
        ),
        pytest.param({**VALID, "payload": encoded(OTHER_KEY)}, "does not verify", id="MAC of another payload"),
        pytest.param(OTHER_HEADER, "does not verify", id="MAC of another header"),
        pytest.param(bound(alg="HS512"), "does not verify", id="MAC of another algorithm"),
        pytest.param(bound(alg="none"), "alg of the binding must be", id="none"),
        pytest.param(bound(alg="ES256"), "alg of the binding must be", id="signature"),
        pytest.param(bound(alg="hs256"), "alg of the binding must be", id="lower case"),
        pytest.param(bound(alg=None), "alg of the binding must be", id="no algorithm"),
        pytest.param(bound(alg=["HS256"]), "alg of the binding must be", id="list of algorithms"),
        pytest.param(bound(url="https://acme.example/other"), "url of the request", id="another URL"),
        pytest.param(bound(url=URL + "/"), "url of the request", id="URL with a slash"),
        pytest.param(bound(url=None), "url of the request", id="no URL"),
        pytest.param(bound(nonce="n"), "no nonce", id="nonce"),
        pytest.param(bound(nonce=""), "no nonce", id="empty nonce"),
        pytest.param(bound(OTHER_KEY), "another account key", id="another account key"),
        pytest.param(bound([acme.EC_KEY]), "another account key", id="list of keys"),
        pytest.param(bound({}), "unsupported key", id="empty key"),
        pytest.param(bound({**acme.EC_KEY, "d": "AQAB"}), "private key", id="private account key"),
        pytest.param(bound(base64url.encode(b"x")), "Expecting value", id="payload that is not JSON"),
        pytest.param({**VALID, "header": {"kid": "kid-1"}}, "protected header only", id="unprotected header"),
        pytest.param(bound(crit=["url"]), "extensions", id="crit"),
        pytest.param({}, "needs the members", id="empty"),
    ],
)
def test_verify_refuses(binding: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        verify(binding, acme.EC_KEY, MAC_KEY, URL)


def test_verify_checks_the_mac_before_it_reads_the_key() -> None:
    """An unauthenticated payload is not parsed."""
    with pytest.raises(ValueError, match="MAC of the binding does not verify"):
        verify(bound(base64url.encode(b"x"), key=b"other"), acme.EC_KEY, MAC_KEY, URL)


def test_verify_never_shows_the_mac_key() -> None:
    with pytest.raises(ValueError, match="does not verify") as caught:
        verify(bound(key=b"another"), acme.EC_KEY, b"secret-of-the-ca", URL)
    assert "secret-of-the-ca" not in str(caught.value)


# -- key ids and MAC keys ---------------------------------------------------------------------------------------------
def test_key_id_of_returns_the_kid() -> None:
    assert key_id_of(bound(kid="kid-7", key=b"unknown yet")) == "kid-7"


@pytest.mark.parametrize(
    ("binding", "why"),
    [
        pytest.param(bound(kid=None), "has no kid", id="no kid"),
        pytest.param(bound(kid=5), "has no kid", id="number"),
        pytest.param(bound(kid=["kid-1"]), "has no kid", id="list"),
        pytest.param({**VALID, "signatures": []}, "one signature", id="several signatures"),
        pytest.param({}, "needs the members", id="empty"),
    ],
)
def test_key_id_of_refuses(binding: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        key_id_of(binding)


KEY = b"\xfb\xff\xbf" + bytes(30)  # its Base64 has the characters that differ between the alphabets


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(base64url.encode(KEY), id="base64url"),
        pytest.param(base64.b64encode(KEY).decode(), id="Base64"),
        pytest.param(base64.urlsafe_b64encode(KEY + b"a").decode(), id="base64url with padding"),
        pytest.param(base64.b64encode(KEY + b"a").decode(), id="Base64 with padding"),
        pytest.param(f"  {base64url.encode(KEY)}\n", id="spaces around it"),
    ],
)
def test_decode_mac_key_accepts_forms_of_cas(text: str) -> None:
    assert decode_mac_key(text) in (KEY, KEY + b"a")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("==", id="padding only"),
        pytest.param("  ", id="spaces"),
        pytest.param("not a key", id="words"),
        pytest.param("AAAAA", id="cut off"),
        pytest.param("AQ==AQ==", id="padding inside"),
        pytest.param("ключ", id="not ASCII"),
    ],
)
def test_decode_mac_key_refuses_other_text(text: str) -> None:
    with pytest.raises(ValueError):
        decode_mac_key(text)


def test_decode_mac_key_never_shows_the_key() -> None:
    with pytest.raises(ValueError) as caught:
        decode_mac_key("s3cret!s3cret")
    assert "s3cret" not in str(caught.value)
