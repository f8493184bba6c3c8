"""Paths of calls: slashes at the end, the state of the server, forms, and calls that are not offered."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.doubles.authority.client import CERTIFICATES, MANAGER, PROFILES, Client, event_of

LOGIN = "/api/v1/auth/universal-auth/login"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def client() -> Client:
    return Client()


def credentials(client: Client) -> dict[str, str]:
    assert client.identity.universal is not None
    return {"clientId": client.identity.universal.client_id, "clientSecret": client.secret}


@pytest.mark.parametrize("kind", [FORM, f"{FORM}; charset=utf-8", FORM.upper()])
def test_login_accepts_a_form(client: Client, kind: str) -> None:
    body = urlencode(credentials(client)).encode()
    token = client.post(LOGIN, body, content_type=kind).json["accessToken"]
    renewed = client.post("/api/v1/auth/token/renew", urlencode({"accessToken": token}).encode(), content_type=kind)
    assert (renewed.status, renewed.json["accessToken"]) == (200, token)


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r\n\r\n"], ids=["CRLF", "LF", "two lines"])
def test_login_accepts_a_form_that_ends_with_a_line(client: Client, end: bytes) -> None:
    body = urlencode(credentials(client)).encode() + end
    assert client.post(LOGIN, body, content_type=FORM).status == 200


def test_login_keeps_an_encoded_line_in_a_form(client: Client) -> None:
    body = urlencode(credentials(client)).encode() + b"%0D%0A"
    assert client.post(LOGIN, body, content_type=FORM).status == 422


@pytest.mark.parametrize("kind", [FORM, "application/json"])
def test_login_accepts_a_byte_order_mark(client: Client, kind: str) -> None:
    fields = credentials(client)
    body = "\ufeff" + (urlencode(fields) if kind == FORM else json.dumps(fields))
    assert client.post(LOGIN, body.encode(), content_type=kind).status == 200


def test_login_accepts_a_form_in_base64(client: Client) -> None:
    """API Gateway encodes the bodies of forms."""
    event = event_of("POST", LOGIN, {"content-type": FORM}, urlencode(credentials(client)).encode(), encoded=True)
    assert client.resolve(event).json["tokenType"] == "Bearer"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"clientId=a&clientId=b&clientSecret=c", 400),
        (b"clientId=%ff&clientSecret=c", 400),
        (b"&".join(b"f%d=1" % number for number in range(51)), 400),
        (b"clientId=a", 422),
        (b"clientId=a&clientSecret=", 422),
        (b"{}", 422),
        (b"x" * 65_537, 413),
    ],
    ids=["repeated", "not UTF-8", "too many", "missing", "blank", "JSON", "too large"],
)
def test_login_refuses_an_invalid_form(client: Client, body: bytes, status: int) -> None:
    assert client.post(LOGIN, body, content_type=FORM).status == status


def test_forms_are_for_logins_only(client: Client) -> None:
    body = urlencode({"profileId": client.profile.id}).encode()
    response = client.post(CERTIFICATES, body, content_type=FORM)
    assert (response.status, response.json["message"]) == (400, "Body is not valid JSON")
    assert client.written == (0, 0, 0)


def test_one_slash_at_the_end_is_ignored(client: Client) -> None:
    assert client.post(f"{LOGIN}/", credentials(client)).status == 200
    assert client.get(f"{PROFILES}/{client.profile.id}/").status == 200
    assert client.get(f"{PROFILES}/{client.profile.id}//").status in {404, 501}


def test_status_is_public(client: Client) -> None:
    client.token = None
    answer = client.get("/api/status").json
    assert answer["message"] == "Ok" and answer["date"]


@pytest.mark.parametrize("path", ["/api/status", "/api/openapi.json"])
def test_public_pages_answer_head_without_a_body(client: Client, path: str) -> None:
    client.token = None
    answer = client.call("HEAD", path)
    assert (answer.status, answer.body) == (200, b"")


def test_head_of_other_routes_is_not_found(client: Client) -> None:
    assert client.call("HEAD", f"{PROFILES}/{client.profile.id}").status == 404


@pytest.mark.parametrize(
    ("method", "path", "remedy"),
    [
        ("POST", f"{MANAGER}/certificate-templates", "certificate-policies"),
        ("GET", f"{MANAGER}/certificate-templates/x", "certificate-policies"),
        ("GET", f"{MANAGER}/applications/x/identities", "/api/v1/projects/ID/identities"),
        ("POST", f"{MANAGER}/ca/internal", "evercert authority ca"),
        ("GET", f"{MANAGER}/ca/acme", "evercert authority ca"),
        ("POST", "/api/v1/pki/certificates/x/revoke", f"POST {CERTIFICATES}"),
        ("DELETE", f"{CERTIFICATES}/x", "revoke"),
        ("POST", "/api/v1/auth/ldap-auth/identities/x", "universal-auth"),
        ("POST", "/api/v1/identities", "/api/v1/projects/ID/identities"),
        ("POST", "/api/v1/projects", "evercert authority project create"),
    ],
)
def test_calls_not_offered_name_the_remedy(client: Client, method: str, path: str, remedy: str) -> None:
    response = client.call(method, path, {} if method != "GET" else None)
    found: dict[str, Any] = response.json
    assert (response.status, found["statusCode"], found["error"]) == (501, 501, "NotImplemented")
    assert remedy in found["message"]
    assert client.written == (0, 0, 0)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", f"{CERTIFICATES}/x"), ("GET", f"{CERTIFICATES}/x/config"), ("GET", "/api/v1/secrets"), ("PUT", "/x")],
)
def test_other_unknown_calls_are_not_found(client: Client, method: str, path: str) -> None:
    assert client.call(method, path).status == 404


@pytest.mark.parametrize("path", [f"{MANAGER}/ca/x/y/z", "/api/v1/pki/certificates/x/y", "/api/v1/organizations/x"])
def test_unknown_read_is_not_found(client: Client, path: str) -> None:
    assert client.get(path).status == 404
