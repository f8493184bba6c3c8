"""Pages of the authority: configuration, approvals, revocation, documents, and the plan of a CA."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from evercert.authority.configuration.document import AuthorityDocument, Known, read
from evercert.console.pages.authority_document import START
from tests.doubles.console import FakeAuthority, FakeConsole, readable

HOSTILE = "<script>alert(1)</script>\x1b[2J"


def test_authority_lists_its_configuration(console: FakeConsole) -> None:
    text = console.text("/authority")
    assert "issuing-ec active Kind issuing Ends 2030" in text
    assert "shop/web Policy issuing-ec Document" in text
    assert "Identities None." in text


def test_hostile_text_of_the_authority_is_harmless() -> None:
    console = FakeConsole(authority=FakeAuthority(text=HOSTILE)).sign_in()
    for path in ("/authority", "/authority/requests", "/authority/issued"):
        html = console.page(path).text
        assert "<script>alert" not in html
        assert "\x1b" not in html
        assert "\\x1b[2J" in html


@pytest.mark.parametrize(("decision", "approved"), [("approve", True), ("reject", False)])
def test_request_is_decided(console: FakeConsole, authority: FakeAuthority, decision: str, approved: bool) -> None:
    assert "issuing-ec" in console.text("/authority/requests")
    text = console.followed(console.post("/authority/requests", request="r-1", reason="release 42", decision=decision))
    assert authority.decided == [("r-1", "release 42", approved)]
    assert ("Approved: approved." if approved else "Rejected: rejected.") in text


@pytest.mark.parametrize("decision", ["", "x"])
def test_no_decision_approves_nothing(console: FakeConsole, authority: FakeAuthority, decision: str) -> None:
    console.post("/authority/requests", request="r-1", decision=decision)
    assert not [one for one in authority.decided if one[2]]


def test_enter_in_the_reason_decides_nothing(console: FakeConsole) -> None:
    """The first button of a form is the one that Enter presses; a disabled one is none."""
    html = console.page("/authority/requests").text.partition("<article")[2]
    assert html.index("<button disabled hidden>") < html.index('value="approve"')


def test_search_of_issued_certificates(console: FakeConsole) -> None:
    assert "The 100 that expire soonest." in console.text("/authority/issued")
    assert "The first 100 matches" in console.text("/authority/issued", search="www.example.com")
    answer = console.page("/authority/issued", search="*.com")
    assert (answer.status_code, "the search is too broad" in readable(answer.text)) == (422, True)


def test_refused_decision_is_shown(console: FakeConsole) -> None:
    assert "request r-9: not found" in console.followed(
        console.post("/authority/requests", request="r-9", decision="approve")
    )


def test_revocation_needs_the_serial_number(console: FakeConsole, authority: FakeAuthority) -> None:
    form = {"certificate": "c-1", "serial": "4d", "reason": "SUPERSEDED"}
    assert "Nothing was revoked" in console.followed(console.post("/authority/revoke", typed="4e", **form))
    assert "Nothing was revoked" in console.followed(
        console.post("/authority/revoke", typed="", **{**form, "serial": ""})
    )
    assert authority.revoked == []
    assert "Revoked; the published CRL lists it." in console.followed(
        console.post("/authority/revoke", typed="4D", **form)
    )
    assert authority.revoked == [("c-1", "SUPERSEDED")]


def test_document_of_a_profile_is_edited(console: FakeConsole, authority: FakeAuthority) -> None:
    assert "profiles: [shop/web]" in console.text("/authority/document", profile="shop/web")
    assert console.page("/authority/document", profile="other").status_code == 409
    answer = console.post("/authority/plan", document="version: authority/v1")
    assert f'action="{console.session.path}/authority/apply"' in answer.text
    assert console.post("/authority/plan", document="bad").status_code == 422
    assert authority.documents.applied == []
    assert "Applied." in console.followed(console.post("/authority/apply", document="version: authority/v1"))
    assert authority.documents.applied == ["version: authority/v1"]


def test_first_document_names_the_cas_of_the_stack(console: FakeConsole) -> None:
    assert "cas: [issuing-ec]" in console.text("/authority/document")


def test_first_document_is_valid() -> None:
    found: Any = read(yaml.safe_load(START), "evercert", Known(cas=("issuing-ec", "issuing-rsa")))
    assert isinstance(found, AuthorityDocument), found
    assert [profile.key for profile in found.profiles] == ["my-project/web-servers"]


def test_ca_is_planned_with_its_command(console: FakeConsole) -> None:
    assert "Plan an issuing CA" in console.text("/authority/ca")
    text = console.text("/authority/ca", name="issuing-2", algorithm="EC_prime256v1")
    assert "evercert authority init --issuing issuing-2=EC_prime256v1" in text
    answer = console.page("/authority/ca", name="root")
    assert (answer.status_code, "the name root is taken" in readable(answer.text)) == (422, True)


@pytest.mark.parametrize("path", ["/authority/requests", "/authority/revoke", "/authority/apply", "/authority/issue"])
def test_read_only_changes_nothing(authority: FakeAuthority, path: str) -> None:
    console = FakeConsole(authority=authority, read_only=True).sign_in()
    form = {
        "request": "r-1",
        "decision": "approve",
        "certificate": "c-1",
        "serial": "4d",
        "typed": "4d",
        "document": "x",
    }
    assert console.post(path, **form).status_code in (404, 405)
    assert (authority.decided, authority.revoked, authority.documents.applied) == ([], [], [])
    assert authority.issuance.requests == []
    assert "Approve" not in console.text("/authority/requests").replace("Approvals", "").replace("approval", "")


def test_chain_of_an_issued_certificate(console: FakeConsole) -> None:
    answer = console.page("/authority/issued/chain.pem", certificate="c-1")
    assert answer.text.startswith("-----BEGIN CERTIFICATE-----")
    assert answer.headers["content-disposition"] == 'attachment; filename="fullchain.pem"'
    assert console.page("/authority/issued/chain.pem", certificate="c-2").status_code == 409
