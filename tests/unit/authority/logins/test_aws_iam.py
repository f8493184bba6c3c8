"""Login with AWS IAM: validation before STS is called, refusals of STS, and allowed principals."""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode, b64encode
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from evercert.authority.api_errors import Refusal
from evercert.authority.configuration.identity import AWSLogin, Identity
from evercert.authority.logins.aws_iam import AWSAuth, matches
from evercert.authority.logins.sts_request import BODY, REPLAY_WINDOW, Rules, SignedRequest, validate_request
from evercert.errors import Unavailable
from evercert.issuers.infisical.logins.aws_iam import sign_request
from evercert.origins import Origin
from tests.doubles.authority.access_tokens import FakeTokens
from tests.doubles.authority.sts import ARN, KEY, REGION, SECRET, SESSION, Asking, FakeSts
from tests.doubles.fakes import START, HandClock
from tests.doubles.infisical.sts import Sts

SERVER = "https://ca.example"
ROLE = "arn:aws:iam::123456789012:role/evercert-issuer"
RULES = Rules(frozenset({REGION, "us-east-1"}), SERVER)


@dataclass
class Bench:
    """An authority with two identities: one for evercert, one for clients that sign no server id."""

    clock: HandClock = field(default_factory=HandClock)
    tokens: FakeTokens = field(default_factory=FakeTokens)
    principals: tuple[str, ...] = (ROLE,)

    def __post_init__(self) -> None:
        sts = Sts(clock=self.clock)
        sts.add(KEY, SECRET, session_token=SESSION, arn=ARN)
        self.sts = FakeSts(sts)
        self.auth = AWSAuth(self, self.tokens, self.sts, RULES, self.clock)  # type: ignore[arg-type]

    def identity(self, identity_id: str) -> Identity | None:
        logins = {
            "ours": AWSLogin(principals=self.principals),
            "foreign": AWSLogin.model_validate({"principals": self.principals, "foreign-clients": True}),
            "other": None,
        }
        return Identity(id=identity_id, name=identity_id, aws=logins[identity_id]) if identity_id in logins else None

    def asking(self, **changes: Any) -> Asking:
        return replace(Asking(self.clock()), **changes)

    def log_in(self, request: SignedRequest | None = None, identity: str = "ours") -> Identity:
        return self.auth.identity(identity, request or self.asking().question())

    def refused(self, request: SignedRequest | None = None, identity: str = "ours") -> Refusal:
        with pytest.raises(Refusal) as refusal:
            self.log_in(request, identity)
        assert "canary" not in str(refusal.value)
        assert SESSION not in repr(request)
        return refusal.value


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_login_accepts_request_for_this_server(bench: Bench) -> None:
    assert bench.log_in().id == "ours"
    ((region, headers),) = bench.sts.asked
    assert region == REGION
    assert set(headers) == {
        "authorization", "host", "content-type", "x-amz-date", "x-amz-security-token", "x-evercert-server-id",
    }  # fmt: skip
    assert list(bench.tokens.signatures.values()) == [START + REPLAY_WINDOW]


