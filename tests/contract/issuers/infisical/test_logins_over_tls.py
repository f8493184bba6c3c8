"""Test every login against the double of Infisical over TLS, with credentials from Secrets Manager."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from evercert.aws.credential_reader import Credentials
from evercert.aws.session import Session
from evercert.deadline import Deadline
from evercert.errors import Misconfigured, Unavailable
from evercert.http_client.client import HTTPClient
from evercert.issuers.context import IssuerContext
from evercert.issuers.infisical.logins import LOGINS, Auth
from evercert.issuers.infisical.session import shared_session
from evercert.origins import Hosts
from tests.doubles.fakes import HandClock
from tests.doubles.infisical import Planted
from tests.doubles.infisical.ca import new_key
from tests.doubles.infisical.identity_providers import HOUR
from tests.doubles.world import World

CERTIFICATES = "/v1/cert-manager/certificates"
KINDS = sorted(LOGINS.entries)


class Bench:
    """An issuer's context, with the double of Infisical as its server."""

    def __init__(self, world: World, server: Planted, clock: HandClock) -> None:
        self.server, self.world, self.clock = server, world, clock
        http = HTTPClient(Hosts([]), Deadline(clock), clock, lambda _: None, local=True)
        self.context = IssuerContext(http, Credentials(world.clients), Session(), clock)

    def stored(self, **value: Any) -> dict[str, str]:
        """Store a credential for this server; return a reference to it."""
        name = f"evercert/credentials/{uuid.uuid4().hex}"
        text = json.dumps({"address": self.server.address, **value})
        self.world.operator.secretsmanager.create_secret(Name=name, SecretString=text)
        return {"aws-secret": name}

    def auth(self, kind: str, **changes: Any) -> Auth:
        """Build valid `auth` settings; `proof` replaces the credential, `changes` other settings."""
        server = self.server
        identity = {"identity-id": server.machine.id}
        proof = changes.pop("proof", None)
        settings: dict[str, Any] = {
            "universal-auth": lambda: {
                "credentials": self.stored(
                    **{"client-id": server.client_id, "client-secret": proof or server.client_secret}
                )
            },
            "aws-iam": lambda: {**identity, "region": "eu-central-1"},
            "kubernetes": lambda: {
                **identity, "service-account-token": self.stored(**{"service-account-token": proof or server.cluster.token()})
            },
            "azure": lambda: {**identity, "token": self.stored(token=proof or server.tenant.token())},
            "gcp-id-token": lambda: {
                "identity-id": server.gcp_machine.id,
                "token": self.stored(token=proof or server.google.id_token(server.gcp_machine.id)),
            },
            "gcp-iam": lambda: {
                "identity-id": server.gcp_iam_machine.id,
                "service-account-key": self.stored(**{"service-account-key": proof or server.service_account_key}),
            },
            "ldap-auth": lambda: {
                **identity, "username": server.ldap_user, "password": self.stored(password=proof or server.ldap_password)
            },
        }[kind]()  # fmt: skip
        return Auth.model_validate({"type": kind, **settings, **changes})

    def call(self, auth: Auth) -> Any:
        session = shared_session(self.context, self.server.address, auth, ca_bundle=self.server.ca_bundle)
        return session.call("GET", CERTIFICATES + "/certificate-requests/" + str(uuid.uuid4()))


@pytest.fixture
def bench(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    clock = HandClock()
    world.switch.arm(None)
    with Planted(clock=clock) as server:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.secret_key)
        bench = Bench(world, server, clock)
        yield bench
        bench.context.http.close()


@pytest.mark.parametrize("kind", KINDS)
def test_login_serves_many_calls(bench: Bench, kind: str) -> None:
    auth = bench.auth(kind)
    for _ in range(3):
        answer = bench.call(auth)
        assert answer.status == 404  # logged in; no such request exists
    assert len(bench.server.logins) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_login_outlasts_token_through_renewal(bench: Bench, kind: str) -> None:
    for identity in bench.server.estate.identities.values():
        identity.token_ttl, identity.token_max_ttl = 900, 3_600
    auth = bench.auth(kind)
    assert bench.call(auth).status == 404
    bench.clock.advance(seconds=600)
    assert bench.call(auth).status == 404
    assert len(bench.server.logins) == 1
    assert bench.server.calls[-2:][0] == ("POST", "/api/v1/auth/token/renew")


def test_token_expired_on_server_is_replaced_in_same_call(bench: Bench) -> None:
    auth = bench.auth("universal-auth")
    assert bench.call(auth).status == 404
    bench.server.switches.clock_offset = timedelta(days=31)  # the clocks of server and client differ
    assert bench.call(auth).status == 404
    assert len(bench.server.logins) == 2


