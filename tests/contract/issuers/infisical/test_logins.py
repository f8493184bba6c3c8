"""The proofs of every login, verified as a server verifies them: signatures, audience, time, and where secrets stand."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from pydantic import ValidationError

from evercert.aws.session import Session
from evercert.deadline import Deadline
from evercert.errors import Misconfigured
from evercert.http_client.client import HTTPClient
from evercert.http_client.retry import Retry
from evercert.issuers.context import IssuerContext
from evercert.issuers.infisical.logins import ALIASES, LOGINS, Auth
from evercert.issuers.infisical.logins.login import Proof
from evercert.issuers.infisical.session import shared_session
from evercert.origins import Hosts
from tests.doubles.credential_reader import Vault
from tests.doubles.fakes import HandClock
from tests.doubles.raw_server import RawServer, reply

ADDRESS = "https://ca.example"
IDENTITY = "11111111-2222-3333-4444-555555555555"
NAME = "evercert/credentials/x"
CANARY = "canary-secret"
WHERE = {"aws-secret": NAME}
RSA = rsa.generate_private_key(65_537, 2_048)
REGION = "eu-west-1"


class Bench:
    """A login of any kind, and the world around it."""

    def __init__(self, auth: dict[str, Any], held: Any = None) -> None:
        self.clock = HandClock()
        self.vault = Vault()
        self.keep(held or {})
        http = HTTPClient(Hosts.of("ca.example,other.example"), Deadline(self.clock), self.clock, lambda _: None)
        self.context = IssuerContext(http, self.vault.credentials, Session(), self.clock)
        self.auth = Auth.model_validate(auth)
        self.login = LOGINS.load(self.auth.type)(LOGINS.settings(self.auth), self.context)

    def keep(self, held: dict[str, Any]) -> None:
        """For that address alone."""
        self.vault.store(NAME, {"address": ADDRESS, **held})

    def proof(self) -> Proof:
        found: Proof = self.login.proof(ADDRESS)
        assert CANARY not in repr(found)
        return found


def key_file(key: Any = RSA, **changes: Any) -> dict[str, Any]:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    account = {
        "type": "service_account", "private_key_id": "key-1", "private_key": pem.decode(),
        "client_email": "evercert@project.iam.gserviceaccount.com",
    }  # fmt: skip
    return {**account, **changes}


def jwt(**claims: Any) -> str:
    def encoded(value: bytes) -> str:
        return urlsafe_b64encode(value).rstrip(b"=").decode()

    return ".".join([encoded(b'{"alg":"RS256"}'), encoded(json.dumps(claims).encode()), encoded(CANARY.encode())])


AUTHS: dict[str, tuple[dict[str, Any], Any]] = {
    "universal-auth": ({"credentials": WHERE}, {"client-id": "id", "client-secret": CANARY}),
    "aws-iam": ({"identity-id": IDENTITY, "region": REGION}, None),
    "kubernetes": ({"identity-id": IDENTITY, "service-account-token": WHERE}, {"service-account-token": jwt(sub="a")}),
    "azure": ({"identity-id": IDENTITY, "token": WHERE}, {"token": jwt(sub="a")}),
    "gcp-id-token": ({"identity-id": IDENTITY, "token": WHERE}, {"token": jwt(aud=IDENTITY)}),
    "gcp-iam": ({"identity-id": IDENTITY, "service-account-key": WHERE}, {"service-account-key": key_file()}),
    "ldap-auth": ({"identity-id": IDENTITY, "username": "web", "password": WHERE}, {"password": CANARY}),
}
PATHS = {
    "universal-auth": "universal-auth", "aws-iam": "aws-auth", "kubernetes": "kubernetes-auth", "azure": "azure-auth",
    "gcp-id-token": "gcp-auth", "gcp-iam": "gcp-auth", "ldap-auth": "ldap-auth",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)


def test_every_login_has_its_case_here() -> None:
    assert set(AUTHS) == set(PATHS) == set(LOGINS.entries)
    assert set(ALIASES.values()) <= set(LOGINS.entries)


@pytest.mark.parametrize("kind", sorted(AUTHS))
def test_a_login_goes_to_its_path_with_identity_and_organisation(kind: str) -> None:
    settings, held = AUTHS[kind]
    found = Bench({"type": kind, **settings, "organization": "sub-org"}, held).proof()
    assert found.path == f"/v1/auth/{PATHS[kind]}/login"
    assert found.body["organizationSlug"] == "sub-org"
    assert found.body.get("identityId") == (None if kind == "universal-auth" else IDENTITY)
    assert "organizationSlug" not in Bench({"type": kind, **settings}, held).proof().body
    assert all(isinstance(value, str) for value in found.body.values())


@pytest.mark.parametrize(
    ("alias", "kind"), [*ALIASES.items(), ("gcp_iam", "gcp-iam"), ("universal_auth", "universal-auth")]
)
def test_every_spelling_is_the_same_login(alias: str, kind: str) -> None:
    assert Auth.model_validate({"type": alias}).type == kind


@pytest.mark.parametrize("kind", ["oidc-auth", "jwt-auth", "kubernets", "token"])
def test_a_login_that_there_is_not_is_told_with_what_is_near(kind: str) -> None:
    with pytest.raises(Misconfigured, match=f"there is no login type '{kind}'"):
        LOGINS.settings(Auth.model_validate({"type": kind}))


@pytest.mark.parametrize("kind", sorted(set(AUTHS) - {"aws-iam"}))
def test_no_secret_may_stand_in_a_document(kind: str) -> None:
    settings, _ = AUTHS[kind]
    for key, value in settings.items():
        if value == WHERE:
            with pytest.raises(Misconfigured) as raised:
                LOGINS.settings(Auth.model_validate({"type": kind, **settings, key: CANARY}))
            assert CANARY not in str(raised.value)


@pytest.mark.parametrize("kind", sorted(set(AUTHS) - {"universal-auth"}))
def test_an_identity_is_needed(kind: str) -> None:
    settings, _ = AUTHS[kind]
    without = {key: value for key, value in settings.items() if key != "identity-id"}
    with pytest.raises(Misconfigured, match="identity-id: Field required"):
        LOGINS.settings(Auth.model_validate({"type": kind, **without}))


@pytest.mark.parametrize("kind", sorted(AUTHS))
def test_only_secrets_are_hidden_in_the_servers_words(kind: str) -> None:
    settings, held = AUTHS[kind]
    found = Bench({"type": kind, **settings}, held).proof()
    assert found.secrets
    assert not {IDENTITY, "id", "web", "POST"} & set(found.secrets)


# ---------------------------------------------------------------- universal-auth


@pytest.mark.parametrize(
    "settings",
    [
        {"credentials": WHERE},
        {"client-id": "id", "client-secret": WHERE},
        {"client-id": WHERE, "client-secret": WHERE},
        {"client-id": {"aws-parameter": f"/{NAME}#other-id"}, "client-secret": {"aws-secret": f"{NAME}#other"}},
    ],
)
def test_id_and_secret_may_stand_together_or_apart(settings: dict[str, Any]) -> None:
    held = {"client-id": "id", "client-secret": f" {CANARY}\n", "other-id": "id", "other": CANARY}
    found = Bench({"type": "universal-auth", **settings}, held).proof()
    assert dict(found.body) == {"clientId": "id", "clientSecret": CANARY}


@pytest.mark.parametrize(
    "settings",
    [
        {}, {"client-id": "id"}, {"client-secret": WHERE}, {"client-id": "id", "credentials": WHERE}, {"credentials": {"aws-secret": f"{NAME}#a"}},
        {"client-id": "id", "client-secret": WHERE, "credentials": WHERE}, {"client-id": "", "client-secret": WHERE},
    ],
)  # fmt: skip
def test_half_a_credential_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured):
        LOGINS.settings(Auth.model_validate({"type": "universal-auth", **settings}))


@pytest.mark.parametrize(
    "held",
    [{}, {"client-id": "id"}, {"client-id": "id", "client-secret": ""}, {"client-id": 1, "client-secret": CANARY}],
)
def test_a_credential_without_its_parts_is_told_by_their_names(held: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured, match=r"invalid 'client-(id|secret)' in .* must be a non-empty text") as raised:
        Bench({"type": "universal-auth", "credentials": WHERE}, held).proof()
    assert CANARY not in str(raised.value)


def test_a_rotated_secret_is_in_the_next_proof() -> None:
    bench = Bench({"type": "universal-auth", "credentials": WHERE}, {"client-id": "id", "client-secret": "one"})
    assert bench.proof().body["clientSecret"] == "one"
    bench.keep({"client-id": "id", "client-secret": "two"})
    assert bench.proof().body["clientSecret"] == "two"


# ---------------------------------------------------------------- aws-iam


def signature(headers: dict[str, str], body: bytes, secret: str, region: str) -> str:
    """SigV4 as its documentation describes it, by hand."""
    lower = {name.lower(): value for name, value in headers.items()}
    signed = lower["authorization"].partition("SignedHeaders=")[2].partition(",")[0]
    canonical_headers = "".join(f"{name}:{lower[name]}\n" for name in signed.split(";"))
    request = "\n".join(["POST", "/", "", canonical_headers, signed, hashlib.sha256(body).hexdigest()])
    moment = lower["x-amz-date"]
    scope = f"{moment[:8]}/{region}/sts/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in (moment[:8], region, "sts", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def asked(bench: Bench) -> dict[str, str]:
    """The headers that the server would send on; the rest is as the contract has it."""
    body = bench.proof().body
    assert body["iamHttpRequestMethod"] == "POST"
    assert b64decode(body["iamRequestBody"]) == b"Action=GetCallerIdentity&Version=2011-06-15"
    return json.loads(b64decode(body["iamRequestHeaders"]))


def verified(headers: dict[str, str], access_key: str, secret: str, region: str = REGION) -> set[str]:
    """Which headers are signed."""
    scheme, _, rest = headers["Authorization"].partition(" ")
    parts = dict(part.split("=", 1) for part in rest.split(", "))
    assert scheme == "AWS4-HMAC-SHA256"
    assert parts["Credential"] == f"{access_key}/{headers['X-Amz-Date'][:8]}/{region}/sts/aws4_request"
    assert parts["Signature"] == signature(headers, b"Action=GetCallerIdentity&Version=2011-06-15", secret, region)
    return set(parts["SignedHeaders"].split(";"))


def test_the_question_to_sts_is_signed_with_all_that_sts_reads() -> None:
    headers = asked(Bench({"type": "aws-iam", "identity-id": IDENTITY, "region": REGION}))
    assert verified(headers, "AKIDEXAMPLE", CANARY) == {
        "content-type", "host", "x-amz-date", "x-evercert-nonce", "x-evercert-server-id",
    }  # fmt: skip
    assert headers["Host"] == f"sts.{REGION}.amazonaws.com"
    assert headers["Content-Type"] == "application/x-www-form-urlencoded; charset=utf-8"
    assert headers["Content-Length"] == "43"
    assert set(headers) == {
        "Authorization", "X-Amz-Date", "Host", "Content-Type", "Content-Length", "X-Evercert-Nonce", "X-Evercert-Server-Id",
    }  # fmt: skip
    assert CANARY not in str(headers)


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        (ADDRESS, ADDRESS), ("https://CA.example:443/api", ADDRESS), ("https://ca.example:8443/x", "https://ca.example:8443"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
    ],
)  # fmt: skip
def test_the_question_is_signed_for_the_server_that_it_is_shown_to(address: str, origin: str) -> None:
    proof = Bench({"type": "aws-iam", "identity-id": IDENTITY, "region": REGION}).login.proof(address)
    headers = json.loads(b64decode(proof.body["iamRequestHeaders"]))
    assert "x-evercert-server-id" in verified(headers, "AKIDEXAMPLE", CANARY)
    assert headers["X-Evercert-Server-Id"] == origin


def test_two_questions_of_one_second_are_not_the_same_one() -> None:
    """Functions that run at once have the same credentials, and an authority takes each signature once."""
    bench = Bench({"type": "aws-iam", "identity-id": IDENTITY, "region": REGION})
    proofs = [bench.proof() for _ in range(50)]
    assert len({proof.body["iamRequestHeaders"] for proof in proofs}) == 50
    assert len({proof.fingerprint for proof in proofs}) == 1
    assert all(proof.once for proof in proofs)


def test_credentials_of_a_function_bring_their_session_token_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lambda gives them in its environment."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session-token")
    headers = asked(Bench({"type": "aws-iam", "identity-id": IDENTITY, "region": REGION}))
    assert "x-amz-security-token" in verified(headers, "AKIDEXAMPLE", CANARY)
    assert headers["X-Amz-Security-Token"] == "session-token"


def test_credentials_of_a_task_are_used_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """ECS hands them out over HTTP, at an address in the environment."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    found = {
        "AccessKeyId": "TASK",
        "SecretAccessKey": "task-secret",
        "Token": "task-token",
        "Expiration": "2999-01-01T00:00:00Z",
    }
    with RawServer(reply(200, found, Connection="close")) as task:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{task.port}/role")
        headers = asked(Bench({"type": "aws-iam", "identity-id": IDENTITY, "region": REGION}))
    assert "x-amz-security-token" in verified(headers, "TASK", "task-secret")
    assert headers["X-Amz-Security-Token"] == "task-token"


