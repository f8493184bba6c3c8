"""Verify the proof of every login as a server would: signature, audience, time and secrets."""

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
REFERENCE = {"aws-secret": NAME}
RSA = rsa.generate_private_key(65_537, 2_048)
REGION = "eu-west-1"


class Bench:
    """A login of any type, with its context and stored credential."""

    def __init__(self, auth: dict[str, Any], credential: Any = None) -> None:
        self.clock = HandClock()
        self.vault = Vault()
        self.store(credential or {})
        http = HTTPClient(Hosts.of("ca.example,other.example"), Deadline(self.clock), self.clock, lambda _: None)
        self.context = IssuerContext(http, self.vault.credentials, Session(), self.clock)
        self.auth = Auth.model_validate(auth)
        self.login = LOGINS.load(self.auth.type)(LOGINS.settings(self.auth), self.context)

    def store(self, value: dict[str, Any]) -> None:
        """Store a credential that is valid for this address only."""
        self.vault.store(NAME, {"address": ADDRESS, **value})

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
    "universal-auth": ({"credentials": REFERENCE}, {"client-id": "id", "client-secret": CANARY}),
    "aws-iam": ({"identity-id": IDENTITY, "region": REGION}, None),
    "kubernetes": (
        {"identity-id": IDENTITY, "service-account-token": REFERENCE},
        {"service-account-token": jwt(sub="a")},
    ),
    "azure": ({"identity-id": IDENTITY, "token": REFERENCE}, {"token": jwt(sub="a")}),
    "gcp-id-token": ({"identity-id": IDENTITY, "token": REFERENCE}, {"token": jwt(aud=IDENTITY)}),
    "gcp-iam": ({"identity-id": IDENTITY, "service-account-key": REFERENCE}, {"service-account-key": key_file()}),
    "ldap-auth": ({"identity-id": IDENTITY, "username": "web", "password": REFERENCE}, {"password": CANARY}),
}
PATHS = {
    "universal-auth": "universal-auth", "aws-iam": "aws-auth", "kubernetes": "kubernetes-auth", "azure": "azure-auth",
    "gcp-id-token": "gcp-auth", "gcp-iam": "gcp-auth", "ldap-auth": "ldap-auth",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)


def test_logins_all_have_a_case() -> None:
    assert set(AUTHS) == set(PATHS) == set(LOGINS.entries)
    assert set(ALIASES.values()) <= set(LOGINS.entries)


@pytest.mark.parametrize("kind", sorted(AUTHS))
def test_login_sends_identity_and_organization_to_its_path(kind: str) -> None:
    settings, credential = AUTHS[kind]
    found = Bench({"type": kind, **settings, "organization": "sub-org"}, credential).proof()
    assert found.path == f"/v1/auth/{PATHS[kind]}/login"
    assert found.body["organizationSlug"] == "sub-org"
    assert found.body.get("identityId") == (None if kind == "universal-auth" else IDENTITY)
    assert "organizationSlug" not in Bench({"type": kind, **settings}, credential).proof().body
    assert all(isinstance(value, str) for value in found.body.values())


@pytest.mark.parametrize(
    ("alias", "kind"), [*ALIASES.items(), ("gcp_iam", "gcp-iam"), ("universal_auth", "universal-auth")]
)
def test_auth_accepts_every_spelling_of_a_type(alias: str, kind: str) -> None:
    assert Auth.model_validate({"type": alias}).type == kind


@pytest.mark.parametrize("kind", ["oidc-auth", "jwt-auth", "kubernets", "token"])
def test_unknown_login_type_is_refused(kind: str) -> None:
    with pytest.raises(Misconfigured, match=f"there is no login type '{kind}'"):
        LOGINS.settings(Auth.model_validate({"type": kind}))