def test_aws_iam_login_accepts_session_credentials(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    arn = "arn:aws:sts::123456789012:assumed-role/evercert-issuer/function"
    bench.server.sts.add("ASIAFUNCTION", "secret", session_token="session", arn=arn)
    for name, value in {
        "ACCESS_KEY_ID": "ASIAFUNCTION",
        "SECRET_ACCESS_KEY": "secret",
        "SESSION_TOKEN": "session",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    assert bench.call(bench.auth("aws-iam")).status == 404
    assert bench.server.sts.seen == ["POST sts.eu-central-1.amazonaws.com/"]


def test_aws_iam_login_with_wrong_secret_fails(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    with pytest.raises(Unavailable, match="answered 500"):  # Infisical answers 500 if STS refuses
        bench.call(bench.auth("aws-iam"))
    assert bench.server.logins == []


WRONG = {
    "universal-auth": lambda _: "wrong-secret",
    "kubernetes": lambda server: server.cluster.token(key=new_key("EC_prime256v1")),
    "azure": lambda server: server.tenant.token(audience="https://vault.azure.net"),
    "gcp-id-token": lambda server: server.google.id_token(server.gcp_machine.id, email=None),
    "gcp-iam": lambda server: {**server.service_account_key, "private_key_id": "unknown"},
    "ldap-auth": lambda _: "wrong-password",
}


@pytest.mark.parametrize("kind", sorted(WRONG))
def test_refused_proof_is_not_in_error(bench: Bench, kind: str) -> None:
    proof = WRONG[kind](bench.server)
    with pytest.raises(Misconfigured, match="cannot log in at https://127") as raised:
        bench.call(bench.auth(kind, proof=proof))
    assert "check `auth` of the issuer" in str(raised.value)
    for secret in [proof] if isinstance(proof, str) else proof.values():
        assert secret not in str(raised.value) or secret in {"unknown", "service_account", "my-project"}
    assert bench.server.logins == []


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"universal-auth"}))
def test_unknown_identity_is_misconfigured(bench: Bench, kind: str) -> None:
    unknown = str(uuid.uuid4())
    proof = bench.server.google.id_token(unknown) if kind == "gcp-id-token" else None
    with pytest.raises(Misconfigured, match="answered 404"):
        bench.call(bench.auth(kind, proof=proof, **{"identity-id": unknown}))


def test_unknown_organization_is_named_in_error(bench: Bench) -> None:
    with pytest.raises(Misconfigured, match="Sub organization with slug nowhere not found"):
        bench.call(bench.auth("universal-auth", organization="nowhere"))


@pytest.mark.parametrize("kind", ["kubernetes", "azure", "gcp-id-token"])
def test_expired_token_is_not_sent(bench: Bench, kind: str) -> None:
    server = bench.server
    expired = {
        "kubernetes": lambda: server.cluster.token(lifetime=-HOUR),
        "azure": lambda: server.tenant.token(lifetime=-HOUR),
        "gcp-id-token": lambda: server.google.id_token(server.gcp_machine.id, lifetime=-HOUR),
    }[kind]()
    with pytest.raises(Misconfigured, match="the token expired at"):
        bench.call(bench.auth(kind, proof=expired))
    assert server.calls == []


def test_token_for_another_audience_is_not_sent(bench: Bench) -> None:
    """The server would answer 500, which looks like an outage."""
    with pytest.raises(Misconfigured, match="request one with that audience"):
        bench.call(bench.auth("gcp-id-token", proof=bench.server.google.id_token("another identity")))
    assert bench.server.calls == []


def test_credential_for_another_server_is_not_sent(bench: Bench) -> None:
    auth = bench.auth("universal-auth")
    with Planted(clock=bench.clock) as other:
        session = shared_session(bench.context, other.address, auth, ca_bundle=other.ca_bundle)
        with pytest.raises(Misconfigured, match="so it is not sent to"):
            session.call("GET", CERTIFICATES)
        assert other.calls == []


def test_rotated_secret_is_used_at_next_login(bench: Bench) -> None:
    auth = bench.auth("universal-auth")
    assert bench.call(auth).status == 404
    old, new = bench.server.machine.client_secrets[0], bench.server.machine.new_client_secret(bench.clock())
    old.revoked = True
    text = json.dumps({"address": bench.server.address, "client-id": bench.server.client_id, "client-secret": new})
    name = auth.settings["credentials"]["aws-secret"]
    bench.world.operator.secretsmanager.put_secret_value(SecretId=name, SecretString=text)
    bench.server.switches.clock_offset = timedelta(days=31)
    assert bench.call(auth).status == 404


def test_untrusted_server_gets_no_login(bench: Bench) -> None:
    auth = bench.auth("universal-auth")
    with pytest.raises(Misconfigured, match="not trusted"):
        shared_session(bench.context, bench.server.address, auth).call("GET", CERTIFICATES)
    assert bench.server.calls == []


def test_processes_log_in_separately(bench: Bench) -> None:
    auth = bench.auth("universal-auth")
    bench.call(auth)
    bench.context = replace(bench.context, shared={})
    bench.call(auth)
    assert len(bench.server.logins) == 2
