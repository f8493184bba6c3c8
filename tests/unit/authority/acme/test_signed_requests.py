"""Rules for signed requests: each refusal has the type and status of RFC 8555."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from evercert.acme import base64url, jws
from evercert.acme.jwk import to_jwk
from evercert.authority.acme import signed_requests
from evercert.authority.acme.problems import Refused
from evercert.authority.acme.signed_requests import ALGORITHMS, LARGEST_BODY, SignedRequest
from evercert.pki.keys import PrivateKey

URL = "https://ca.example.com/acme/new-account"
KEYS = {name: PrivateKey.generate(name) for name in ("EC_prime256v1", "EC_secp384r1", "RSA_2048", "Ed25519")}
KEY = KEYS["EC_prime256v1"]
Change = Callable[[dict[str, Any]], None]


def header(key: PrivateKey = KEY, **changes: Any) -> dict[str, Any]:
    found = {"nonce": "bm9uY2U", "url": URL, "jwk": to_jwk(key.public_key), **changes}
    return {name: value for name, value in found.items() if value is not None}


def signed(payload: bytes = b"{}", key: PrivateKey = KEY, **changes: Any) -> bytes:
    return jws.sign(payload, header(key, **changes), key)


def read(body: bytes, content_type: str = jws.MEDIA_TYPE) -> SignedRequest:
    return signed_requests.read(body, content_type, URL)


def refusal(call: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as caught:
        call()
    assert caught.value.body["type"] == f"urn:ietf:params:acme:error:{caught.value.kind}"
    assert caught.value.body["status"] == caught.value.status
    return caught.value


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_request_of_each_key_type_is_read(key: PrivateKey) -> None:
    request = read(signed(b'{"contact": []}', key))
    assert request.members() == {"contact": []}
    assert request.key == key.public_key and request.account_url is None
    request.verify(key.public_key)


def test_account_url_is_read() -> None:
    request = read(jws.sign(b"", {**header(jwk=None), "kid": "https://ca.example.com/acme/accounts/1"}, KEY))
    assert (request.account_url, request.key) == ("https://ca.example.com/acme/accounts/1", None)
    request.require_no_payload()


@pytest.mark.parametrize("content_type", ["application/jose+json; charset=utf-8", "Application/JOSE+JSON"])
def test_content_type_may_have_parameters(content_type: str) -> None:
    read(signed(), content_type)


@pytest.mark.parametrize("content_type", ["", "application/json", "text/plain", "application/jose"])
def test_other_content_type_is_refused(content_type: str) -> None:
    error = refusal(lambda: read(signed(), content_type))
    assert (error.kind, error.status) == ("malformed", 415)


def test_large_body_is_refused() -> None:
    error = refusal(lambda: read(signed(b"x" * LARGEST_BODY)))
    assert (error.kind, error.status) == ("malformed", 413)


def unprotected(members: dict[str, Any]) -> None:
    members["header"] = {"kid": "x"}


def several(members: dict[str, Any]) -> None:
    members["signatures"] = [members.pop("signature")]


def detached(members: dict[str, Any]) -> None:
    del members["payload"]


def padded(members: dict[str, Any]) -> None:
    members["payload"] += "=="


def truncated(members: dict[str, Any]) -> None:
    members["protected"] = members["protected"][:-3]


@pytest.mark.parametrize("change", [unprotected, several, detached, padded, truncated], ids=lambda one: one.__name__)
def test_other_serialization_is_malformed(change: Change) -> None:
    members = json.loads(signed())
    change(members)
    error = refusal(lambda: read(json.dumps(members).encode()))
    assert (error.kind, error.status) == ("malformed", 400)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"null", b"\xff", b"{" * 10_000, b"abc.def.ghi"])
def test_other_body_is_malformed(body: bytes) -> None:
    assert refusal(lambda: read(body)).kind == "malformed"


@pytest.mark.parametrize("change", [{"b64": False}, {"crit": ["exp"]}], ids=["b64", "crit"])
def test_header_extensions_are_malformed(change: dict[str, Any]) -> None:
    assert refusal(lambda: read(signed(**change))).kind == "malformed"


def unsigned(algorithm: object) -> bytes:
    return json.dumps(jws.flattened(b"{}", {**header(), "alg": algorithm}, lambda _: b"x" * 64)).encode()


@pytest.mark.parametrize("algorithm", ["none", "HS256", "PS256", "ES512", "es256", "", None, 5, ["ES256"]])
def test_other_algorithm_is_refused_with_the_accepted_ones(algorithm: object) -> None:
    error = refusal(lambda: read(unsigned(algorithm)))
    assert (error.kind, error.body["algorithms"]) == ("badSignatureAlgorithm", list(ALGORITHMS))


@pytest.mark.parametrize("url", [f"{URL}/", URL.upper(), f"{URL}?x=1", "", None, 7, URL.replace("https", "http")])
def test_other_url_is_unauthorized(url: object) -> None:
    error = refusal(lambda: read(jws.sign(b"{}", {**header(), "url": url}, KEY)))
    assert (error.kind, error.status) == ("unauthorized", 401)


@pytest.mark.parametrize("change", [{"kid": "https://ca.example.com/1"}, {"jwk": None}], ids=["both", "neither"])
def test_one_of_jwk_and_kid_is_needed(change: dict[str, Any]) -> None:
    assert refusal(lambda: read(signed(**change))).kind == "malformed"


def test_kid_must_be_text() -> None:
    assert refusal(lambda: read(signed(jwk=None, kid=7))).kind == "malformed"


@pytest.mark.parametrize("jwk", ["text", [], {"kty": 7}, {"kty": "EC", "x5c": ["a"]}])
def test_malformed_jwk_is_refused(jwk: object) -> None:
    assert refusal(lambda: read(signed(jwk=jwk))).kind == "malformed"


def weak_rsa() -> dict[str, str]:
    numbers = rsa.generate_private_key(65_537, 1_024).public_key().public_numbers()
    size = 128
    return {
        "kty": "RSA",
        "n": base64url.encode(numbers.n.to_bytes(size, "big")),
        "e": base64url.encode((65_537).to_bytes(3, "big")),
    }


def with_private_part() -> dict[str, str]:
    number = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
    return {**to_jwk(KEY.public_key), "d": base64url.encode(number.to_bytes(32, "big"))}


@pytest.mark.parametrize(
    "make",
    [weak_rsa, with_private_part, lambda: {"kty": "oct", "k": "AAAA"}, lambda: {"kty": "EC", "crv": "P-521"}, dict],
    ids=["weak", "private", "symmetric", "curve", "empty"],
)
def test_key_that_is_not_accepted_is_a_bad_public_key(make: Callable[[], dict[str, str]]) -> None:
    assert refusal(lambda: read(signed(jwk=make()))).kind == "badPublicKey"


def test_key_and_algorithm_must_fit() -> None:
    request = read(signed())
    error = refusal(lambda: request.verify(KEYS["RSA_2048"].public_key))
    assert error.kind == "badSignatureAlgorithm"


def test_signature_of_another_key_is_malformed() -> None:
    other = PrivateKey.generate("EC_prime256v1")
    error = refusal(lambda: read(signed()).verify(other.public_key))
    assert (error.kind, error.status) == ("malformed", 400)


def test_changed_payload_is_noticed() -> None:
    members = json.loads(signed(b'{"a": 1}'))
    members["payload"] = base64url.encode(b'{"a": 2}')
    request = read(json.dumps(members).encode())
    assert refusal(lambda: request.verify(KEY.public_key)).kind == "malformed"


@pytest.mark.parametrize("payload", [b"[]", b"null", b'"text"', b"{", b" ", b"7"])
def test_payload_must_be_an_object_or_empty(payload: bytes) -> None:
    assert refusal(lambda: read(signed(payload))).kind == "malformed"


def test_empty_payload_only_reads() -> None:
    assert refusal(read(signed(b"")).members).kind == "malformed"
    assert refusal(read(signed(b"{}")).require_no_payload).kind == "malformed"
