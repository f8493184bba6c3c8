"""Challenges: tokens, key authorizations and DNS values."""

from __future__ import annotations

import base64
import hashlib

import pytest

from evercert.acme.challenges import DNS_LABEL, HTTP_PATH, dns_value, is_token, key_authorization
from evercert.acme.jwk import thumbprint
from tests.samples import acme


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(acme.TOKEN, id="RFC 8555 section 8.3"),
        pytest.param("A" * 22, id="128 bits"),
        pytest.param("_-" * 128, id="256 characters"),
    ],
)
def test_is_token_accepts_tokens(token: str) -> None:
    assert is_token(token)


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="empty"),
        pytest.param("A" * 21, id="below 128 bits"),
        pytest.param("A" * 257, id="257 characters"),
        pytest.param("A" * 30 + "=", id="padding"),
        pytest.param("A" * 30 + "\n", id="line end"),
        pytest.param("A" * 30 + ".", id="dot"),
        pytest.param("../" * 10, id="path"),
        pytest.param("A" * 30 + "/../secret", id="path below a token"),
        pytest.param("A" * 30 + "%2e", id="escape"),
        pytest.param("A" * 30 + "#answer", id="key of a table"),
        pytest.param("ж" * 30, id="Cyrillic letters"),
        pytest.param("٣" * 30, id="Arabic digits"),
        pytest.param(None, id="missing"),
        pytest.param(5, id="number"),
        pytest.param(b"A" * 30, id="bytes"),
        pytest.param(["A"] * 30, id="list"),
    ],
)
def test_is_token_refuses_other_values(token: object) -> None:
    assert not is_token(token)


def test_key_authorization_joins_token_and_thumbprint() -> None:
    """RFC 8555 §8.1, with the key of RFC 7638."""
    required = {name: acme.THUMBPRINT_KEY[name] for name in ("kty", "n", "e")}
    assert key_authorization(acme.TOKEN, thumbprint(required)) == f"{acme.TOKEN}.{acme.THUMBPRINT}"


def test_dns_value_is_the_digest_of_the_authorization() -> None:
    """RFC 8555 §8.4: base64url of SHA-256, 43 characters without padding."""
    authorization = f"{acme.TOKEN}.{acme.THUMBPRINT}"
    value = dns_value(authorization)
    assert len(value) == 43
    assert base64.urlsafe_b64decode(value + "=") == hashlib.sha256(authorization.encode()).digest()


def test_places_are_those_of_the_rfc() -> None:
    assert HTTP_PATH == "/.well-known/acme-challenge/"
    assert DNS_LABEL == "_acme-challenge"