def test_login_accepts_evercert_client(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(HandClock(datetime.now(UTC)))
    for session in (SESSION, None):
        bench.sts.sts.add(KEY, SECRET, session_token=session, arn=ARN)
        headers = sign_request(ReadOnlyCredentials(KEY, SECRET, session), REGION, Origin.of(f"{SERVER}:443/api"))
        assert bench.log_in(bench.asking().question(headers)).id == "ours"


@pytest.mark.parametrize("content_length", [None, "43"])
@pytest.mark.parametrize("session", [None, SESSION])
def test_login_accepts_infisical_clients_if_allowed(
    bench: Bench, session: str | None, content_length: str | None
) -> None:
    """Clients of Infisical add the content type and the content length unsigned."""
    bench.sts.sts.add(KEY, SECRET, session_token=session, arn=ARN)
    asking = bench.asking(server=None, session=session)
    headers = asking.headers(unsigned=("content-type", "content-length"), Content_Length=content_length)
    assert bench.refused(asking.question(headers)).status == 401
    assert bench.sts.asked == []
    assert bench.log_in(asking.question(headers), "foreign").id == "foreign"
    assert bench.sts.asked[0][1]["content-type"].startswith("application/x-www-form-urlencoded")
    assert "content-length" not in bench.sts.asked[0][1]


def test_header_names_are_case_insensitive(bench: Bench) -> None:
    headers = bench.asking().headers(Content_Length="43", X_Evercert_Nonce="n-1")
    assert bench.log_in(bench.asking().question({name.upper(): value for name, value in headers.items()}))
    assert bench.sts.asked[0][1]["content-length"] == "43"


@pytest.mark.parametrize("identity", ["unknown", "other", ""])
def test_login_refuses_identity_without_aws_auth(bench: Bench, identity: str) -> None:
    refusal = bench.refused(identity=identity)
    assert (refusal.status, refusal.error) == (404, "NotFound")
    assert str(refusal) == "AWS auth method not found for identity, did you configure AWS auth?"
    assert bench.sts.asked == []
    assert bench.tokens.calls == []


# -- refused without calling STS ----------------------------------------------------------------------------------
def encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


def raw(headers: str) -> SignedRequest:
    return SignedRequest("POST", encoded(BODY.decode()), headers)


LONG = json.dumps({"x": "a" * 20_000})
SOUND = Asking(START).question().headers  # otherwise valid
SHAPES: dict[str, SignedRequest] = {
    "GET": SignedRequest("GET", encoded(BODY.decode()), SOUND),
    "lower case": SignedRequest("post", encoded(BODY.decode()), SOUND),
    "another action": SignedRequest("POST", encoded("Action=AssumeRole&Version=2011-06-15"), SOUND),
    "more after it": SignedRequest("POST", encoded(f"{BODY.decode()}&RoleArn=x"), SOUND),
    "a line break after it": SignedRequest("POST", encoded(f"{BODY.decode()}\n"), SOUND),
    "another order": SignedRequest("POST", encoded("Version=2011-06-15&Action=GetCallerIdentity"), SOUND),
    "no body": SignedRequest("POST", "", SOUND),
    "a body that is no base64": SignedRequest("POST", f"{encoded(BODY.decode())}!", SOUND),
    "a body with spaces": SignedRequest("POST", f" {encoded(BODY.decode())}", SOUND),
    "a body in Unicode": SignedRequest("POST", "é", SOUND),
    "no headers": raw(""),
    "headers that are no base64": raw("{}"),
    "headers in Unicode": raw("é"),
    "headers that are no JSON": raw(encoded("x")),
    "headers that are no ASCII": raw(encoded('{"é": "x"}')),
    "headers that are a list": raw(encoded("[]")),
    "headers that are nested": raw(encoded("[" * 5_000)),
    "headers that are null": raw(encoded("null")),
    "headers that are a number": raw(encoded("5")),
    "headers with more behind them": raw(f"{SOUND}!"),
    "no authorization": raw(encoded("{}")),
    "very long": raw(encoded(LONG)),
    "a number": raw(encoded('{"Content-Length": 43}')),
    "a list of values": raw(encoded('{"Host": ["a", "b"]}')),
    "an object of values": raw(encoded('{"Host": {"a": "b"}}')),
    "a header twice": raw(encoded('{"Host": "a", "Host": "b"}')),
    "a header twice in two cases": raw(encoded('{"Host": "a", "HOST": "b"}')),
}


@pytest.mark.parametrize("name", SHAPES)
def test_malformed_requests_are_refused(bench: Bench, name: str) -> None:
    asked = SHAPES[name]
    refusal = bench.refused(asked, "foreign")
    assert (refusal.status, refusal.error) == (400, "BadRequest")
    field = "iamRequestHeaders" if asked.headers != SOUND else "iamRequestBody" if asked.method == "POST" else "iamHttp"
    assert str(refusal).startswith(field)
    assert bench.sts.asked == []
    assert bench.tokens.calls == []


DAY_BEFORE = f"{START - timedelta(days=1):%Y%m%d}"
CHANGED: dict[str, tuple[str, str]] = {
    "no signature": (f"Credential={KEY}", "Credential="),
    "another algorithm": ("AWS4-HMAC-SHA256 ", "AWS4-ECDSA-P256-SHA256 "),
    "another service": ("/sts/", "/iam/"),
    "another end of the scope": ("aws4_request", "aws3_request"),
    "a longer scope": ("/sts/", "/x/sts/"),
    "another region": (f"/{REGION}/", "/us-east-1/"),
    "a region that is not asked": (f"/{REGION}/", "/eu-west-9/"),
    "a region that is a host": (f"/{REGION}/", "/evil.example#/"),
    "another day": (f"/{START:%Y%m%d}/", f"/{DAY_BEFORE}/"),
    "a host that is not signed": (";host", ""),
    "a date that is not signed": (";x-amz-date", ""),
    "a session token that is not signed": (";x-amz-security-token", ""),
    "a server id that is not signed": (";x-evercert-server-id", ""),
    "headers in another order": ("content-type;host", "host;content-type"),
    "a header signed twice": ("content-type;host", "content-type;host;host"),
    "a signed header that is not there": (";x-evercert-server-id", ";x-evercert-nonce;x-evercert-server-id"),
    "an unknown signed header": ("content-type;host", "content-type;host;x-amz-user-agent"),
    "a signature in capitals": ("Signature=", "Signature=A"),
    "a second signature": ("Signature=", "Signature=0, Signature="),
}


@pytest.mark.parametrize("more", ["0", " ", ", Signature=0", ";x"])
def test_text_after_signature_is_refused(bench: Bench, more: str) -> None:
    headers = bench.asking().headers()
    refusal = bench.refused(bench.asking().question({**headers, "Authorization": headers["Authorization"] + more}))
    assert (refusal.status, bench.sts.asked) == (400, [])


@pytest.mark.parametrize("name", CHANGED)
@pytest.mark.parametrize("identity", ["ours", "foreign"])
def test_modified_authorization_is_refused(bench: Bench, name: str, identity: str) -> None:
    headers = bench.asking().headers()
    before, after = CHANGED[name]
    assert before in headers["Authorization"]
    headers["Authorization"] = headers["Authorization"].replace(before, after)
    assert bench.refused(bench.asking().question(headers), identity).status == 400
    assert bench.sts.asked == []
    assert bench.tokens.calls == []


TRULY_SIGNED: dict[str, dict[str, str | None]] = {
    "STS of the world": {"Host": "sts.amazonaws.com"},
    "STS of China": {"Host": f"sts.{REGION}.amazonaws.com.cn"},
    "another region's host": {"Host": "sts.us-east-1.amazonaws.com"},
    "another host": {"Host": "evil.example"},
    "a host with a port": {"Host": f"sts.{REGION}.amazonaws.com:443"},
    "a host in capitals": {"Host": f"STS.{REGION}.amazonaws.com"},
    "a host and more": {"Host": f"sts.{REGION}.amazonaws.com@evil.example"},
    "two lines": {"Host": f"sts.{REGION}.amazonaws.com\r\nX-Evil: 1"},
    "a line break at the end": {"Host": f"sts.{REGION}.amazonaws.com\n"},
    "no ASCII": {"X-Amz-Security-Token": "tökén"},
    "JSON": {"Content-Type": "application/x-amz-json-1.1"},
    "a type that is no type": {"Content-Type": "application/x-www-form-urlencoded; charset=utf-7"},
    "another length": {"Content-Length": "44"},
    "another hash": {"X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD"},
    "a header that STS may read": {"Accept": "application/json"},
    "a header that a proxy may read": {"X-Forwarded-Host": "evil.example"},
    "a target": {"X-Amz-Target": "AWSSecurityTokenServiceV20110615.AssumeRole"},
    "a nonce that is none": {"X-Evercert-Nonce": "a b"},
    "a date that is none": {"X-Amz-Date": f"{START:%Y%m%d}T126000Z"},
    "a date with a zone": {"X-Amz-Date": f"{START:%Y%m%dT%H%M%S}+00"},
}


@pytest.mark.parametrize("name", TRULY_SIGNED)
@pytest.mark.parametrize("identity", ["ours", "foreign"])
def test_signed_but_unexpected_headers_are_refused(bench: Bench, name: str, identity: str) -> None:
    headers = bench.asking().headers(**{key.replace("-", "_"): value for key, value in TRULY_SIGNED[name].items()})
    assert bench.refused(bench.asking().question(headers), identity).status == 400
    assert bench.sts.asked == []
    assert bench.tokens.calls == []


@pytest.mark.parametrize("region", ["eu-west-1", "us-gov-west-1", "a", "EU-CENTRAL-1", "x" * 21])
def test_unlisted_region_is_refused(bench: Bench, region: str) -> None:
    refusal = bench.refused(bench.asking(region=region).question())
    assert (refusal.status, str(refusal)) == (400, "Invalid AWS region")
    assert bench.sts.asked == []
    assert bench.tokens.calls == []


UNSIGNED = [
    '"x": "a\\r\\nX-Evil: 1"',
    '"x": "\\u00e9"',
    '"x": 1',
    '"x": null',
    '"HOST": "a"',
    '"host": "a"',
    '"x": "", "X": ""',
]


@pytest.mark.parametrize("more", [*UNSIGNED, f'"x": "{"a" * 24_000}"'], ids=range(len(UNSIGNED) + 1))
@pytest.mark.parametrize("first", [True, False])
def test_duplicate_or_invalid_header_is_refused(bench: Bench, more: str, first: bool) -> None:
    """The next recipient may read a duplicate or invalid header differently."""
    good = json.dumps(bench.asking().headers())[1:-1]
    text = f"{{{more}, {good}}}" if first else f"{{{good}, {more}}}"
    assert bench.refused(raw(encoded(text))).status == 400
    assert bench.sts.asked == []
    assert bench.tokens.calls == []


def test_correct_content_hash_is_forwarded(bench: Bench) -> None:
    right = "ab821ae955788b0e33ebd34c208442ccfc2d406e2edc5e7a39bd6458fbb4f843"
    headers = bench.asking().headers(X_Amz_Content_Sha256=right)
    assert bench.log_in(bench.asking().question(headers))


def test_unsigned_headers_are_not_forwarded(bench: Bench) -> None:
    headers = {**bench.asking().headers(), "X-Forwarded-For": "x", "Accept": "application/json", "X-Amz-Target": "y"}
    assert bench.log_in(bench.asking().question(headers))
    assert not {"x-forwarded-for", "accept", "x-amz-target"} & {name.lower() for name in bench.sts.asked[0][1]}


@pytest.mark.parametrize(
    ("seconds", "status"), [(0, None), (-300, None), (300, None), (-301, 401), (301, 401), (-86_400, 401)]
)
def test_request_is_valid_for_five_minutes(bench: Bench, seconds: int, status: int | None) -> None:
    request = bench.asking(now=START + timedelta(seconds=seconds)).question()
    if status is None:
        assert bench.log_in(request)
    else:
        refusal = bench.refused(request)
        assert (refusal.status, refusal.error) == (status, "Unauthorized")
        assert bench.sts.asked == []
        assert bench.tokens.calls == []


@pytest.mark.parametrize("identity", ["ours", "foreign"])
@pytest.mark.parametrize(
    "server",
    [
        "https://evil.example", "https://ca.example.evil", "http://ca.example", "https://ca.example:8443", "https://ca.example/",
        "HTTPS://CA.EXAMPLE", "ca.example",
    ],
)  # fmt: skip
def test_request_for_another_server_is_refused(bench: Bench, server: str, identity: str) -> None:
    refusal = bench.refused(bench.asking(server=server).question(), identity)
    assert (refusal.status, "for another server" in str(refusal)) == (401, True)
    assert bench.sts.asked == []
    assert bench.tokens.calls == []


def test_missing_server_id_needs_foreign_clients(bench: Bench) -> None:
    request = bench.asking(server=None).question()
    assert bench.refused(request).status == 401
    assert bench.sts.asked == []
    assert bench.log_in(request, "foreign")


# -- once -------------------------------------------------------------------------------------------------------------
def with_nonce(bench: Bench) -> SignedRequest:
    return bench.asking().question(bench.asking().headers(X_Evercert_Nonce="n-1"))


def test_signature_is_used_once_across_identities(bench: Bench) -> None:
    request = with_nonce(bench)
    bench.log_in(request)
    for identity in ("ours", "foreign"):
        refusal = bench.refused(request, identity)
        assert (refusal.status, "used before" in str(refusal)) == (401, True)
    assert len(bench.sts.asked) == 1


def test_reformatted_request_counts_as_used(bench: Bench) -> None:
    headers = bench.asking().headers(X_Evercert_Nonce="n-1")
    bench.log_in(bench.asking().question(headers))
    other = {**{name.lower(): value for name, value in reversed(headers.items())}, "x-unsigned": "1"}
    other["authorization"] = other["authorization"].replace(", ", ",")
    assert "used before" in str(bench.refused(bench.asking().question(other)))


def test_signature_is_marked_before_calling_sts(bench: Bench) -> None:
    """Otherwise two concurrent logins could both call STS."""
    request = with_nonce(bench)
    bench.sts.trouble = Unavailable("STS does not answer")
    with pytest.raises(Unavailable):
        bench.log_in(request)
    bench.sts.trouble = None
    assert "used before" in str(bench.refused(request))


def test_request_without_nonce_may_be_repeated(bench: Bench) -> None:
    """Several agents of one host that start in the same second send the same request."""
    request = bench.asking(server=None).question()
    for seconds in (0, 1, 299):
        bench.clock.now = START + timedelta(seconds=seconds)
        assert bench.log_in(request, "foreign").id == "foreign"
    assert len(bench.sts.asked) == 3
    bench.clock.now = START + timedelta(seconds=301)
    assert "too old" in str(bench.refused(request, "foreign"))


def test_repeated_request_is_for_the_same_identity(bench: Bench) -> None:
    request = bench.asking().question()
    bench.log_in(request, "ours")
    assert "used before" in str(bench.refused(request, "foreign"))
    assert len(bench.sts.asked) == 1


@pytest.mark.parametrize("name", ["Content-Length", "X-Amz-Content-Sha256"])
def test_signed_header_fixed_by_body_is_filled_in(bench: Bench, name: str) -> None:
    """The Python SDK of Infisical signs the content length, but does not send it."""
    value = {"Content-Length": "43", "X-Amz-Content-Sha256": hashlib.sha256(BODY).hexdigest()}[name]
    asking = bench.asking(server=None)
    headers = asking.headers(**{name.replace("-", "_"): value})
    del headers[name]
    assert bench.log_in(asking.question(headers), "foreign").id == "foreign"
    assert bench.sts.asked[0][1][name.lower()] == value


def test_signature_is_remembered_longer_than_valid() -> None:
    for seconds in (-300, 0, 300):
        asking = Asking(START + timedelta(seconds=seconds))
        found = validate_request(asking.question(), RULES, START, foreign_clients=False)
        assert found.until - asking.now >= timedelta(minutes=5)
        assert found.until - START >= timedelta(minutes=10)
        assert found.until == asking.now + REPLAY_WINDOW  # the same for every use


# -- what STS says ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "wrong", [{"secret": "another"}, {"key": "ASIAANOTHER"}, {"session": "another"}, {"session": None}], ids=str
)
def test_signer_unknown_to_sts_is_refused(bench: Bench, wrong: dict[str, Any]) -> None:
    refusal = bench.refused(bench.asking(**wrong).question())
    assert (refusal.status, "did not accept the signature" in str(refusal)) == (401, True)
    assert len(bench.sts.asked) == 1