def test_credentials_of_a_profile_are_used_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    file = tmp_path / "credentials"
    file.write_text("[default]\naws_access_key_id = PROFILE\naws_secret_access_key = profile-secret\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    verified(asked(Bench({"type": "aws-iam", "identity-id": IDENTITY, "region": REGION})), "PROFILE", "profile-secret")


def test_without_credentials_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(Misconfigured, match="no AWS credentials to sign with"):
        Bench({"type": "aws-iam", "identity-id": IDENTITY, "region": REGION}).proof()


def test_the_region_is_the_environments_unless_one_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-south-1")
    verified(asked(Bench({"type": "aws-iam", "identity-id": IDENTITY})), "AKIDEXAMPLE", CANARY, "ap-south-1")
    verified(
        asked(Bench({"type": "aws-iam", "identity-id": IDENTITY, "region": REGION})), "AKIDEXAMPLE", CANARY, REGION
    )


def test_without_any_region_it_says_so() -> None:
    with pytest.raises(Misconfigured, match="no AWS region is set"):
        Bench({"type": "aws-iam", "identity-id": IDENTITY}).proof()


@pytest.mark.parametrize("region", ["evil.test/", "EU-WEST-1", "a" * 21, ""])
def test_a_region_that_would_name_another_host_is_refused(region: str) -> None:
    with pytest.raises(Misconfigured, match="region"):
        LOGINS.settings(Auth.model_validate({"type": "aws-iam", "identity-id": IDENTITY, "region": region}))


# ---------------------------------------------------------------- gcp-iam


def decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


@pytest.mark.parametrize("held", [key_file(), json.dumps(key_file())], ids=["object", "text"])
def test_the_service_accounts_own_key_signs_for_this_identity_alone(held: Any) -> None:
    settings, _ = AUTHS["gcp-iam"]
    token = Bench({"type": "gcp-iam", **settings}, {"service-account-key": held}).proof().body["jwt"]
    header, claims, signed = token.split(".")
    assert "=" not in token
    assert json.loads(decoded(header)) == {"alg": "RS256", "kid": "key-1", "typ": "JWT"}
    assert json.loads(decoded(claims)) == {"sub": "evercert@project.iam.gserviceaccount.com", "aud": IDENTITY}
    RSA.public_key().verify(decoded(signed), f"{header}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
    with pytest.raises(InvalidSignature):
        RSA.public_key().verify(decoded(signed), f"{header}.{claims}x".encode(), padding.PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize(
    "held",
    [
        {}, "", CANARY, [], None, 1, {"private_key": CANARY}, key_file(private_key=CANARY), key_file(ec.generate_private_key(ec.SECP256R1())),
        {key: value for key, value in key_file().items() if key != "private_key_id"}, "[" * 2_000,
    ],
)  # fmt: skip
def test_what_is_no_key_file_is_told_without_a_word_of_it(held: Any) -> None:
    settings, _ = AUTHS["gcp-iam"]
    with pytest.raises(Misconfigured, match="must be the key file of a Google service account") as raised:
        Bench({"type": "gcp-iam", **settings}, {"service-account-key": held}).proof()
    assert CANARY not in str(raised.value)
    assert "PRIVATE KEY" not in str(raised.value)


# ---------------------------------------------------------------- tokens that somebody refreshes

TOKENS = {"kubernetes": "service-account-token", "azure": "token", "gcp-id-token": "token"}


@pytest.mark.parametrize("kind", sorted(TOKENS))
def test_a_stored_token_is_handed_on_as_it_is(kind: str) -> None:
    settings, _ = AUTHS[kind]
    later = int((HandClock()() + timedelta(seconds=1)).timestamp())
    for token in (jwt(aud=IDENTITY), jwt(aud=["x", IDENTITY], exp=later), jwt(aud=IDENTITY, exp=later + 0.5)):
        found = Bench({"type": kind, **settings}, {TOKENS[kind]: f"{token}\n"}).proof()
        assert found.body["jwt"] == token


@pytest.mark.parametrize("kind", sorted(TOKENS))
def test_a_stored_token_that_nobody_refreshed_is_told_before_it_is_sent(kind: str) -> None:
    settings, _ = AUTHS[kind]
    token = jwt(exp=int(HandClock()().timestamp()))
    with pytest.raises(Misconfigured, match=r"the token expired at .*; the system that refreshes it") as raised:
        Bench({"type": kind, **settings}, {TOKENS[kind]: token}).proof()
    assert token not in str(raised.value)


@pytest.mark.parametrize("audience", [None, "", "other", ["other"], [], {"a": 1}])
def test_a_stored_token_of_another_audience_is_told(audience: Any) -> None:
    settings, _ = AUTHS["gcp-id-token"]
    with pytest.raises(Misconfigured, match=f"the token is not for {IDENTITY}"):
        Bench({"type": "gcp-id-token", **settings}, {"token": jwt(aud=audience)}).proof()


@pytest.mark.parametrize(
    "token",
    [
        CANARY,
        "a.b",
        "a.b.c",
        "...",
        jwt(exp="soon"),
        jwt(exp=[]),
        jwt(exp=1e400),
        jwt(a="x" * 9_000),
        "e30.W10.x",
        "é.é.é",
    ],
)
def test_a_stored_text_that_is_no_token_is_told_without_a_word_of_it(token: str) -> None:
    settings, _ = AUTHS["azure"]
    with pytest.raises(Misconfigured, match="must be a JSON web token") as raised:
        Bench({"type": "azure", **settings}, {"token": token}).proof()
    assert CANARY not in str(raised.value)


# ---------------------------------------------------------------- one login for all


def test_issuers_with_the_same_login_share_it() -> None:
    bench = Bench({"type": "universal-auth", "credentials": WHERE})
    one = shared_session(bench.context, ADDRESS, bench.auth)
    same = Auth.model_validate({"type": "universal", "credentials": WHERE})
    assert shared_session(bench.context, "https://CA.example:443", same) is one
    others = [
        shared_session(bench.context, "https://other.example", bench.auth),
        shared_session(
            bench.context, ADDRESS, Auth.model_validate({**bench.auth.model_dump(), "organization": "sub-org"})
        ),
        shared_session(bench.context, ADDRESS, bench.auth, retry=Retry(max_retries=0)),
    ]
    assert len({id(found) for found in (one, *others)}) == 4


def test_a_host_that_is_not_listed_gets_no_session() -> None:
    bench = Bench({"type": "universal-auth", "credentials": WHERE})
    with pytest.raises(Misconfigured, match="IssuerHosts"):
        shared_session(bench.context, "https://evil.test", bench.auth)
    assert bench.vault.reads == []


def test_settings_are_strict() -> None:
    with pytest.raises(Misconfigured, match=r"identity(-id)?: "):
        LOGINS.settings(Auth.model_validate({"type": "azure", "identity": IDENTITY, "token": WHERE}))
    with pytest.raises(ValidationError):
        Auth.model_validate({"type": 1})
