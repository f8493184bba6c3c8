"""Login endpoints: bodies, client secrets and lockouts."""

from __future__ import annotations

import hashlib
from contextlib import suppress
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
from evercert.authority.logins.token_auth import TokenAuth
from evercert.authority.logins.universal_auth import UniversalAuth
from tests.doubles.authority.access_tokens import FakeTokens
from tests.doubles.authority.authority import Setting
from tests.doubles.authority.sts import ARN, KEY, REGION, SECRET, SESSION, Asking, FakeSts
from tests.doubles.authority.token_issuers import TokenIssuers
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
        self.issuers = TokenIssuers(self.clock)
        rules = Rules(frozenset({REGION}), "https://ca.example")
        self.logins = LoginService(
            self.access,
            UniversalAuth(self, self.tokens, self.clock),  # type: ignore[arg-type]
            AWSAuth(self, self.tokens, self.sts, rules, self.clock),  # type: ignore[arg-type]
            lambda: TokenAuth(self, self.issuers, self.clock),  # type: ignore[arg-type]
        )

    def identity(self, identity_id: str) -> Identity | None:
        return self.one if identity_id == "one" else None

    def identity_of_client(self, client_id: str) -> Identity | None:
        return self.one if client_id == "client" else None

    def universal(self, client_secret: str = RIGHT, client: str = "client", **more: Any) -> dict[str, Any]:
        return self.logins.login("universal-auth", {"clientId": client, "clientSecret": client_secret, **more})

    def refused(self, client_secret: str = RIGHT, client: str = "client", **more: Any) -> tuple[int, str, str]:
        with pytest.raises(Refusal) as refusal:
            self.universal(client_secret, client, **more)
        assert "canary" not in str(refusal.value)
        return refusal.value.status, refusal.value.error, str(refusal.value)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def aws_body(bench: Bench, **more: Any) -> dict[str, Any]:
    request = Asking(bench.clock()).question()
    return {"identityId": "one", "iamRequestBody": request.body, "iamRequestHeaders": request.headers, **more}


# -- universal auth ---------------------------------------------------------------------------------------------------
def test_login_accepts_correct_secret(bench: Bench) -> None:
    answer = bench.universal()
    assert bench.access.identity_of(f"Bearer {answer['accessToken']}").id == "one"


@pytest.mark.parametrize("client_secret", [WRONG, "", " ", f"{RIGHT} ", RIGHT.upper(), RIGHT[:-1]])
@pytest.mark.parametrize("client", ["client", "unknown", "CLIENT"])
def test_wrong_id_and_secret_get_same_error(bench: Bench, client_secret: str, client: str) -> None:
    if client_secret:
        assert bench.refused(client_secret, client) == INVALID
    assert bench.refused(WRONG, "unknown") == INVALID


def test_unknown_client_id_writes_and_reads_no_item(bench: Bench) -> None:
    """Anyone can send them; an id is random, so refusing them differently from known ones reveals none."""
    for _ in range(5):
        assert bench.refused(WRONG, "unknown") == INVALID
    assert bench.tokens.calls == []


@pytest.mark.parametrize("failures", [0, 1])
def test_right_and_wrong_secret_cost_same_calls(failures: int) -> None:
    """Otherwise a correct secret could overtake the wrong ones that were sent with it."""
    calls = []
    for client_secret in (WRONG, RIGHT):
        bench = Bench()
        for _ in range(failures):
            bench.refused(WRONG)
        bench.tokens.calls.clear()
        with suppress(Refusal):
            bench.universal(client_secret)
        calls.append([call for call in bench.tokens.calls if call != "keep"])
    assert calls == [["login_failures", "replace_login_failures"]] * 2


def test_locked_client_id_writes_no_item(bench: Bench) -> None:
    assert [bench.refused(WRONG) for _ in range(4)] == [INVALID] * 3 + [LOCKED]
    bench.tokens.calls.clear()
    bench.refused(WRONG)
    assert bench.tokens.calls == ["login_failures"]


