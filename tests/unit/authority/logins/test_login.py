"""Logins by their paths: bodies, client secrets and lockouts (contract §A.2, §A.6, §A.8)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from evercert.authority.api_errors import Refusal
from evercert.authority.configuration.identity import AWSLogin, ClientSecret, Identity, UniversalLogin
from evercert.authority.logins.access_tokens import AccessTokens
from evercert.authority.logins.aws_iam import AWSAuth
from evercert.authority.logins.login import LoginService
from evercert.authority.logins.sts_request import Rules
from evercert.authority.logins.universal_auth import UniversalAuth
from tests.doubles.authority.access_tokens import FakeTokens
from tests.doubles.authority.authority import Setting
from tests.doubles.authority.sts import ARN, KEY, REGION, SECRET, SESSION, Asking, FakeSts
from tests.doubles.fakes import START, HandClock
from tests.doubles.infisical.sts import Sts

RIGHT, WRONG = "canary-right", "canary-wrong"
INVALID = (401, "Unauthorized", "Invalid credentials")
LOCKED = (401, "Unauthorized", "This identity auth method is temporarily locked, please try again later")


def secret(text: str, **more: Any) -> ClientSecret:
    digest = hashlib.sha256(text.encode()).hexdigest()
    return ClientSecret.model_construct(id=f"id-{text}", digest=digest, created_at=START, **more)


@dataclass
class Bench:
    """One identity with both logins."""

    secrets: tuple[ClientSecret, ...] = (secret("another"), secret(RIGHT), secret("a third"))
    lockout: dict[str, Any] = field(default_factory=dict)
    clock: HandClock = field(default_factory=HandClock)
    tokens: FakeTokens = field(default_factory=FakeTokens)

    def __post_init__(self) -> None:
        universal = UniversalLogin.model_validate({"client-id": "client", **self.lockout})
        self.one = Identity(
            id="one",
            name="one",
            aws=AWSLogin(principals=("*",)),
            universal=universal.model_copy(update={"secrets": self.secrets}),
        )
        sts = Sts(clock=self.clock)
        sts.add(KEY, SECRET, session_token=SESSION, arn=ARN)
        self.sts = FakeSts(sts)
        self.access = AccessTokens(self.tokens, self, self.clock)  # type: ignore[arg-type]
        rules = Rules(frozenset({REGION}), "https://ca.example")
        self.logging_in = LoginService(
            self.access,
            UniversalAuth(self, self.tokens, self.clock),  # type: ignore[arg-type]
            AWSAuth(self, self.tokens, self.sts, rules, self.clock),  # type: ignore[arg-type]
        )

    def identity(self, identity_id: str) -> Identity | None:
        return self.one if identity_id == "one" else None

    def identity_of_client(self, client_id: str) -> Identity | None:
        return self.one if client_id == "client" else None

    def universal(self, given: str = RIGHT, client: str = "client", **more: Any) -> dict[str, Any]:
        return self.logging_in.login("universal-auth", {"clientId": client, "clientSecret": given, **more})

    def told(self, given: str = RIGHT, client: str = "client", **more: Any) -> tuple[int, str, str]:
        with pytest.raises(Refusal) as refusal:
            self.universal(given, client, **more)
        assert "canary" not in str(refusal.value)
        return refusal.value.status, refusal.value.error, str(refusal.value)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def aws_body(bench: Bench, **more: Any) -> dict[str, Any]:
    question = Asking(bench.clock()).question()
    return {"identityId": "one", "iamRequestBody": question.body, "iamRequestHeaders": question.headers, **more}


# -- universal auth ---------------------------------------------------------------------------------------------------
def test_the_right_secret_lets_in(bench: Bench) -> None:
    answer = bench.universal()
    assert bench.access.identity_of(f"Bearer {answer['accessToken']}").id == "one"


@pytest.mark.parametrize("given", [WRONG, "", " ", f"{RIGHT} ", RIGHT.upper(), RIGHT[:-1]])
@pytest.mark.parametrize("client", ["client", "nobody", "CLIENT"])
def test_wrong_id_and_wrong_secret_are_told_with_the_same_words(bench: Bench, given: str, client: str) -> None:
    if given:
        assert bench.told(given, client) == INVALID
    assert bench.told(WRONG, "nobody") == INVALID


def test_wrong_id_and_wrong_secret_cost_the_same(bench: Bench) -> None:
    calls = []
    for client in ("client", "nobody"):
        bench.told(WRONG, client)
        calls.append(list(bench.tokens.calls))
        bench.tokens.calls.clear()
    assert calls[0] == calls[1] == ["locked_until", "failed"]


def test_an_id_that_there_is_not_is_locked_like_any_other(bench: Bench) -> None:
    """Or the lockout would tell which ids there are."""
    for client in ("client", "nobody"):
        assert [bench.told(WRONG, client) for _ in range(4)] == [INVALID] * 3 + [LOCKED]


def test_an_identity_of_another_client_id_is_not_let_in(bench: Bench) -> None:
    """The index points to it, and its login was given another id since."""
    assert bench.one.universal is not None
    bench.one = bench.one.model_copy(
        update={"universal": bench.one.universal.model_copy(update={"client_id": "newer"})}
    )
    assert bench.told() == INVALID


def test_an_identity_without_this_login_is_not_let_in(bench: Bench) -> None:
    bench.one = bench.one.model_copy(update={"universal": None})
    assert bench.told() == INVALID


# §A.6: after how many wrong ones, at which second it is tried again, and what is said then
@pytest.mark.parametrize(
    ("lockout", "wrong", "after", "said"),
    [
        ({}, [0, 0], 0, None),
        ({}, [0, 0, 0], 0, LOCKED),
        ({}, [0, 0, 0], 299, LOCKED),
        ({}, [0, 0, 0], 300, None),
        ({}, [0, 29, 58], 59, LOCKED),
        ({}, [0, 30, 60], 61, None),
        ({"failures": 1}, [0], 0, LOCKED),
        ({"failures": 0}, [0] * 50, 0, None),
        ({"failures": 5}, [0] * 4, 0, None),
        ({"failures": 5}, [0] * 5, 0, LOCKED),
        ({"duration": "30s"}, [0] * 3, 30, None),
        ({"duration": "1d"}, [0] * 3, 86_399, LOCKED),
        ({"window": "1h"}, [0, 3_000, 6_000], 6_001, LOCKED),
    ],
)
def test_wrong_secrets_lock_for_a_while(
    lockout: dict[str, Any], wrong: list[int], after: int, said: tuple[int, str, str] | None
) -> None:
    bench = Bench(lockout=lockout)
    for moment in wrong:
        bench.clock.now = START + timedelta(seconds=moment)
        assert bench.told(WRONG) == INVALID
    bench.clock.now = START + timedelta(seconds=after)
    if said is None:
        assert bench.universal()
    else:
        assert bench.told() == said


def test_a_right_secret_forgets_the_wrong_ones(bench: Bench) -> None:
    for _ in range(5):
        assert [bench.told(WRONG) for _ in range(2)] == [INVALID] * 2
        assert bench.universal()


def test_a_secret_ends(bench: Bench) -> None:
    bench = Bench(secrets=(secret(RIGHT, expires_at=START + timedelta(hours=1)),))
    bench.clock.advance(seconds=3_599)
    assert bench.universal()
    bench.clock.advance(seconds=1)
    assert bench.told() == (401, "Unauthorized", "Access denied due to expired client secret")


def test_a_secret_is_used_as_often_as_it_may_be(bench: Bench) -> None:
    bench = Bench(secrets=(secret(RIGHT, uses=2), secret("another")))
    assert [bool(bench.universal()) for _ in range(2)] == [True, True]
    assert bench.told() == (401, "Unauthorized", "Access denied due to client secret usage limit reached")
    assert bench.universal("another")


def test_a_secret_that_ended_lets_nobody_in_by_trying_often(bench: Bench) -> None:
    bench = Bench(secrets=(secret(RIGHT, expires_at=START),))
    for _ in range(5):
        assert bench.told()[0] == 401
    assert bench.tokens.tokens == {}


# -- AWS IAM ----------------------------------------------------------------------------------------------------------
def test_a_signature_lets_in(bench: Bench) -> None:
    answer = bench.logging_in.login("aws-auth", aws_body(bench, iamRequestUrl="https://evil.example"))
    assert bench.access.identity_of(f"Bearer {answer['accessToken']}").id == "one"


def test_the_method_is_post_unless_another_is_named(bench: Bench) -> None:
    with pytest.raises(Refusal, match="only POST") as refusal:
        bench.logging_in.login("aws-auth", aws_body(bench, iamHttpRequestMethod="GET"))
    assert refusal.value.status == 400
    assert bench.logging_in.login("aws-auth", aws_body(bench, iamHttpRequestMethod="POST"))


# -- bodies -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("method", "body", "paths"),
    [
        ("universal-auth", None, [[]]),
        ("universal-auth", [], [[]]),
        ("universal-auth", "x", [[]]),
        ("universal-auth", {}, [["clientId"], ["clientSecret"]]),
        ("universal-auth", {"clientId": 1, "clientSecret": None}, [["clientId"], ["clientSecret"]]),
        ("universal-auth", {"clientId": "", "clientSecret": "x" * 201}, [["clientId"], ["clientSecret"]]),
        ("universal-auth", {"clientId": "x", "clientSecret": "\ud800"}, [["clientSecret"]]),
        ("universal-auth", {"clientId": "a\nb", "clientSecret": "x"}, [["clientId"]]),
        ("universal-auth", {"clientId": "x", "clientSecret": "x", "organizationSlug": 1}, [["organizationSlug"]]),
        ("universal-auth", {"clientId": "x", "clientSecret": "x", "organizationSlug": None}, [["organizationSlug"]]),
        ("aws-auth", {}, [["identityId"], ["iamRequestBody"], ["iamRequestHeaders"]]),
        ("aws-auth", {"iamHttpRequestMethod": 1}, [["identityId"], ["iamRequestBody"], ["iamRequestHeaders"], ["iamHttpRequestMethod"]]),
        ("aws-auth", {"identityId": ["x"], "iamRequestBody": "x", "iamRequestHeaders": {}}, [["identityId"], ["iamRequestHeaders"]]),
        ("aws-auth", {"identityId": "x", "iamRequestBody": "x", "iamRequestHeaders": "x" * 24_577}, [["iamRequestHeaders"]]),
    ],
)  # fmt: skip
def test_a_body_that_is_none_is_told_with_every_field(bench: Bench, method: str, body: Any, paths: list[Any]) -> None:
    with pytest.raises(Refusal) as refusal:
        bench.logging_in.login(method, body)
    assert (refusal.value.status, refusal.value.error) == (422, "ValidationFailure")
    said = refusal.value.body("req-1")["message"]
    assert [issue["path"] for issue in said] == paths
    assert all(issue["message"] and issue["code"] for issue in said)
    assert bench.tokens.calls == []
    assert bench.sts.asked == []


@pytest.mark.parametrize("name", ["organizationSlug", "subOrganizationName"])
def test_there_are_no_sub_organisations(bench: Bench, name: str) -> None:
    assert bench.told(**{name: "X"}) == (404, "NotFound", "Sub organization with slug X not found")
    assert bench.universal(**{name: ""})
    with pytest.raises(Refusal, match="Sub organization with slug X not found"):
        bench.logging_in.login("aws-auth", aws_body(bench, **{name: "X"}))
    assert bench.sts.asked == []


@pytest.mark.parametrize("method", ["kubernetes-auth", "universal", "", "../token", "aws-iam"])
def test_other_logins_are_not_there(bench: Bench, method: str) -> None:
    with pytest.raises(Refusal, match="Unknown login method") as refusal:
        bench.logging_in.login(method, {})
    assert refusal.value.status == 404


def test_a_token_is_renewed_and_revoked_by_its_text(bench: Bench) -> None:
    text = bench.universal()["accessToken"]
    assert bench.logging_in.renew({"accessToken": text})["accessToken"] == text
    assert bench.logging_in.revoke({"accessToken": text}) == {"message": "Successfully revoked access token"}
    for call in (bench.logging_in.renew, bench.logging_in.revoke):
        with pytest.raises(Refusal) as refusal:
            call({"accessToken": text})
        assert refusal.value.status == 401
        with pytest.raises(Refusal) as refusal:
            call({"accessToken": 1})
        assert refusal.value.status == 422


@pytest.mark.parametrize(
    "address", ["https://CA.example.com", "https://ca.example.com:443", "https://ca.example.com/pki"]
)
def test_the_server_id_is_the_origin_that_clients_sign(address: str) -> None:
    """However the operator writes the address: clients reckon its origin."""
    front = Setting(address=address).front
    assert front.logins._aws._rules.server_id == "https://ca.example.com"
