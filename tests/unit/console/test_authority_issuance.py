"""The pages that request a certificate from the authority: fields, key, approvals, mistakes and lost answers."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest

from evercert.errors import AnswerLost, EvercertError, GaveUp, Misconfigured, Rejected
from tests.doubles.console import KEY, FakeAuthority, FakeConsole, readable

FORM = {"profile": "shop/web", "identity": "i-1", "made-by": "authority", "algorithm": "EC_prime256v1", "token": "t-1"}
CSR = "-----BEGIN CERTIFICATE REQUEST-----"


def issue(console: FakeConsole, **form: Any) -> Any:
    return console.post("/authority/issue", **{**FORM, **form})


def fields(html: str) -> dict[str, str]:
    """Return the hidden and visible fields of the last form of a page."""
    found = dict(re.findall(r'<input type="hidden" name="([\w-]+)" value="([^"]*)">', html))
    found |= dict(re.findall(r'<textarea name="([\w-]+)"[^>]*>([^<]*)</textarea>', html))
    return {name: unescape(value) for name, value in found.items() if name != "csrf"}


def test_form_offers_profiles_and_identities(console: FakeConsole) -> None:
    html = console.page("/authority/issue").text
    assert '<option value="i-1">operators</option>' in html
    assert "<option>shop/web</option>" in html
    assert html.count('<option value="">choose one</option>') == 2
    assert "Ed25519" not in html


def test_key_of_the_authority_is_shown_once(console: FakeConsole, authority: FakeAuthority) -> None:
    answer = issue(console, **{"common-name": "a.example.com", "alt-names": "a.example.com\r\nip:192.0.2.1"})
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert KEY.splitlines()[1] in answer.text
    assert "the console shows it once" in readable(answer.text)
    (request,) = authority.issuance.requests
    assert request.names == ["a.example.com", "ip:192.0.2.1"]
    assert (request.common_name, request.csr, request.token) == ("a.example.com", "", "t-1")


@pytest.mark.parametrize("made_by", ["browser", "csr"])
def test_csr_is_sent_instead_of_names(console: FakeConsole, authority: FakeAuthority, made_by: str) -> None:
    answer = issue(console, **{"made-by": made_by, "csr": CSR})
    assert "private key" not in readable(answer.text)
    assert authority.issuance.requests[0].csr == CSR


@pytest.mark.parametrize(
    "form",
    [
        {"made-by": "csr"},
        {"made-by": "browser"},
        {"made-by": ""},
        {"made-by": "other", "csr": CSR},
        {"made-by": "authority", "csr": CSR},
        {"made-by": "csr", "csr": "-----BEGIN PRIVATE KEY-----\nMIGH"},
    ],
    ids=["no request", "no script", "no choice", "unknown", "both", "a private key"],
)
def test_key_is_generated_where_the_person_chose(
    console: FakeConsole, authority: FakeAuthority, form: dict[str, str]
) -> None:
    answer = issue(console, **form)
    assert answer.status_code == 422
    assert authority.issuance.requests == []
    assert "MIGH" not in answer.text


def test_pending_request_is_fetched_from_its_address(console: FakeConsole, authority: FakeAuthority) -> None:
    form = {"profile": "shop/waits", "alt-names": "a.example.com\nb.example.com", "ttl": "20d"}
    address = issue(console, **form).headers["location"]
    html = console.client.get(address).text
    assert "Request r-7 Another person must approve it under Requests" in readable(html)
    answer = console.post("/authority/issue/request", **fields(html))
    assert KEY.splitlines()[1] in answer.text
    first, second = authority.issuance.requests
    assert (second.request_id, second.token, second.names, second.ttl) == ("r-7", first.token, first.names, "20d")


@pytest.mark.parametrize(("error", "status"), [(Misconfigured("expired"), 502), (Rejected("was rejected"), 409)])
def test_failed_fetch_keeps_the_request(
    console: FakeConsole, authority: FakeAuthority, error: EvercertError, status: int
) -> None:
    address = issue(console, profile="shop/waits").headers["location"]
    authority.issuance.error = error
    answer = console.post("/authority/issue/request", **fields(console.client.get(address).text))
    assert (answer.status_code, str(error) in readable(answer.text)) == (status, True)
    authority.issuance.error = None
    assert KEY.splitlines()[1] in console.post("/authority/issue/request", **fields(answer.text)).text
    assert [one.request_id for one in authority.issuance.requests] == ["", "r-7", "r-7"]


def test_request_that_is_still_open_says_so(console: FakeConsole, authority: FakeAuthority) -> None:
    html = console.client.get(issue(console, profile="shop/waits").headers["location"]).text
    again = console.post("/authority/issue/request", **{**fields(html), "id": ""})
    assert "Not issued yet." in readable(again.text)


@pytest.mark.parametrize(
    ("error", "is_same"),
    [
        (AnswerLost("the answer was lost"), True),
        (Misconfigured("not allowed"), True),
        (Rejected("the policy refuses it"), False),
        (GaveUp("the request failed"), False),
    ],
)
def test_lost_answer_keeps_the_token(
    console: FakeConsole, authority: FakeAuthority, error: EvercertError, is_same: bool
) -> None:
    """With another token, the second attempt could issue a second certificate."""
    authority.issuance.error = error
    answer = issue(console, **{"made-by": "browser", "csr": CSR})
    assert (answer.status_code, str(error) in readable(answer.text)) == (422, True)
    assert (fields(answer.text)["token"] == "t-1") is is_same
    assert ("never issues a second certificate" in answer.text) is isinstance(error, AnswerLost)
    chosen = "csr" if is_same else "browser"
    assert f'value="{chosen}" checked' in answer.text


def test_mistake_keeps_the_fields(console: FakeConsole) -> None:
    form = {"alt-names": "<b>a.example.com", "ttl": "bad", "common-name": 'a"b', "algorithm": "RSA_3072"}
    answer = issue(console, **form)
    assert (answer.status_code, "ttl: invalid duration" in readable(answer.text)) == (422, True)
    assert fields(answer.text)["alt-names"] == "<b>a.example.com"
    for part in ('value="bad"', 'value="a&#34;b"', '"RSA_3072" selected', '"i-1" selected', "selected>shop/web"):
        assert part in answer.text
    assert fields(answer.text)["token"] != "t-1"


def test_expired_login_keeps_the_fields(console: FakeConsole, authority: FakeAuthority) -> None:
    authority.issuance.error, authority.issuance.expired = Misconfigured("the AWS login has expired"), True
    answer = issue(console, **{"made-by": "csr", "csr": CSR})
    assert answer.status_code == 422
    assert fields(answer.text)["csr"] == CSR
    assert '"i-1" selected' in answer.text


def test_requests_without_a_token_differ(console: FakeConsole, authority: FakeAuthority) -> None:
    for _ in range(2):
        issue(console, token="")
    first, second = authority.issuance.requests
    assert first.token != second.token


@pytest.mark.parametrize("path", ["/authority/issue", "/authority/issue/request"])
def test_read_only_console_has_no_form(authority: FakeAuthority, path: str) -> None:
    console = FakeConsole(authority=authority, read_only=True).sign_in()
    assert console.page(path).status_code in (404, 405)
    assert "Issue a certificate" not in console.text("/authority")
