"""Tests of evercert's logins against the authority over HTTP: what it signs matches what the authority requires."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from evercert.aws.session import Session
from evercert.deadline import Deadline
from evercert.errors import Misconfigured, Unavailable
from evercert.http_client.client import HTTPClient
from evercert.issuers.context import IssuerContext
from evercert.issuers.infisical.logins import Auth
from evercert.issuers.infisical.session import shared_session
from evercert.origins import Hosts
from tests.doubles.authority.server import CONTEXT, Authority
from tests.doubles.credential_reader import Vault

ROLE = "arn:aws:iam::123456789012:role/evercert-issuer"
SESSION = "arn:aws:sts::123456789012:assumed-role/evercert-issuer/function"
PROJECT = "/v1/projects/slug/shop"


def now() -> datetime:
    return datetime.now(UTC)  # the time that botocore signs with


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Authority]:
    for name, value in {
        "ACCESS_KEY_ID": "ASIAEXAMPLE",
        "SECRET_ACCESS_KEY": "secret",
        "SESSION_TOKEN": "session",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    with Authority(now) as made:
        made.setting.sts.sts.add("ASIAEXAMPLE", "secret", arn=SESSION, session_token="session")
        made.setting.profile()
        yield made


def call(server: Authority, identity: Any, **auth: Any) -> Any:
    http = HTTPClient(Hosts.of(""), Deadline(now), now, lambda _: None, local=True)
    try:
        context = IssuerContext(http, Vault().credentials, Session(), now)
        given = {"type": "aws-iam", "identity-id": identity.id, "region": "eu-central-1", **auth}
        return shared_session(context, server.address, Auth.model_validate(given)).call("GET", PROJECT)
    finally:
        http.close()


def by_role(server: Authority, *principals: str) -> Any:
    made, _ = server.setting.identity(universal=None, aws={"principals": principals})
    return made


def test_role_logs_in(server: Authority) -> None:
    answer = call(server, by_role(server, ROLE))
    assert (answer.status, answer.json()["slug"]) == (200, "shop")
    assert server.logins == ["aws"]
    ((region, headers),) = server.setting.sts.asked
    assert region == "eu-central-1"
    assert {name.lower(): value for name, value in headers.items()}["x-evercert-server-id"] == server.address


@pytest.mark.parametrize(
    "principal", ["arn:aws:iam::123456789012:role/other", "arn:aws:iam::999999999999:role/evercert-issuer"]
)
def test_other_role_is_refused(server: Authority, principal: str) -> None:
    with pytest.raises(Misconfigured, match="AWS principal ARN not allowed"):
        call(server, by_role(server, principal))
    assert server.setting.tokens.tokens == {}


def test_identity_without_aws_login_is_refused_before_sts(server: Authority) -> None:
    identity, _ = server.setting.identity()
    with pytest.raises(Misconfigured, match="did you configure AWS auth"):
        call(server, identity)
    assert server.setting.sts.asked == []


def test_disallowed_region_is_refused_before_sts(server: Authority) -> None:
    with pytest.raises(Misconfigured, match="cannot log in"):
        call(server, by_role(server, ROLE), region="us-east-1")
    assert server.setting.sts.asked == []


def test_login_request_is_refused_by_other_server(server: Authority) -> None:
    """A server that receives a login request cannot use it at another server."""
    identity = by_role(server, ROLE)
    with Authority(now) as other:
        other.setting.configuration.put(identity)
        other.setting.sts.sts.add("ASIAEXAMPLE", "secret", arn=SESSION, session_token="session")
        other.setting.profile()
        captured: list[bytes] = []
        answer = server._module.handler

        def capture(event: dict[str, Any], context: Any) -> Any:
            captured.append(event)  # type: ignore[arg-type]
            return answer(event, context)

        server._module.handler = capture
        assert call(server, identity).status == 200
        response = other._module.handler(captured[0], CONTEXT)
        assert response["statusCode"] in {400, 401} and other.setting.sts.asked == []
        repeated = answer(captured[0], CONTEXT)
        assert repeated["statusCode"] == 401 and "used before" in repeated["body"]
        assert len(server.setting.sts.asked) == 1


def test_sts_outage_is_unavailable(server: Authority) -> None:
    server.setting.sts.trouble = Unavailable("STS cannot be reached")
    with pytest.raises(Unavailable):
        call(server, by_role(server, ROLE))