def test_refusal_names_the_principal() -> None:
    bench = Bench(principals=("arn:aws:iam::123456789012:role/another",))
    refusal = bench.refused()
    assert refusal.status == 401
    assert str(refusal) == f"Access denied: AWS principal ARN not allowed. [principal-arn={ARN}]"


@pytest.mark.parametrize(
    "pattern",
    [
        ROLE, ARN, "*", "arn:aws:iam::123456789012:role/*", "arn:aws:iam::123456789012:role/evercert-*",
        "arn:aws:sts::123456789012:assumed-role/evercert-issuer/*", "arn:aws:iam::123456789012:role/service-role/evercert-issuer",
        "arn:aws:iam::123456789012:role/a/b/evercert-issuer", "arn:aws:iam::*:role/evercert-issuer",
    ],
)  # fmt: skip
def test_matches_accepts_principals_of_caller(pattern: str) -> None:
    assert matches(pattern, ARN)
    assert Bench(principals=("arn:aws:iam::123456789012:user/x", pattern)).log_in()


@pytest.mark.parametrize(
    "pattern",
    [
        "", "arn:aws:iam::123456789012:role/", "arn:aws:iam::123456789012:role/evercert", "arn:aws:iam::123456789012:role/issuer",
        "arn:aws:iam::210987654321:role/evercert-issuer", "arn:aws-cn:iam::123456789012:role/evercert-issuer",
        "arn:aws:iam::123456789012:role/service-role/*", "arn:aws:iam::123456789012:role/team-*/evercert-issuer",
        "arn:aws:iam::123456789012:role/evercert.issuer", "arn:aws:iam::123456789012:role/[e]vercert-issuer",
        "arn:aws:iam::123456789012:user/evercert-issuer", "arn:aws:iam::123456789012:role/evercert-issuer/function",
        "arn:aws:iam::123456789012:role/EVERCERT-ISSUER", "arn.aws.iam..123456789012.role.evercert-issuer", "evercert-issuer",
    ],
)  # fmt: skip
def test_matches_refuses_other_principals(pattern: str) -> None:
    assert not matches(pattern, ARN)
    assert Bench(principals=(pattern,)).refused().status == 401


