"""Contract of STS: the adapter on the emulator's STS and on a strict STS over HTTP, and the double."""

from __future__ import annotations

import json
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPMessage
from typing import Any

import boto3
import httpx
import pytest
from botocore.credentials import ReadOnlyCredentials

from evercert.authority.api_errors import Refusal
from evercert.authority.configuration.identity import AWSLogin, Identity
from evercert.authority.contracts.ports import Caller, Sts
from evercert.authority.logins.aws_iam import AWSAuth
from evercert.authority.logins.sts_request import BODY, Rules, SignedRequest, validate_request
from evercert.aws.authority import sts as module
from evercert.aws.authority.sts import STSOverHTTP
from evercert.errors import Unavailable
from evercert.issuers.infisical.logins.aws_iam import sign_request
from evercert.origins import Origin
from tests.doubles.authority.access_tokens import FakeTokens
from tests.doubles.authority.sts import ARN, KEY, REGION, SECRET, SESSION, Asking, FakeSts
from tests.doubles.infisical.http_server import Answer, Serving
from tests.doubles.infisical.sts import Sts as StrictSts
from tests.doubles.raw_server import Deed, RawServer, drip, drop, half, hang, reply
from tests.tools.local_stack import ACCOUNT, Emulator, client_arguments

SERVER = "https://ca.example"


@dataclass
class Place:
    """An STS, a caller that it knows, and the caller's ARN."""

    sts: Sts
    key: str
    secret: str
    session: str
    arn: str

    def asking(self, **changes: Any) -> Asking:
        given = {"key": self.key, "secret": self.secret, "session": self.session, "server": SERVER, **changes}
        return Asking(**{"now": datetime.now(UTC), **given})

    def ask(self, question: SignedRequest) -> Caller:
        found = validate_request(question, Rules(frozenset({REGION}), SERVER), datetime.now(UTC), foreign_clients=True)
        return self.sts.caller(found.region, dict(found.headers), BODY)


def strict() -> StrictSts:
    made = StrictSts()
    made.add(KEY, SECRET, session_token=SESSION, arn=ARN)
    return made


@pytest.fixture(scope="module")
def assumed(running: Emulator) -> tuple[str, str, str, str]:
    """Return credentials of a role: the emulator verifies these, but not those of its root."""
    name = f"role-{uuid.uuid4().hex[:8]}"
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    boto3.client("iam", **client_arguments(running)).create_role(
        RoleName=name, Path="/evercert/", AssumeRolePolicyDocument=policy
    )
    arn = f"arn:aws:iam::{ACCOUNT}:role/evercert/{name}"
    sts = boto3.client("sts", **client_arguments(running))
    found = sts.assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    return found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"], name