@pytest.mark.parametrize("kind", sorted(set(AUTHS) - {"aws-iam"}))
def test_login_settings_refuse_plain_secrets(kind: str) -> None:
    settings, _ = AUTHS[kind]
    for key, value in settings.items():
        if value == REFERENCE:
            with pytest.raises(Misconfigured) as raised:
                LOGINS.settings(Auth.model_validate({"type": kind, **settings, key: CANARY}))
            assert CANARY not in str(raised.value)


@pytest.mark.parametrize("kind", sorted(set(AUTHS) - {"universal-auth"}))
def test_login_settings_require_identity_id(kind: str) -> None:
    settings, _ = AUTHS[kind]
    without = {key: value for key, value in settings.items() if key != "identity-id"}
    with pytest.raises(Misconfigured, match="identity-id: Field required"):
        LOGINS.settings(Auth.model_validate({"type": kind, **without}))


@pytest.mark.parametrize("kind", sorted(AUTHS))
def test_proof_secrets_exclude_public_values(kind: str) -> None:
    settings, credential = AUTHS[kind]
    found = Bench({"type": kind, **settings}, credential).proof()
    assert found.secrets
    assert not {IDENTITY, "id", "web", "POST"} & set(found.secrets)


# ---------------------------------------------------------------- universal-auth


@pytest.mark.parametrize(
    "settings",
    [
        {"credentials": REFERENCE},
        {"client-id": "id", "client-secret": REFERENCE},
        {"client-id": REFERENCE, "client-secret": REFERENCE},
        {"client-id": {"aws-parameter": f"/{NAME}#other-id"}, "client-secret": {"aws-secret": f"{NAME}#other"}},
    ],
)
def test_universal_auth_reads_one_or_two_references(settings: dict[str, Any]) -> None:
    credential = {"client-id": "id", "client-secret": f" {CANARY}\n", "other-id": "id", "other": CANARY}
    found = Bench({"type": "universal-auth", **settings}, credential).proof()
    assert dict(found.body) == {"clientId": "id", "clientSecret": CANARY}


@pytest.mark.parametrize(
    "settings",
    [
        {}, {"client-id": "id"}, {"client-secret": REFERENCE}, {"client-id": "id", "credentials": REFERENCE}, {"credentials": {"aws-secret": f"{NAME}#a"}},
        {"client-id": "id", "client-secret": REFERENCE, "credentials": REFERENCE}, {"client-id": "", "client-secret": REFERENCE},
    ],
)  # fmt: skip
def test_universal_auth_refuses_incomplete_settings(settings: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured):
        LOGINS.settings(Auth.model_validate({"type": "universal-auth", **settings}))


@pytest.mark.parametrize(
    "credential",
    [{}, {"client-id": "id"}, {"client-id": "id", "client-secret": ""}, {"client-id": 1, "client-secret": CANARY}],
)
def test_universal_auth_names_missing_credential_keys(credential: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured, match=r"invalid 'client-(id|secret)' in .* must be a non-empty text") as raised:
        Bench({"type": "universal-auth", "credentials": REFERENCE}, credential).proof()
    assert CANARY not in str(raised.value)


PLACEHOLDERS = (f"${{{CANARY}}}", "$SECRET", "{{ .secret }}", "<client-secret>", f"SECRET={CANARY}", f"x${{{CANARY}}}")


@pytest.mark.parametrize("value", PLACEHOLDERS)
@pytest.mark.parametrize(
    ("kind", "setting"),
    [("kubernetes", "service-account-token"), ("azure", "token"), ("gcp-id-token", "token")],
)
def test_stored_placeholder_is_no_token(kind: str, setting: str, value: str) -> None:
    bench = Bench({"type": kind, "identity-id": IDENTITY, setting: REFERENCE}, {setting: value})
    assert "is a placeholder or NAME=value" in refused_proof(bench, setting)


@pytest.mark.parametrize("value", PLACEHOLDERS)
def test_stored_placeholder_is_no_client_secret(value: str) -> None:
    auth = {"type": "universal-auth", "credentials": REFERENCE}
    bench = Bench(auth, {"client-id": IDENTITY, "client-secret": value})
    assert "is a placeholder or NAME=value" in refused_proof(bench, "client-secret")


