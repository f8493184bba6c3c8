"""Readers of the authority's API: whole calls, each answered by a status other than 500."""

from __future__ import annotations

import base64
import json
import logging
from functools import cache
from typing import Any

from evercert.authority.infisical_api.dispatcher import FORM
from evercert.authority.logins.sts_request import Rules, SignedRequest, validate_request
from evercert.errors import EvercertError
from evercert.pki.keys import PrivateKey
from tests.doubles.authority.client import CERTIFICATES, MANAGER, NAMES, PROFILES, REQUESTS, USAGES, Client, csr
from tests.doubles.authority.server import event_of
from tests.doubles.fakes import START
from tests.doubles.infisical.client import aws_headers
from tests.fuzz.changes import changed_tree
from tests.fuzz.quiet import quiet
from tests.fuzz.reader import Reader
from tests.samples import foreign

TYPED = (EvercertError,)


@cache
def client() -> Client:
    return Client("request", "read-key", "administer")


def calls() -> list[dict[str, Any]]:
    """Return a valid call of each kind."""
    one = client()
    issued = one.issued()
    profile, certificate = one.profile.id, f"{CERTIFICATES}/{issued['certificateId']}"
    attributes = {**NAMES, **USAGES, "ttl": "90d", "organization": "Example", "notBefore": "2026-01-15T12:00:00Z"}
    login = {"clientId": one.identity.universal.client_id if one.identity.universal else "", "clientSecret": one.secret}
    bodies: list[tuple[str, str, Any]] = [
        ("POST", CERTIFICATES, {"profileId": profile, "attributes": attributes, "metadata": [{"key": "a", "value": "b"}]}),
        ("POST", CERTIFICATES, {"profileId": profile, "csr": csr()[1], "attributes": {"ttl": "1d"}}),
        ("POST", f"{certificate}/renew", {"renewalKeySource": "csr", "csr": csr()[1], "removeRootsFromChain": True}),
        ("POST", f"{certificate}/renew", {"renewalKeySource": "new", "attributes": {"ttl": "1d"}}),
        ("POST", f"{CERTIFICATES}/{one.issued()['certificateId']}/revoke", {"revocationReason": "KEY_COMPROMISE"}),
        ("GET", certificate, None),
        ("PATCH", certificate, {"metadata": [{"key": "a", "value": "b"}, {"key": "c"}]}),
        ("POST", f"{CERTIFICATES}/import-certificate", _import(profile)),
        ("POST", f"{REQUESTS}/search", {"projectId": "x", "profileIds": [profile], "offset": 0, "limit": 10, "metadata": [{"key": "a"}]}),
        ("POST", f"{CERTIFICATES}/search", {"name": "*.example.com", "notAfterFrom": "2026-01-15T12:00:00Z", "serialNumber": "0a:1b", "cursor": "W10"}),
        ("POST", f"{CERTIFICATES}/search", {"commonName": "www.example.com", "fingerprint": "ab" * 32, "profileIds": [profile], "limit": 2}),
        ("POST", "/api/v1/auth/universal-auth/login", login),
        ("POST", "/api/v1/auth/token/renew", {"accessToken": "x"}),
        ("POST", "/api/v1/auth/aws-auth/login", _aws_login()),
        ("GET", f"{PROFILES}?projectId=x&limit=10&offset=0", None),
        ("GET", f"{certificate}/bundle?x=%ff", None),
        ("GET", f"{MANAGER}/applications/by-name/shop-app", None),
    ]  # fmt: skip
    form = f"clientId={login['clientId']}&clientSecret=x"
    forms = [
        {
            "method": "POST",
            "target": "/api/v1/auth/universal-auth/login",
            "headers": {"content-type": FORM},
            "body": form,
        }
    ]
    return forms + [
        {"method": method, "target": target, "headers": {"if-modified-since": "x"}, "body": body}
        for method, target, body in bodies
    ]


def _import(profile: str) -> dict[str, Any]:
    key = PrivateKey.generate("EC_prime256v1")
    return {
        "certificatePem": foreign.pem(foreign.certificate(key)), "privateKeyPem": key.pem(),
        "chainPem": foreign.pem(foreign.ca()), "friendlyName": "shop", "profileId": profile,
    }  # fmt: skip


def _aws_login() -> dict[str, Any]:
    headers = aws_headers("AKIAIOSFODNN7EXAMPLE", "secret", at=START)
    return {
        "identityId": client().identity.id, "iamHttpRequestMethod": "POST",
        "iamRequestBody": base64.b64encode(b"Action=GetCallerIdentity&Version=2011-06-15").decode(),
        "iamRequestHeaders": base64.b64encode(json.dumps(headers).encode()).decode(),
    }  # fmt: skip


def read_call(call: Any) -> None:
    """Answer a call of the front."""
    answer_call(client(), client().module.logger, call)


def answer_call(one: Client, logger: Any, call: Any) -> None:
    """Answer a call; a 500 is an error that escaped."""
    headers = {str(name): str(value) for name, value in _mapping(call.get("headers")).items()}
    headers.setdefault("authorization", f"Bearer {one.token}")
    body = call.get("body")
    text = body if isinstance(body, str) else json.dumps(body)
    raw = b"" if body is None else text.encode("utf-8", "surrogatepass")
    method, target = str(call.get("method")), "/" + str(call.get("target")).lstrip("/")
    try:
        event = event_of(method, target, headers, raw)
    except ValueError:  # not an address: API Gateway has refused it
        return
    with quiet(logger, logging.CRITICAL):
        answer = one.resolve(event)
    assert answer.status != 500, answer.body


def changed_call(call: Any, chance: Any) -> Any:
    """Return the call with another body, and seldom with other parts."""
    if chance.random() < 0.85 and call["body"] is not None:
        return {**call, "body": changed_tree(call["body"], chance)}
    return _mapping(changed_tree(call, chance))


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def read_sts_headers(headers: Any) -> None:
    """Validate a signed request of STS."""
    text = base64.b64encode(json.dumps(headers).encode()).decode()
    body = base64.b64encode(b"Action=GetCallerIdentity&Version=2011-06-15").decode()
    rules = Rules.of(["eu-central-1"], "https://authority.example.com")
    validate_request(SignedRequest("POST", body, text), rules, START, foreign_clients=True)


READERS = [
    Reader("call of the API", calls, read_call, changed_call, TYPED, cost=15),
    Reader(
        "headers for STS",
        lambda: [aws_headers("AKIAIOSFODNN7EXAMPLE", "secret", at=START)],
        read_sts_headers,
        changed_tree,
        TYPED,
    ),
]