def test_login_refuses_outdated_client_id(bench: Bench) -> None:
    """The index still points to it, but its client ID changed."""
    assert bench.one.universal is not None
    bench.one = bench.one.model_copy(
        update={"universal": bench.one.universal.model_copy(update={"client_id": "newer"})}
    )
    assert bench.refused() == INVALID


def test_login_refuses_identity_without_universal_auth(bench: Bench) -> None:
    bench.one = bench.one.model_copy(update={"universal": None})
    assert bench.refused() == INVALID


# lockout settings, seconds of the wrong attempts, second of the next attempt, expected error
@pytest.mark.parametrize(
    ("lockout", "wrong", "after", "expected"),
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
def test_wrong_secrets_cause_lockout(
    lockout: dict[str, Any], wrong: list[int], after: int, expected: tuple[int, str, str] | None
) -> None:
    bench = Bench(lockout=lockout)
    for moment in wrong:
        bench.clock.now = START + timedelta(seconds=moment)
        assert bench.refused(WRONG) == INVALID
    bench.clock.now = START + timedelta(seconds=after)
    if expected is None:
        assert bench.universal()
    else:
        assert bench.refused() == expected


def test_correct_secret_resets_failures(bench: Bench) -> None:
    for _ in range(5):
        assert [bench.refused(WRONG) for _ in range(2)] == [INVALID] * 2
        assert bench.universal()


def test_secret_expires(bench: Bench) -> None:
    bench = Bench(secrets=(secret(RIGHT, expires_at=START + timedelta(hours=1)),))
    bench.clock.advance(seconds=3_599)
    assert bench.universal()
    bench.clock.advance(seconds=1)
    assert bench.refused() == (401, "Unauthorized", "Access denied due to expired client secret")


def test_secret_uses_are_limited(bench: Bench) -> None:
    bench = Bench(secrets=(secret(RIGHT, uses=2), secret("another")))
    assert [bool(bench.universal()) for _ in range(2)] == [True, True]
    assert bench.refused() == (401, "Unauthorized", "Access denied due to client secret usage limit reached")
    assert bench.universal("another")


@pytest.mark.parametrize("more", [{"expires_at": START}, {"uses": 1}], ids=["expired", "used-up"])
def test_unusable_secret_keeps_the_failures(more: dict[str, Any]) -> None:
    bench = Bench(secrets=(secret("another", **more),))
    bench.tokens.secrets["id-another"] = 1
    assert [bench.refused(text)[2] for text in (WRONG, WRONG, "another", WRONG)][::3] == ["Invalid credentials"] * 2
    assert bench.refused(WRONG) == LOCKED


def test_last_use_is_taken_by_another_login() -> None:
    """Another login takes the last use between the check and this login."""
    bench = Bench(secrets=(secret(RIGHT, uses=1),))
    bench.tokens.use_secret = lambda *_: False  # type: ignore[method-assign]
    assert bench.refused() == (401, "Unauthorized", "Access denied due to client secret usage limit reached")


def test_expired_secret_stays_refused(bench: Bench) -> None:
    bench = Bench(secrets=(secret(RIGHT, expires_at=START),))
    for _ in range(5):
        assert bench.refused()[0] == 401
    assert bench.tokens.tokens == {}


# -- AWS IAM ----------------------------------------------------------------------------------------------------------
def test_login_accepts_aws_signature(bench: Bench) -> None:
    answer = bench.logins.login("aws-auth", aws_body(bench, iamRequestUrl="https://evil.example"))
    assert bench.access.identity_of(f"Bearer {answer['accessToken']}").id == "one"


def test_aws_login_accepts_only_post(bench: Bench) -> None:
    with pytest.raises(Refusal, match="only POST") as refusal:
        bench.logins.login("aws-auth", aws_body(bench, iamHttpRequestMethod="GET"))
    assert refusal.value.status == 400
    assert bench.logins.login("aws-auth", aws_body(bench, iamHttpRequestMethod="POST"))


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
        ("aws-auth", {}, [["identityId"], ["iamRequestBody"], ["iamRequestHeaders"]]),
        ("aws-auth", {"iamHttpRequestMethod": 1}, [["identityId"], ["iamRequestBody"], ["iamRequestHeaders"], ["iamHttpRequestMethod"]]),
        ("aws-auth", {"identityId": ["x"], "iamRequestBody": "x", "iamRequestHeaders": {}}, [["identityId"], ["iamRequestHeaders"]]),
        ("aws-auth", {"identityId": "x", "iamRequestBody": "x", "iamRequestHeaders": "x" * 24_577}, [["iamRequestHeaders"]]),
    ],
)  # fmt: skip
def test_login_lists_every_invalid_field(bench: Bench, method: str, body: Any, paths: list[Any]) -> None:
    with pytest.raises(Refusal) as refusal:
        bench.logins.login(method, body)
    assert (refusal.value.status, refusal.value.error) == (422, "ValidationFailure")
    issues = refusal.value.body("req-1")["message"]
    assert [issue["path"] for issue in issues] == paths
    assert all(issue["message"] and issue["code"] for issue in issues)
    assert bench.tokens.calls == []
    assert bench.sts.asked == []