def refused_proof(bench: Bench, key: str) -> str:
    with pytest.raises(Misconfigured) as caught:
        bench.proof()
    message = str(caught.value)
    assert message.startswith(f"invalid {key!r} in aws-secret {NAME}: ")
    assert CANARY not in message
    return message


@pytest.mark.parametrize(
    ("value", "refused"),
    [
        ("${PASSWORD}", True),
        ("{{ .password }}", True),
        ("pa${ss", False),
        ("$PASSWORD", False),
        ("A=b", False),
        ("<x>", False),
    ],
)
def test_stored_password_is_refused_if_wholly_a_placeholder(value: str, refused: bool) -> None:
    auth = {"type": "ldap-auth", "identity-id": IDENTITY, "username": "agent", "password": REFERENCE}
    bench = Bench(auth, {"password": value})
    if refused:
        assert "is a placeholder or NAME=value" in refused_proof(bench, "password")
    else:
        assert bench.proof().body["password"] == value


@pytest.mark.parametrize("value", ["YWJjZA==", "QUJDREVGR0hJSg=", "0123456789abcdef" * 4])
def test_base64_padding_is_no_assignment(value: str) -> None:
    bench = Bench({"type": "universal-auth", "credentials": REFERENCE}, {"client-id": IDENTITY, "client-secret": value})
    assert bench.proof().body["clientSecret"] == value


def test_stored_service_account_key_is_no_placeholder() -> None:
    bench = Bench(
        {"type": "gcp-iam", "identity-id": IDENTITY, "service-account-key": REFERENCE},
        {"service-account-key": "${GCP_KEY}"},
    )
    assert "is a placeholder or NAME=value" in refused_proof(bench, "service-account-key")


def test_universal_auth_reads_rotated_secret() -> None:
    bench = Bench({"type": "universal-auth", "credentials": REFERENCE}, {"client-id": "id", "client-secret": "one"})
    assert bench.proof().body["clientSecret"] == "one"
    bench.store({"client-id": "id", "client-secret": "two"})
    assert bench.proof().body["clientSecret"] == "two"


# ---------------------------------------------------------------- aws-iam


def signature(headers: dict[str, str], body: bytes, secret: str, region: str) -> str:
    """Compute the Signature Version 4 of a request, following the AWS documentation."""
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


def signed_headers(bench: Bench) -> dict[str, str]:
    """Return the headers that the server would forward to STS; check method and body."""
    body = bench.proof().body
    assert body["iamHttpRequestMethod"] == "POST"
    assert b64decode(body["iamRequestBody"]) == b"Action=GetCallerIdentity&Version=2011-06-15"
    return json.loads(b64decode(body["iamRequestHeaders"]))


def verify(headers: dict[str, str], access_key: str, secret: str, region: str = REGION) -> set[str]:
    """Verify the signature; return the names of the signed headers."""
    scheme, _, rest = headers["Authorization"].partition(" ")
    parts = dict(part.split("=", 1) for part in rest.split(", "))
    assert scheme == "AWS4-HMAC-SHA256"
    assert parts["Credential"] == f"{access_key}/{headers['X-Amz-Date'][:8]}/{region}/sts/aws4_request"
    assert parts["Signature"] == signature(headers, b"Action=GetCallerIdentity&Version=2011-06-15", secret, region)
    return set(parts["SignedHeaders"].split(";"))