@pytest.fixture(params=["double", "http", "emulator"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    if request.param == "double":
        yield Place(FakeSts(strict()), KEY, SECRET, SESSION, ARN)
    elif request.param == "emulator":
        running: Emulator = request.getfixturevalue("running")
        key, secret, session, name = request.getfixturevalue("assumed")
        arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/test"
        yield Place(STSOverHTTP(running.url), key, secret, session, arn)
    else:
        with serving(strict()) as sts:
            yield Place(sts, KEY, SECRET, SESSION, ARN)


@contextmanager
def serving(strict_sts: StrictSts) -> Iterator[STSOverHTTP]:
    """Serve the strict STS over HTTP."""

    def answer(method: str, target: str, headers: HTTPMessage, body: bytes) -> Answer:
        status, content_type, said = strict_sts.answer(method, target, headers, body)
        return status, {"Content-Type": content_type}, said

    server = Serving(answer)
    server.start()
    try:
        yield STSOverHTTP(f"http://127.0.0.1:{server.port}/")
    finally:
        server.stop()


def refusal(place: Place, question: SignedRequest) -> Refusal:
    with pytest.raises(Refusal) as raised:
        place.ask(question)
    assert place.session not in str(raised.value)
    return raised.value


# -- every STS --------------------------------------------------------------------------------------------------------
def test_signer_of_a_request_is_identified(place: Place) -> None:
    found = place.ask(place.asking().question())
    assert (found.arn, found.account) == (place.arn, place.arn.split(":")[4])
    assert found.user_id


def test_login_of_evercerts_client_is_accepted(place: Place) -> None:
    credentials = ReadOnlyCredentials(place.key, place.secret, place.session)
    headers = sign_request(credentials, REGION, Origin.of(SERVER))
    assert place.ask(place.asking().question(headers)).arn == place.arn


def test_login_of_infisicals_clients_is_accepted(place: Place) -> None:
    asking = place.asking(server=None)
    headers = asking.headers(unsigned=("content-type", "content-length"), Content_Length="43")
    assert place.ask(asking.question(headers)).arn == place.arn


def test_all_signable_headers_are_forwarded(place: Place) -> None:
    hashed = "ab821ae955788b0e33ebd34c208442ccfc2d406e2edc5e7a39bd6458fbb4f843"
    headers = place.asking().headers(Content_Length="43", X_Amz_Content_Sha256=hashed, X_Evercert_Nonce="n")
    assert place.ask(place.asking().question(headers)).arn == place.arn


@pytest.mark.parametrize("wrong", [{"secret": "another"}, {"key": "ASIAANOTHER"}, {"session": "another"}], ids=str)
def test_wrong_signature_is_refused(place: Place, wrong: dict[str, Any]) -> None:
    found = refusal(place, place.asking(**wrong).question())
    assert (found.status, found.error) == (401, "Unauthorized")
    assert str(found).startswith("Access denied: STS did not accept the signature")


@pytest.mark.parametrize("name", ["X-Amz-Date", "X-Evercert-Server-Id", "X-Evercert-Nonce"])
def test_changed_signed_header_is_refused(place: Place, name: str) -> None:
    headers = place.asking().headers(X_Evercert_Nonce="n")
    later = f"{datetime.now(UTC) + timedelta(seconds=2):%Y%m%dT%H%M%SZ}"
    changed = {"X-Amz-Date": later, "X-Evercert-Server-Id": SERVER, "X-Evercert-Nonce": "m"}[name]
    if name == "X-Evercert-Server-Id":
        headers = place.asking(server="https://evil.example").headers()
    found = refusal(place, place.asking().question({**headers, name: changed}))
    assert found.status in {400, 401}  # 400 within the last two seconds of a day


def test_aws_login_end_to_end(place: Place) -> None:
    """On the emulator the role has a path, which STS leaves out of the caller's ARN."""
    name = place.arn.split("/")[1]
    account = place.arn.split(":")[4]
    login = AWSLogin(principals=(f"arn:aws:iam::{account}:role/evercert/{name}",))
    tokens = FakeTokens()

    class Known:
        def identity(self, _: str) -> Identity:
            return Identity(id="one", name="one", aws=login)

    rules = Rules(frozenset({REGION}), SERVER)
    auth = AWSAuth(Known(), tokens, place.sts, rules, lambda: datetime.now(UTC))  # type: ignore[arg-type]
    question = place.asking().question(place.asking().headers(X_Evercert_Nonce="n-1"))
    assert auth.identity("one", question).id == "one"
    with pytest.raises(Refusal, match="used before"):
        auth.identity("one", question)


# -- the adapter only -------------------------------------------------------------------------------------------------
HEADERS = {"host": f"sts.{REGION}.amazonaws.com", "authorization": "x", "x-amz-date": "y", "content-type": "z"}
RESULT = f"<Arn>{ARN}</Arn><UserId>AROA:function</UserId><Account>123456789012</Account>"


def xml(result: str, root: str = "GetCallerIdentityResponse", before: str = "") -> bytes:
    space = ' xmlns="https://sts.amazonaws.com/doc/2011-06-15/"'
    return f"{before}<{root}{space}><GetCallerIdentityResult>{result}</GetCallerIdentityResult></{root}>".encode()


def error(code: str) -> bytes:
    return f'<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Code>{code}</Code></Error></ErrorResponse>'.encode()


def asked(*deeds: Deed) -> tuple[Callable[[], Caller], RawServer]:
    server = RawServer(*deeds)
    server.__enter__()
    return lambda: STSOverHTTP(f"http://127.0.0.1:{server.port}/").caller(REGION, dict(HEADERS), BODY), server


@pytest.fixture
def ask(request: pytest.FixtureRequest) -> Callable[..., tuple[Callable[[], Caller], RawServer]]:
    def begin(*deeds: Deed) -> tuple[Callable[[], Caller], RawServer]:
        call, server = asked(*deeds)
        request.addfinalizer(server.__exit__)
        return call, server

    return begin


Ask = Callable[..., tuple[Callable[[], Caller], RawServer]]


def test_forwarded_request_is_the_checked_one(ask: Ask) -> None:
    call, server = ask(reply(200, xml(RESULT)))
    assert call() == Caller("123456789012", ARN, "AROA:function")
    (heard,) = server.heard
    assert (heard.method, heard.target, heard.body) == ("POST", "/", BODY)
    assert heard.headers == {**HEADERS, "content-length": "43"}  # no Accept header: the adapter parses XML


def test_default_address_is_that_of_the_region(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, float | None]] = []

    def resolve(host: str, port: int) -> list[str]:
        sent.append((host, port))
        raise OSError

    with pytest.raises(Unavailable, match="cannot be reached"):
        STSOverHTTP(resolve=resolve).caller("eu-west-1", dict(HEADERS), BODY)
    assert sent == [("sts.eu-west-1.amazonaws.com", 443)]
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with pytest.raises(Unavailable):
        STSOverHTTP(resolve=resolve).caller("eu-west-1", dict(HEADERS), BODY)
    assert sent[1] == sent[0]


@pytest.mark.parametrize("region", ["", "evil.example/", "a.b", "EU-WEST-1", "a" * 21])
def test_region_that_changes_the_host_is_refused(region: str) -> None:
    def resolve(_host: str, _port: int) -> list[str]:
        raise AssertionError

    with pytest.raises(Unavailable, match="invalid region"):
        STSOverHTTP(resolve=resolve).caller(region, dict(HEADERS), BODY)


def test_host_that_resolves_to_loopback_is_refused() -> None:
    with pytest.raises(Unavailable, match="a loopback address"):
        STSOverHTTP(resolve=lambda *_: ["127.0.0.1"]).caller(REGION, dict(HEADERS), BODY)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (403, "SignatureDoesNotMatch"),
        (403, "ExpiredToken"),
        (403, ""),
        (400, "IncompleteSignature"),
        (400, "RequestExpired"),
    ],
)
def test_refusal_by_sts_is_refused(ask: Ask, status: int, code: str) -> None:
    call, _ = ask(reply(status, error(code)))
    with pytest.raises(Refusal) as raised:
        call()
    assert raised.value.status == 401
    assert code in str(raised.value)


