"""Tests of evercert's logins against the authority over HTTP: reuse, renewal, lost answers, refusals."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPMessage
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.credentials import ReadOnlyCredentials

from evercert.authority.api_errors import Refusal
from evercert.authority.configuration.identity import AWSLogin, ClientSecret, Identity, UniversalLogin
from evercert.authority.configuration.token_logins import KubernetesLogin
from evercert.authority.logins.access_tokens import AccessTokens
from evercert.authority.logins.aws_iam import AWSAuth
from evercert.authority.logins.login import LoginService
from evercert.authority.logins.sts_request import Rules
from evercert.authority.logins.token_auth import TokenAuth
from evercert.authority.logins.universal_auth import UniversalAuth
from evercert.deadline import Deadline
from evercert.errors import LoginRefused, Unavailable
from evercert.http_client.client import HTTPClient
from evercert.issuers.infisical.logins.aws_iam import AWSIAM
from evercert.issuers.infisical.logins.login import Proof
from evercert.issuers.infisical.session import Session
from evercert.origins import Hosts
from tests.doubles.authority.access_tokens import FakeTokens
from tests.doubles.authority.sts import ARN, KEY, REGION, SECRET, SESSION, FakeSts
from tests.doubles.authority.token_issuers import HOST, TokenIssuers
from tests.doubles.fakes import HandClock
from tests.doubles.infisical.http_server import Answer, Dropped, Serving
from tests.doubles.infisical.sts import Sts

KINDS = ("aws-iam", "universal-auth", "kubernetes")
ROLE = "arn:aws:iam::123456789012:role/evercert-issuer"


class Universal:
    """The login with a fixed client secret."""

    def proof(self, _address: str) -> Proof:
        return Proof("/v1/auth/universal-auth/login", {"clientId": "client", "clientSecret": "canary"})


class Cluster:
    """The login of a service account, whose token the cluster refreshes."""

    def __init__(self, issuers: TokenIssuers) -> None:
        self.issuers = issuers

    def proof(self, _address: str) -> Proof:
        body = {"identityId": "one", "jwt": self.issuers.cluster.token()}
        return Proof("/v1/auth/kubernetes-auth/login", body)


class Bench:
    """An authority with one identity, and sessions for each login method."""

    def __init__(self) -> None:
        self.clock = HandClock(datetime.now(UTC))  # botocore signs with the current time
        self.http = HTTPClient(Hosts([]), Deadline(self.clock), self.clock, lambda _: None, local=True)
        self.tokens, self.heard = FakeTokens(), list[str]()
        self.issuers = TokenIssuers(self.clock)
        self.lose = 0  # number of login responses to drop
        strict = Sts(clock=self.clock)
        strict.add(KEY, SECRET, session_token=SESSION, arn=ARN)
        self.sts = FakeSts(strict)
        secret = ClientSecret.model_construct(
            id="one", digest=hashlib.sha256(b"canary").hexdigest(), created_at=self.clock()
        )
        universal = UniversalLogin.model_validate({"client-id": "client"}).model_copy(update={"secrets": (secret,)})
        self.one: Identity | None = Identity(
            id="one", name="one", aws=AWSLogin(principals=(ROLE,)), universal=universal,
            kubernetes=KubernetesLogin(host=HOST, namespaces=("default",)),
            **{"token-ttl": timedelta(seconds=60), "token-max-ttl": timedelta(seconds=150)},
        )  # fmt: skip
        self.serving = Serving(self.answer)
        self.address = f"http://127.0.0.1:{self.serving.port}"
        self.begin(self.address)
        self.serving.start()

    def begin(self, address: str) -> None:
        known: Any = SimpleNamespace(identity=lambda _: self.one, identity_of_client=lambda _: self.one)
        self.access = AccessTokens(self.tokens, known, self.clock)
        rules = Rules.of([REGION], address)
        aws = AWSAuth(known, self.tokens, self.sts, rules, self.clock)
        token = TokenAuth(known, self.issuers, self.clock)
        universal = UniversalAuth(known, self.tokens, self.clock)
        self.logging_in = LoginService(self.access, universal, aws, lambda: token)

    def answer(self, _method: str, target: str, headers: HTTPMessage, body: bytes) -> Answer:
        self.heard.append(target.removeprefix("/api/v1/"))
        try:
            return 200, {}, json.dumps(self.respond(self.heard[-1], headers, body)).encode()
        except Refusal as refusal:
            return refusal.status, {}, json.dumps(refusal.body("req-1")).encode()
        except Unavailable:
            return 503, {}, b"{}"

    def respond(self, target: str, headers: HTTPMessage, body: bytes) -> dict[str, Any]:
        if target == "whoami":
            return {"id": self.access.identity_of(headers.get("Authorization")).id}
        data = json.loads(body)
        if target == "auth/token/renew":
            return self.logging_in.renew(data)
        found = self.logging_in.login(target.split("/")[1], data)
        if self.lose:
            self.lose -= 1
            raise Dropped
        return found

    def session(self, kind: str) -> Session:
        credentials = SimpleNamespace(get_frozen_credentials=lambda: ReadOnlyCredentials(KEY, SECRET, SESSION))
        context: Any = SimpleNamespace(aws=SimpleNamespace(region_name=REGION, get_credentials=lambda: credentials))
        settings = AWSIAM.Settings.model_validate({"identity-id": "one"})
        login: Any = AWSIAM(settings, context) if kind == "aws-iam" else Universal()
        login = Cluster(self.issuers) if kind == "kubernetes" else login
        return Session(self.http.server(self.address), login, self.clock)

    @property
    def logins(self) -> int:
        return len([one for one in self.heard if one.endswith("/login")])


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.http.close()
    made.serving.stop()
    assert made.serving.mistakes == []


def called(session: Session) -> None:
    assert session.call("GET", "/v1/whoami").json() == {"id": "one"}


@pytest.mark.parametrize("kind", KINDS)
def test_session_logs_in_once_for_many_calls(bench: Bench, kind: str) -> None:
    session = bench.session(kind)
    for _ in range(3):
        called(session)
    assert bench.logins == 1


@pytest.mark.parametrize("kind", KINDS)
def test_session_renews_token_until_its_maximum_age(bench: Bench, kind: str) -> None:
    session = bench.session(kind)
    for _ in range(8):
        called(session)
        bench.clock.advance(seconds=25)
    # Renewed at 50 s; new login at 100 s, because 160 s would exceed 150 s; renewed at 150 s.
    assert bench.logins == 2
    assert bench.heard.count("auth/token/renew") == 2
    assert len(bench.tokens.tokens) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_session_replaces_deleted_token_within_the_call(bench: Bench, kind: str) -> None:
    session = bench.session(kind)
    called(session)
    bench.tokens.tokens.clear()
    called(session)
    assert bench.logins == 2


@pytest.mark.parametrize("kind", KINDS)
def test_session_retries_login_after_lost_answer(bench: Bench, kind: str) -> None:
    """The retry needs a new signature, because the authority has recorded the first as used."""
    bench.lose = 1
    called(bench.session(kind))
    assert bench.logins == 2
    assert len(bench.tokens.signatures) == (2 if kind == "aws-iam" else 0)


def test_processes_with_same_credentials_log_in_at_once(bench: Bench) -> None:
    for _ in range(10):
        called(bench.session("aws-iam"))
    assert bench.logins == len(bench.tokens.signatures) == 10


def test_session_treats_sts_outage_as_unavailable(bench: Bench) -> None:
    session = bench.session("aws-iam")
    bench.sts.trouble = Unavailable("STS does not answer")
    with pytest.raises(Unavailable) as raised:
        called(session)
    assert not isinstance(raised.value, LoginRefused)
    bench.sts.trouble = None
    called(session)


def test_authority_refuses_login_for_other_address(bench: Bench) -> None:
    bench.begin("https://ca.example")
    with pytest.raises(LoginRefused, match="x-evercert-server-id is for another server"):
        called(bench.session("aws-iam"))
    assert bench.sts.asked == []


@pytest.mark.parametrize("kind", KINDS)
def test_deleted_identity_is_refused_at_once(bench: Bench, kind: str) -> None:
    session = bench.session(kind)
    called(session)
    bench.one = None
    with pytest.raises(LoginRefused):
        called(session)