def test_aws_iam_signs_every_header_that_sts_reads() -> None:
    headers = signed_headers(Bench({"type": "aws-iam", "identity-id": IDENTITY, "region": REGION}))
    assert verify(headers, "AKIDEXAMPLE", CANARY) == {
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
def test_aws_iam_signs_origin_of_server(address: str, origin: str) -> None:
    proof = Bench({"type": "aws-iam", "identity-id": IDENTITY, "region": REGION}).login.proof(address)
    headers = json.loads(b64decode(proof.body["iamRequestHeaders"]))
    assert "x-evercert-server-id" in verify(headers, "AKIDEXAMPLE", CANARY)
    assert headers["X-Evercert-Server-Id"] == origin


def test_aws_iam_requests_of_one_second_differ() -> None:
    """Parallel functions share credentials, and an authority accepts each signature once."""
    bench = Bench({"type": "aws-iam", "identity-id": IDENTITY, "region": REGION})
    proofs = [bench.proof() for _ in range(50)]
    assert len({proof.body["iamRequestHeaders"] for proof in proofs}) == 50
    assert len({proof.fingerprint for proof in proofs}) == 1
    assert all(proof.once for proof in proofs)


def test_aws_iam_signs_session_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lambda provides these credentials in environment variables."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session-token")
    headers = signed_headers(Bench({"type": "aws-iam", "identity-id": IDENTITY, "region": REGION}))
    assert "x-amz-security-token" in verify(headers, "AKIDEXAMPLE", CANARY)
    assert headers["X-Amz-Security-Token"] == "session-token"


def test_aws_iam_uses_task_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """ECS provides these credentials over HTTP, at an address in an environment variable."""
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
        headers = signed_headers(Bench({"type": "aws-iam", "identity-id": IDENTITY, "region": REGION}))
    assert "x-amz-security-token" in verify(headers, "TASK", "task-secret")
    assert headers["X-Amz-Security-Token"] == "task-token"


def test_aws_iam_uses_profile_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    file = tmp_path / "credentials"
    file.write_text("[default]\naws_access_key_id = PROFILE\naws_secret_access_key = profile-secret\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    verify(
        signed_headers(Bench({"type": "aws-iam", "identity-id": IDENTITY, "region": REGION})),
        "PROFILE",
        "profile-secret",
    )


def test_aws_iam_reports_missing_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(Misconfigured, match="no AWS credentials to sign with"):
        Bench({"type": "aws-iam", "identity-id": IDENTITY, "region": REGION}).proof()


def test_aws_iam_takes_region_from_settings_or_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-south-1")
    verify(signed_headers(Bench({"type": "aws-iam", "identity-id": IDENTITY})), "AKIDEXAMPLE", CANARY, "ap-south-1")
    verify(
        signed_headers(Bench({"type": "aws-iam", "identity-id": IDENTITY, "region": REGION})),
        "AKIDEXAMPLE",
        CANARY,
        REGION,
    )


def test_aws_iam_reports_missing_region() -> None:
    with pytest.raises(Misconfigured, match="no AWS region is set"):
        Bench({"type": "aws-iam", "identity-id": IDENTITY}).proof()


@pytest.mark.parametrize("region", ["evil.test/", "EU-WEST-1", "a" * 21, ""])
def test_aws_iam_refuses_region_that_changes_the_host(region: str) -> None:
    with pytest.raises(Misconfigured, match="region"):
        LOGINS.settings(Auth.model_validate({"type": "aws-iam", "identity-id": IDENTITY, "region": region}))


# ---------------------------------------------------------------- gcp-iam


def decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