@pytest.mark.parametrize(
    "deed",
    [
        reply(400, error("Throttling")), reply(400, b"x"), reply(404, error("AccessDenied")), reply(429), reply(500), reply(503),
        reply(301, b"", Location="https://evil.example/"), reply(307, b"", Location="/"), reply(204), drop, half,
        reply(302, b"", Location="data:,x"), reply(301, b"", Location="http://xn--a"),
    ],
)  # fmt: skip
def test_failed_exchange_is_unavailable(ask: Ask, deed: Deed) -> None:
    call, server = ask(deed, reply(200, xml(RESULT)))
    with pytest.raises(Unavailable, match=f"^STS in {REGION} "):
        call()
    assert len(server.heard) == 1


BOMB = '<!DOCTYPE x [<!ENTITY a "123456789012">]>'
ANSWERS: dict[str, bytes] = {
    "nothing": b"",
    "JSON": b'{"GetCallerIdentityResponse": {}}',
    "HTML": b"<html><body>welcome</body></html>",
    "no XML": b"<GetCallerIdentityResponse>",
    "another answer": xml(RESULT, "AssumeRoleResponse"),
    "a wrapped answer": b"<x>" + xml(RESULT) + b"</x>",
    "a document type": xml(RESULT, before="<!DOCTYPE x>"),
    "an entity": xml(RESULT.replace("123456789012</Account>", "&a;</Account>"), before=BOMB),
    "an entity in another encoding": f"{BOMB}{xml(RESULT).decode()}".encode("utf-16"),
    "an undefined entity": xml(RESULT.replace("function", "&a;")),
    "a comment": xml(f"<!-- x -->{RESULT}"),
    "no name": xml("<UserId>x</UserId><Account>123456789012</Account>"),
    "two names": xml(f"<Arn>{ARN}</Arn>{RESULT}"),
    "two accounts": xml(f"{RESULT}<Account>210987654321</Account>"),
    "an empty name": xml(RESULT.replace(ARN, "")),
    "no ARN": xml(RESULT.replace("arn:aws", "x")),
    "spaces in it": xml(RESULT.replace("function", "a b")),
    "another account's name": xml(RESULT.replace("<Account>1", "<Account>2")),
    "no user": xml(RESULT.replace("AROA:function", "")),
    "an element within": xml(RESULT.replace(ARN, f"<b>{ARN}</b>")),
    "very much": xml(RESULT + " " * 65_536),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_malformed_response_is_unavailable(ask: Ask, name: str) -> None:
    call, _ = ask(reply(200, ANSWERS[name]))
    with pytest.raises(Unavailable):
        call()


@pytest.mark.parametrize("deed", [hang, drip(b"x: y\r\n")])
def test_slow_response_times_out(ask: Ask, deed: Deed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIMIT", timedelta(seconds=0.4))
    call, _ = ask(deed)
    begun = datetime.now(UTC)
    with pytest.raises(Unavailable, match="did not answer in time"):
        call()
    assert datetime.now(UTC) - begun < timedelta(seconds=3)


def test_time_limit_is_five_seconds() -> None:
    assert timedelta(seconds=5) == module.LIMIT


def test_closed_port_is_unavailable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(Unavailable, match="cannot be reached"):
            STSOverHTTP(f"http://127.0.0.1:{free.getsockname()[1]}/").caller(REGION, dict(HEADERS), BODY)


def test_environment_credentials_are_not_added(ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password canary\n")
    monkeypatch.setenv("NETRC", str(netrc))
    call, server = ask(reply(200, xml(RESULT)))
    call()
    assert server.heard[0].headers["authorization"] == "x"
    assert httpx.Headers(server.heard[0].headers) == httpx.Headers({**HEADERS, "content-length": "43"})