@pytest.mark.parametrize("partition", ["aws", "aws-us-gov", "aws-cn", "aws-eusc", "aws-iso-b"])
def test_matches_roles_of_every_partition(partition: str) -> None:
    assert matches(
        f"arn:{partition}:iam::123456789012:role/path/r", f"arn:{partition}:sts::123456789012:assumed-role/r/s"
    )


@pytest.mark.parametrize(
    ("pattern", "arn", "is_it"),
    [
        ("arn:aws:iam::123456789012:user/team/x", "arn:aws:iam::123456789012:user/team/x", True),
        ("arn:aws:iam::123456789012:user/x", "arn:aws:iam::123456789012:user/team/x", False),
        ("arn:aws:iam::123456789012:root", "arn:aws:iam::123456789012:root", True),
        ("arn:aws:iam::123456789012:role/x", "arn:aws:sts::123456789012:federated-user/x", False),
        ("arn:aws:iam::123456789012:role/x", "arn:aws:sts::123456789012:assumed-role/x", False),
        ("arn:aws:iam::123456789012:role/x", "arn:aws:sts::123456789012:assumed-role/x/y/z", False),
    ],
)
def test_matches_principals_other_than_roles(pattern: str, arn: str, is_it: bool) -> None:
    assert matches(pattern, arn) is is_it