@pytest.mark.parametrize("credential", [key_file(), json.dumps(key_file())], ids=["object", "text"])
def test_gcp_iam_signs_for_one_identity(credential: Any) -> None:
    settings, _ = AUTHS["gcp-iam"]
    token = Bench({"type": "gcp-iam", **settings}, {"service-account-key": credential}).proof().body["jwt"]
    header, claims, signed = token.split(".")
    assert "=" not in token
    assert json.loads(decoded(header)) == {"alg": "RS256", "kid": "key-1", "typ": "JWT"}
    assert json.loads(decoded(claims)) == {"sub": "evercert@project.iam.gserviceaccount.com", "aud": IDENTITY}
    RSA.public_key().verify(decoded(signed), f"{header}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
    with pytest.raises(InvalidSignature):
        RSA.public_key().verify(decoded(signed), f"{header}.{claims}x".encode(), padding.PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize(
    "credential",
    [
        {}, "", CANARY, [], None, 1, {"private_key": CANARY}, key_file(private_key=CANARY), key_file(ec.generate_private_key(ec.SECP256R1())),
        {key: value for key, value in key_file().items() if key != "private_key_id"}, "[" * 2_000,
    ],
)  # fmt: skip
def test_gcp_iam_does_not_quote_invalid_key_file(credential: Any) -> None:
    settings, _ = AUTHS["gcp-iam"]
    with pytest.raises(Misconfigured, match="must be the key file of a Google service account") as raised:
        Bench({"type": "gcp-iam", **settings}, {"service-account-key": credential}).proof()
    assert CANARY not in str(raised.value)
    assert "PRIVATE KEY" not in str(raised.value)


# ---------------------------------------------------------------- tokens that another system refreshes

TOKENS = {"kubernetes": "service-account-token", "azure": "token", "gcp-id-token": "token"}


@pytest.mark.parametrize("kind", sorted(TOKENS))
def test_stored_token_is_sent_unchanged(kind: str) -> None:
    settings, _ = AUTHS[kind]
    later = int((HandClock()() + timedelta(seconds=1)).timestamp())
    for token in (jwt(aud=IDENTITY), jwt(aud=["x", IDENTITY], exp=later), jwt(aud=IDENTITY, exp=later + 0.5)):
        found = Bench({"type": kind, **settings}, {TOKENS[kind]: f"{token}\n"}).proof()
        assert found.body["jwt"] == token


@pytest.mark.parametrize("kind", sorted(TOKENS))
def test_expired_stored_token_is_refused(kind: str) -> None:
    settings, _ = AUTHS[kind]
    token = jwt(exp=int(HandClock()().timestamp()))
    with pytest.raises(Misconfigured, match=r"the token expired at .*; the system that refreshes it") as raised:
        Bench({"type": kind, **settings}, {TOKENS[kind]: token}).proof()
    assert token not in str(raised.value)


@pytest.mark.parametrize("audience", [None, "", "other", ["other"], [], {"a": 1}])
def test_stored_token_for_another_audience_is_refused(audience: Any) -> None:
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
def test_invalid_stored_token_is_not_quoted(token: str) -> None:
    settings, _ = AUTHS["azure"]
    with pytest.raises(Misconfigured, match="must be a JSON web token") as raised:
        Bench({"type": "azure", **settings}, {"token": token}).proof()
    assert CANARY not in str(raised.value)


# ---------------------------------------------------------------- shared sessions


def test_session_is_shared_by_equal_logins() -> None:
    bench = Bench({"type": "universal-auth", "credentials": REFERENCE})
    one = shared_session(bench.context, ADDRESS, bench.auth)
    same = Auth.model_validate({"type": "universal", "credentials": REFERENCE})
    assert shared_session(bench.context, "https://CA.example:443", same) is one
    others = [
        shared_session(bench.context, "https://other.example", bench.auth),
        shared_session(
            bench.context, ADDRESS, Auth.model_validate({**bench.auth.model_dump(), "organization": "sub-org"})
        ),
        shared_session(bench.context, ADDRESS, bench.auth, retry=Retry(max_retries=0)),
    ]
    assert len({id(found) for found in (one, *others)}) == 4


def test_session_refuses_unlisted_host() -> None:
    bench = Bench({"type": "universal-auth", "credentials": REFERENCE})
    with pytest.raises(Misconfigured, match="IssuerHosts"):
        shared_session(bench.context, "https://evil.test", bench.auth)
    assert bench.vault.reads == []


def test_login_settings_refuse_unknown_keys() -> None:
    with pytest.raises(Misconfigured, match=r"identity(-id)?: "):
        LOGINS.settings(Auth.model_validate({"type": "azure", "identity": IDENTITY, "token": REFERENCE}))
    with pytest.raises(ValidationError):
        Auth.model_validate({"type": 1})
