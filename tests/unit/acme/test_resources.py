"""Directories, orders, authorizations and challenges: complete, with missing members, and with other values."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from evercert.acme.problem import Problem
from evercert.acme.resources import LONGEST_URL, MOST_ENTRIES, Authorization, Challenge, Directory, Order
from tests.samples import acme

CA = acme.CA
EXPIRY = datetime(2026, 1, 20, 14, 9, 7, tzinfo=UTC)
NOT_URLS = [
    pytest.param(5, id="number"),
    pytest.param("", id="empty"),
    pytest.param(["https://a.example/"], id="list"),
    pytest.param("https://a.example/\r\nX: y", id="line end"),
    pytest.param("https://a.example/\x00", id="zero"),
    pytest.param("https://a.example/" + "x" * LONGEST_URL, id="long"),
]
REQUIRED: list[Any] = [
    pytest.param(parse, body, name, id=f"{body.__name__} {name}")
    for parse, body, names in (
        (Directory.of, acme.directory, ("newNonce", "newAccount", "newOrder")),
        (Order.of, acme.order, ("status", "finalize", "authorizations")),
        (Authorization.of, acme.authorization, ("identifier", "status")),
        (Challenge.of, acme.challenge, ("type", "url", "status")),
    )
    for name in names
]
Body = Callable[[], dict[str, Any]]


# -- members that every parser needs ----------------------------------------------------------------------------------
@pytest.mark.parametrize(("parse", "body", "name"), REQUIRED)
def test_parsers_refuse_a_missing_member(parse: Callable[[Any], object], body: Body, name: str) -> None:
    parse(body())
    without = {key: value for key, value in body().items() if key != name}
    with pytest.raises(ValueError):
        parse(without)


@pytest.mark.parametrize(("parse", "body", "name"), REQUIRED)
@pytest.mark.parametrize("value", [None, 5, True, {}], ids=["null", "number", "true", "object"])
def test_parsers_refuse_other_types(parse: Callable[[Any], object], body: Body, name: str, value: object) -> None:
    with pytest.raises(ValueError):
        parse({**body(), name: value})


@pytest.mark.parametrize("value", [None, [], "x", 5], ids=["null", "list", "text", "number"])
@pytest.mark.parametrize("kind", [Directory, Order, Authorization, Challenge], ids=lambda kind: kind.__name__)
def test_parsers_refuse_what_is_no_object(kind: Any, value: object) -> None:
    with pytest.raises(ValueError, match="JSON object"):
        kind.of(value)


@pytest.mark.parametrize(
    ("parse", "body"),
    [
        pytest.param(Directory.of, acme.directory, id="directory"),
        pytest.param(Order.of, acme.order, id="order"),
        pytest.param(Authorization.of, acme.authorization, id="authorization"),
    ],
)
def test_parsers_ignore_unknown_members(parse: Callable[[Any], object], body: Body) -> None:
    assert parse({**body(), "future": {"a": [1]}}) == parse(body())


# -- directory --------------------------------------------------------------------------------------------------------
def test_directory_reads_every_member() -> None:
    assert Directory.of(acme.directory()) == Directory(
        new_nonce=f"{CA}newNonce",
        new_account=f"{CA}newAccount",
        new_order=f"{CA}newOrder",
        revoke_certificate=f"{CA}revokeCert",
        key_change=f"{CA}keyChange",
        renewal_info=f"{CA}renewalInfo",
        terms_of_service=f"{CA}terms",
        needs_external_account=True,
        profiles={"classic": "90 days", "shortlived": f"{CA}profiles#shortlived"},
    )


def test_directory_needs_three_members_only() -> None:
    found = Directory.of({name: f"{CA}{name}" for name in ("newNonce", "newAccount", "newOrder")})
    assert found == Directory(f"{CA}newNonce", f"{CA}newAccount", f"{CA}newOrder")
    assert found.renewal_info is None


@pytest.mark.parametrize("name", ["newNonce", "newAccount", "newOrder", "revokeCert", "keyChange", "renewalInfo"])
@pytest.mark.parametrize("value", NOT_URLS)
def test_directory_refuses_invalid_urls(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{name} is missing or not a URL$"):
        Directory.of({**acme.directory(), name: value})


@pytest.mark.parametrize("meta", [None, [], "x", 5, {}], ids=["null", "list", "text", "number", "empty"])
def test_directory_accepts_any_meta(meta: object) -> None:
    found = Directory.of({**acme.directory(), "meta": meta})
    assert (found.terms_of_service, found.needs_external_account, found.profiles) == (None, False, {})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(True, True, id="true"),
        pytest.param(False, False, id="false"),
        pytest.param("true", False, id="text"),
        pytest.param(1, False, id="number"),
    ],
)
def test_directory_needs_an_external_account_if_true(value: object, expected: bool) -> None:
    found = Directory.of({**acme.directory(), "meta": {"externalAccountRequired": value}})
    assert found.needs_external_account is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param({"a": "b"}, {"a": "b"}, id="profile"),
        pytest.param({"a\x1b": "b\r\nc"}, {"a": "b c"}, id="control characters"),
        pytest.param({"a": None, "b": 5}, {"a": "None", "b": "5"}, id="other descriptions"),
        pytest.param(["a"], {}, id="list"),
        pytest.param(None, {}, id="null"),
    ],
)
def test_directory_reads_profiles(value: object, expected: dict[str, str]) -> None:
    assert Directory.of({**acme.directory(), "meta": {"profiles": value}}).profiles == expected


def test_directory_reads_a_bounded_number_of_profiles() -> None:
    profiles = {f"profile-{number}": "x" * 1_000 for number in range(5_000)}
    found = Directory.of({**acme.directory(), "meta": {"profiles": profiles}}).profiles
    assert len(found) == MOST_ENTRIES
    assert {len(text) for text in found.values()} == {300}


# -- order ------------------------------------------------------------------------------------------------------------
def test_order_reads_every_member() -> None:
    body = {**acme.order(), "error": {"type": f"{acme.URN}caa", "detail": "forbidden"}}
    assert Order.of(body) == Order(
        status="valid",
        finalize=f"{CA}order/1/finalize",
        authorizations=(f"{CA}authz/1", f"{CA}authz/2"),
        certificate=f"{CA}cert/1",
        error=Problem("caa", "forbidden"),
        expires=EXPIRY.replace(microsecond=990_000),
    )


def test_order_needs_three_members_only() -> None:
    found = Order.of({"status": "pending", "finalize": f"{CA}f", "authorizations": []})
    assert found == Order("pending", f"{CA}f", ())


@pytest.mark.parametrize("value", NOT_URLS)
def test_order_refuses_invalid_urls(value: object) -> None:
    for name in ("finalize", "certificate"):
        with pytest.raises(ValueError, match=f"^{name} is missing or not a URL$"):
            Order.of({**acme.order(), name: value})
    with pytest.raises(ValueError, match=r"^authorizations is missing or not a URL$"):
        Order.of({**acme.order(), "authorizations": [f"{CA}authz/1", value]})


def test_order_refuses_too_many_authorizations() -> None:
    urls = [f"{CA}authz/{number}" for number in range(MOST_ENTRIES + 1)]
    assert len(Order.of({**acme.order(), "authorizations": urls[:-1]}).authorizations) == MOST_ENTRIES
    with pytest.raises(ValueError, match=f"up to {MOST_ENTRIES} authorizations"):
        Order.of({**acme.order(), "authorizations": urls})


def test_order_has_a_printable_status() -> None:
    assert Order.of({**acme.order(), "status": "future\x1b[2J"}).status == "future [2J"
    assert len(Order.of({**acme.order(), "status": "x" * 1_000}).status) == 40


@pytest.mark.parametrize("error", [None, "x", 5, [], {}, {"status": 5}])
def test_order_ignores_an_error_that_is_no_problem(error: object) -> None:
    assert Order.of({**acme.order(), "error": error}).error is None


# -- challenge and authorization --------------------------------------------------------------------------------------
def test_authorization_reads_every_member() -> None:
    found = Authorization.of(acme.authorization())
    assert (found.kind, found.name, found.status, found.wildcard) == ("dns", "example.org", "pending", True)
    assert found.expires == EXPIRY
    assert [challenge.type for challenge in found.challenges] == ["http-01", "dns-01", "device-attest-01"]
    assert found.problem is None


def test_challenge_keeps_members_of_unknown_types() -> None:
    found = Authorization.of(acme.authorization()).challenges[2]
    assert found.token is None
    assert found.fields["nonce"] == "x"


def test_challenge_reads_every_member() -> None:
    body = {**acme.challenge(), "error": {"type": f"{acme.URN}connection", "detail": "refused"}}
    found = Challenge.of(body)
    assert (found.type, found.url, found.status) == ("http-01", f"{CA}chall/http-01", "pending")
    assert found.token == acme.TOKEN
    assert found.error == Problem("connection", "refused")


@pytest.mark.parametrize("token", [None, 5, [], {}], ids=["null", "number", "list", "object"])
def test_challenge_has_no_token_of_another_type(token: object) -> None:
    assert Challenge.of({**acme.challenge(), "token": token}).token is None


def test_challenge_has_a_printable_type_and_status() -> None:
    found = Challenge.of({**acme.challenge(), "type": "new\x1b[2J", "status": "a\r\nb"})
    assert (found.type, found.status) == ("new [2J", "a b")


def test_challenge_never_prints_its_members() -> None:
    assert "hidden" not in repr(Challenge.of({**acme.challenge(), "more": "hidden"}))


@pytest.mark.parametrize("value", NOT_URLS)
def test_challenge_refuses_invalid_urls(value: object) -> None:
    with pytest.raises(ValueError, match=r"^url is missing or not a URL$"):
        Challenge.of({**acme.challenge(), "url": value})


def test_authorization_without_challenges_has_none() -> None:
    """A CA may leave them out of an authorization that needs no more proof."""
    body = {name: value for name, value in acme.authorization().items() if name != "challenges"}
    assert Authorization.of(body).challenges == ()


@pytest.mark.parametrize(
    "challenges",
    [
        pytest.param(None, id="null"),
        pytest.param({}, id="object"),
        pytest.param("http-01", id="text"),
        pytest.param([5], id="list of numbers"),
        pytest.param([{"type": "http-01"}], id="challenge without url"),
        pytest.param([acme.challenge()] * (MOST_ENTRIES + 1), id="huge list"),
    ],
)
def test_authorization_refuses_other_challenges(challenges: object) -> None:
    with pytest.raises(ValueError):
        Authorization.of({**acme.authorization(), "challenges": challenges})


@pytest.mark.parametrize(
    "identifier",
    [
        pytest.param("example.org", id="text"),
        pytest.param({}, id="empty"),
        pytest.param({"type": "dns"}, id="no value"),
        pytest.param({"type": "dns", "value": 5}, id="number"),
    ],
)
def test_authorization_refuses_other_identifiers(identifier: object) -> None:
    with pytest.raises(ValueError, match="with an identifier"):
        Authorization.of({**acme.authorization(), "identifier": identifier})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(True, True, id="true"),
        pytest.param(False, False, id="false"),
        pytest.param("false", False, id="text"),
        pytest.param(1, False, id="number"),
    ],
)
def test_authorization_is_for_a_wildcard_if_true(value: object, expected: bool) -> None:
    assert Authorization.of({**acme.authorization(), "wildcard": value}).wildcard is expected


def test_authorization_has_a_printable_name() -> None:
    found = Authorization.of({**acme.authorization(), "identifier": {"type": "d\nns", "value": "a\x1b[2Jb"}})
    assert (found.kind, found.name) == ("d ns", "a [2Jb")


def test_problem_is_that_of_the_first_failed_challenge() -> None:
    body = acme.authorization()
    body["challenges"][1]["error"] = {"type": f"{acme.URN}dns", "detail": "no record"}
    body["challenges"][2]["error"] = {"type": f"{acme.URN}caa"}
    assert Authorization.of(body).problem == Problem("dns", "no record")


@pytest.mark.parametrize("value", [None, "", "soon", 5, "2026-02-30T00:00:00Z", "9999-12-31T23:59:59-14:00"])
def test_expiry_that_does_not_parse_is_ignored(value: object) -> None:
    assert Order.of({**acme.order(), "expires": value}).expires is None
    assert Authorization.of({**acme.authorization(), "expires": value}).expires is None