@pytest.mark.parametrize("name", ["organizationSlug", "subOrganizationName"])
@pytest.mark.parametrize("value", ["X", "", None, 1])
def test_login_ignores_the_organization(bench: Bench, name: str, value: Any) -> None:
    """Clients send it from their environment (`INFISICAL_AUTH_ORGANIZATION_SLUG`), and there is only one here."""
    assert bench.universal(**{name: value})["accessToken"]
    assert bench.logins.login("aws-auth", aws_body(bench, **{name: value}))["accessToken"]


@pytest.mark.parametrize("method", ["ldap-auth", "oci-auth", "tls-cert-auth"])
def test_login_refuses_methods_that_are_not_offered(bench: Bench, method: str) -> None:
    with pytest.raises(Refusal) as refusal:
        bench.logins.login(method, {"identityId": "x", "jwt": "y"})
    assert (refusal.value.status, refusal.value.error) == (501, "NotImplemented")
    assert str(refusal.value) == f"{method} is not supported here: log in with another method"


@pytest.mark.parametrize("method", ["kubernetes-auth", "gcp-auth", "azure-auth", "oidc-auth", "jwt-auth"])
@pytest.mark.parametrize("identity", ["one", "unknown"])
def test_login_needs_a_method_of_the_identity(bench: Bench, method: str, identity: str) -> None:
    with pytest.raises(Refusal, match="auth method not found for identity, did you configure") as refusal:
        bench.logins.login(method, {"identityId": identity, "jwt": "a.b.c"})
    assert refusal.value.status == 404
    assert bench.issuers.fetched == []


@pytest.mark.parametrize("method", ["universal", "", "../token", "aws-iam"])
def test_login_refuses_unknown_methods(bench: Bench, method: str) -> None:
    with pytest.raises(Refusal, match="Unknown login method") as refusal:
        bench.logins.login(method, {})
    assert refusal.value.status == 404


def test_renew_and_revoke_take_the_token(bench: Bench) -> None:
    text = bench.universal()["accessToken"]
    assert bench.logins.renew({"accessToken": text})["accessToken"] == text
    assert bench.logins.revoke({"accessToken": text}) == {"message": "Successfully revoked access token"}
    for call in (bench.logins.renew, bench.logins.revoke):
        with pytest.raises(Refusal) as refusal:
            call({"accessToken": text})
        assert refusal.value.status == 401
        with pytest.raises(Refusal) as refusal:
            call({"accessToken": 1})
        assert refusal.value.status == 422


@pytest.mark.parametrize(
    "address", ["https://CA.example.com", "https://ca.example.com:443", "https://ca.example.com/pki"]
)
def test_server_id_is_origin_of_address(address: str) -> None:
    """Clients compute the origin of the address, regardless of its spelling."""
    front = Setting(address=address).front
    assert front.logins._aws._rules.server_id == "https://ca.example.com"