def test_identity_without_principals_refuses_all() -> None:
    assert Bench(principals=()).refused().status == 401


# -- nothing signed can be changed ------------------------------------------------------------------------------------
HEADERS = Asking(START).headers(Content_Length="43", X_Evercert_Nonce="nonce")
SIGNED = sorted(set(HEADERS) - {"Authorization"})


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(SIGNED), st.data())
def test_changed_character_in_signed_header_is_refused(name: str, data: st.DataObject) -> None:
    value = HEADERS[name]
    place = data.draw(st.integers(0, len(value) - 1))
    other = data.draw(st.characters(max_codepoint=0x17F))
    changed = value[:place] + other + value[place + 1 :]
    assume(changed != value)
    bench = Bench()
    assert bench.refused(bench.asking().question({**HEADERS, name: changed}), "foreign").status in {400, 401}


@settings(deadline=None, max_examples=100)
@given(st.integers(0, len(BODY) - 1), st.integers(0, 255))
def test_changed_byte_in_body_is_refused(place: int, other: int) -> None:
    changed = BODY[:place] + bytes([other]) + BODY[place + 1 :]
    assume(changed != BODY)
    bench = Bench()
    assert bench.refused(replace(bench.asking().question(), body=b64encode(changed).decode())).status == 400
    assert bench.sts.asked == []


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_changed_character_in_authorization_is_refused(data: st.DataObject) -> None:
    value = HEADERS["Authorization"]
    place = data.draw(st.integers(0, len(value) - 1))
    changed = value[:place] + data.draw(st.characters(min_codepoint=0x20, max_codepoint=0x7E)) + value[place + 1 :]
    assume(changed != value)
    bench = Bench()
    assert bench.refused(bench.asking().question({**HEADERS, "Authorization": changed}), "foreign").status in {400, 401}


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode), st.sampled_from(["method", "body", "headers"]))
def test_random_input_is_refused(junk: bytes, part: str) -> None:
    assume(junk not in {BODY, b"POST"})
    text = junk.decode(errors="replace")
    for sent in (text, b64encode(junk).decode()):
        assert Bench().refused(replace(Asking(START).question(), **{part: sent}), "foreign").status in {400, 401}


@pytest.mark.parametrize("address", ["https://CA.example", "https://ca.example:443/", "https://ca.example/api"])
def test_server_id_is_normalized_origin(address: str) -> None:
    assert Rules.of(["us-east-1", REGION], address) == RULES


def test_repr_of_proof_contains_no_secret() -> None:
    request = Asking(START).question()
    found = validate_request(request, RULES, START, foreign_clients=False)
    shown = repr(SimpleNamespace(request=request, found=found))
    assert SESSION not in shown
    assert HEADERS["Authorization"] not in shown
    assert request.headers not in shown
    assert b64decode(request.body) == BODY
