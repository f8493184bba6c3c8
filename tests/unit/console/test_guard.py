"""Guard: what another user, another site and another host are refused."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from evercert.console.guard import HEADERS, MOST_BYTES
from tests.doubles.console import HOST, ORIGIN, PORT, FakeConsole

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def closed() -> FakeConsole:
    """A console into which no browser has signed in."""
    found = FakeConsole()
    found.store("web")
    return found


def test_first_load_exchanges_the_token_for_a_cookie(closed: FakeConsole) -> None:
    answer = closed.client.get(f"/?token={closed.session.token}")
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", f"Path={closed.session.path}"} <= set(cookie.split("; "))
    assert answer.headers["refresh"] == f"0; url={closed.session.path}/"
    assert closed.session.token not in answer.text
    assert closed.page("/").status_code == 200


def test_token_works_once(closed: FakeConsole) -> None:
    closed.sign_in()
    other = TestClient(closed.app, base_url=ORIGIN)
    answer = other.get(f"/?token={closed.session.token}")
    assert answer.status_code == 403
    assert "restart the command" in answer.text


@pytest.mark.parametrize("token", ["", "x", "ä" * 43], ids=["empty", "wrong", "not-ascii"])
def test_wrong_token_is_refused_and_uses_nothing_up(closed: FakeConsole, token: str) -> None:
    assert closed.client.get("/", params={"token": token}).status_code == 403
    closed.sign_in()


@pytest.mark.parametrize("path", ["/", "/certificates", "/static/console.css", "/certificate?name=web"])
def test_another_user_sees_nothing(closed: FakeConsole, path: str) -> None:
    closed.sign_in()
    other = TestClient(closed.app, base_url=ORIGIN)
    answer = other.get(f"{closed.session.path}{path}")
    assert answer.status_code == 403
    assert "web" not in answer.text
    other.cookies.set(f"evercert-console-{PORT}", "guess")
    assert other.get(f"{closed.session.path}{path}").status_code == 403


def test_cookie_is_refused_before_the_exchange(closed: FakeConsole) -> None:
    closed.client.cookies.set(f"evercert-console-{PORT}", closed.session.cookie)
    assert closed.page("/").status_code == 403


@pytest.mark.parametrize(
    "host",
    [
        "rebound.example.com",
        f"rebound.example.com:{PORT}",
        "127.0.0.1",
        f"127.0.0.1:{PORT}",
        f"localhost:{PORT}",
        HOST,
        f"x{HOST}:{PORT}",
        "",
    ],
)
def test_another_host_is_refused(console: FakeConsole, host: str) -> None:
    """DNS rebinding: the browser sends the name of the other site."""
    answer = console.client.get(f"{console.session.path}/", headers={"Host": host})
    assert answer.status_code == 421


@pytest.mark.parametrize("host", [f"{HOST}:{PORT}", f"{HOST.upper()}:{PORT}"])
def test_hosts_of_loopback_pass(console: FakeConsole, host: str) -> None:
    assert console.client.get(f"{console.session.path}/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin", [None, "https://evil.example.com", "null", "http://127.0.0.1:9", "http://localhost:8123", f"https://{HOST}:{PORT}"]
)  # fmt: skip
def test_form_of_another_site_is_refused(console: FakeConsole, origin: str | None) -> None:
    console.store("web")
    answer = console.post("/certificate/renew", origin=origin, name="web")
    assert answer.status_code == 403
    assert console.table.record("web").requested_at is None  # type: ignore[union-attr]


def test_page_of_another_site_that_reads_is_refused(console: FakeConsole) -> None:
    answer = console.client.get(f"{console.session.path}/", headers={"Origin": "https://evil.example.com"})
    assert answer.status_code == 403


@pytest.mark.parametrize("csrf", ["", "x", "ä"], ids=["empty", "wrong", "not-ascii"])
def test_form_without_its_token_is_refused(console: FakeConsole, csrf: str) -> None:
    console.store("web")
    assert console.post("/certificate/renew", csrf=csrf, name="web").status_code == 403
    assert console.table.record("web").requested_at is None  # type: ignore[union-attr]


@pytest.mark.parametrize("content", ["text/plain", "application/json", "multipart/form-data; boundary=x"])
def test_body_that_is_no_form_is_refused(console: FakeConsole, content: str) -> None:
    body = f"csrf={console.session.csrf}&name=web"
    headers = {"Origin": ORIGIN, "Content-Type": content}
    answer = console.client.post(f"{console.session.path}/certificate/renew", content=body, headers=headers)
    assert answer.status_code == 403


def test_token_in_a_header_is_accepted(console: FakeConsole) -> None:
    headers = {"Origin": ORIGIN, "X-CSRF-Token": console.session.csrf}
    assert console.client.post(f"{console.session.path}/refresh", headers=headers).status_code == 303


@pytest.mark.parametrize(
    ("body", "status"), [(b"x" * (MOST_BYTES + 1), 413), (b"&".join([b"a=b"] * 2_000), 403)], ids=["size", "fields"]
)
def test_large_form_is_refused(console: FakeConsole, body: bytes, status: int) -> None:
    headers = {"Origin": ORIGIN, "Content-Type": FORM}
    assert console.client.post(f"{console.session.path}/refresh", content=body, headers=headers).status_code == status


def test_cross_site_form_with_a_forged_origin_is_refused(console: FakeConsole) -> None:
    headers = {"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site", "X-CSRF-Token": console.session.csrf}
    assert console.client.post(f"{console.session.path}/refresh", headers=headers).status_code == 403


@pytest.mark.parametrize("path", ["/", "/static/console.css", "/no-such-page", "/certificate?name=missing"])
def test_every_response_has_the_headers(console: FakeConsole, path: str) -> None:
    answer = console.client.get(f"{console.session.path}{path}")
    assert {name: answer.headers[name] for name in HEADERS} == dict(HEADERS)
    assert answer.headers["cache-control"] == "no-store"


def test_refusals_have_the_headers_too(closed: FakeConsole) -> None:
    assert closed.page("/").headers["content-security-policy"].startswith("default-src 'none'")


def test_policy_allows_no_inline_code() -> None:
    policy = HEADERS["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "*" not in policy


def test_secrets_are_in_no_representation(console: FakeConsole) -> None:
    shown = repr(console.session)
    secrets = (console.session.token, console.session.cookie, console.session.csrf)
    assert not [secret for secret in secrets if secret in shown]


@pytest.mark.parametrize("secret", ["token", "cookie"])
def test_secrets_are_on_no_page(console: FakeConsole, secret: str) -> None:
    console.store("web")
    for path in ("/", "/certificates", "/certificate?name=web", "/issuers", "/doctor", "/events", "/certificates/new"):
        found: Any = console.client.get(f"{console.session.path}{path}")
        assert getattr(console.session, secret) not in found.text
