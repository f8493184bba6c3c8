"""The page that requests a certificate from the authority: fields, key, approvals and mistakes."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.doubles.console import KEY, FakeAuthority, FakeConsole, readable

FORM = {"profile": "shop/web", "identity": "i-1", "made-by": "authority", "algorithm": "EC_prime256v1", "token": "t-1"}


@pytest.fixture
def authority() -> FakeAuthority:
    return FakeAuthority()


@pytest.fixture
def console(authority: FakeAuthority) -> FakeConsole:
    return FakeConsole(authority=authority).sign_in()


def issue(console: FakeConsole, **form: Any) -> Any:
    return console.post("/authority/issue", **{**FORM, **form})


def test_form_offers_profiles_and_identities(console: FakeConsole) -> None:
    html = console.page("/authority/issue").text
    assert '<option value="i-1">operators</option>' in html
    assert "<option>shop/web</option>" in html
    assert "Ed25519" not in html


def test_key_of_the_authority_is_shown_once(console: FakeConsole, authority: FakeAuthority) -> None:
    answer = issue(console, **{"common-name": "a.example.com", "alt-names": "a.example.com\r\nip:192.0.2.1"})
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert KEY.splitlines()[1] in answer.text
    assert "shows the private key here once" in readable(answer.text)
    (request,) = authority.issuance.requests
    assert request.names == ["a.example.com", "ip:192.0.2.1"]
    assert (request.common_name, request.csr, request.token) == ("a.example.com", "", "t-1")
    assert KEY.splitlines()[1] not in console.page("/authority/issued").text


@pytest.mark.parametrize("made_by", ["browser", "csr"])
def test_csr_is_sent_instead_of_names(console: FakeConsole, authority: FakeAuthority, made_by: str) -> None:
    answer = issue(console, **{"made-by": made_by, "csr": "-----BEGIN CERTIFICATE REQUEST-----"})
    assert "private key" not in readable(answer.text)
    assert authority.issuance.requests[0].csr == "-----BEGIN CERTIFICATE REQUEST-----"


def test_csr_of_another_choice_is_not_sent(console: FakeConsole, authority: FakeAuthority) -> None:
    issue(console, csr="-----BEGIN CERTIFICATE REQUEST-----")
    assert authority.issuance.requests[0].csr == ""


def test_approval_is_awaited_and_fetched(console: FakeConsole, authority: FakeAuthority) -> None:
    html = issue(console, profile="shop/waits", **{"alt-names": "a.example.com\nb.example.com"}).text
    assert "Request r-7 waits for an approval." in readable(html)
    fields = dict(re.findall(r'<input type="hidden" name="([\w-]+)" value="([^"]*)">', html))
    answer = console.post("/authority/issue", **{key: value for key, value in fields.items() if key != "csrf"})
    assert KEY.splitlines()[1] in answer.text
    first, second = authority.issuance.requests
    assert (second.request, second.token, second.names) == ("r-7", first.token, first.names)


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [("ttl", "bad", "attributes.ttl: invalid duration"), ("common-name", "denied.example.com", "the policy refuses")],
)
def test_mistake_keeps_the_fields(console: FakeConsole, field: str, value: str, problem: str) -> None:
    answer = issue(console, **{"alt-names": "<b>a.example.com", field: value})
    assert (answer.status_code, problem in readable(answer.text)) == (422, True)
    assert "&lt;b&gt;a.example.com" in answer.text
    assert f'value="{value}"' in answer.text
    assert 'name="token" value="t-1"' not in answer.text


def test_requests_without_a_token_differ(console: FakeConsole, authority: FakeAuthority) -> None:
    for _ in range(2):
        issue(console, token="")
    first, second = authority.issuance.requests
    assert first.token != second.token
