"""The SDKs of Infisical for Python and Node.js log in at the authority and use the token."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.authority.client import NAMES, USAGES
from tests.doubles.authority.server import Authority
from tests.tools.infisical_sdks import node_modules_with_sdk, python_with_sdk

HERE = Path(__file__).parent
ROLE = "arn:aws:iam::123456789012:role/web"
SESSION = "arn:aws:sts::123456789012:assumed-role/web/i-0123456789"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "ASIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "session"}
LOGINS = ["universal-auth", "aws-auth"]


@pytest.fixture
def server() -> Iterator[Authority]:
    with Authority(lambda: datetime.now(UTC)) as made:  # the time that the SDKs sign with
        made.setting.sts.sts.add("ASIAEXAMPLE", "secret", arn=SESSION, session_token="session")
        yield made


def run(server: Authority, login: str, command: list[str], **given: Any) -> dict[str, Any]:
    """Run the calls of an SDK and return what they printed."""
    profile = server.setting.profile()
    aws = {"principals": (ROLE,), "foreign-clients": True}
    identity, secret = server.setting.identity("request", "read-key", aws=aws)
    assert identity.universal is not None
    if login == "aws-auth":
        given["identityId"] = identity.id
    else:
        given = {"clientId": identity.universal.client_id, "clientSecret": secret} | given
    attributes = {**NAMES, **USAGES, "ttl": "30d"}
    given |= {"address": server.address, "request": {"profileId": profile.id, "attributes": attributes}}
    environment = {"PATH": os.environ["PATH"], "NO_PROXY": "127.0.0.1", "AWS_REGION": "eu-central-1", **CREDENTIALS}
    done = subprocess.run(
        command, input=json.dumps(given), env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def expect(server: Authority, login: str, answers: dict[str, Any]) -> None:
    assert "refused" not in answers, answers
    assert server.logins == [login.removesuffix("-auth")]
    issued, found = answers["issued"], answers["found"]["certificate"]
    assert issued["status"] == "issued" and issued["certificate"]["privateKey"].startswith("-----BEGIN")
    assert (found["id"], found["status"]) == (issued["certificate"]["certificateId"], "active")
    assert "Route not found" in answers["missing"]  # secrets are not offered; the SDK shows the message


@pytest.mark.peer("python3")
@pytest.mark.timeout(700)  # the first run installs the SDK
@pytest.mark.parametrize("login", LOGINS)
def test_python_sdk_logs_in_and_issues(server: Authority, login: str) -> None:
    answers = run(server, login, [str(python_with_sdk()), str(HERE / "sdk_calls.py")])
    expect(server, login, answers)
    token = answers["login"]
    assert (token["tokenType"], token["expiresIn"], token["accessTokenMaxTTL"]) == ("Bearer", 3600, 86_400)


@pytest.mark.peer("python3")
@pytest.mark.timeout(700)
def test_python_sdk_shows_why_a_login_is_refused(server: Authority) -> None:
    command = [str(python_with_sdk()), str(HERE / "sdk_calls.py")]
    answers = run(server, "universal-auth", command, clientSecret="wrong")
    assert answers == {"refused": "Invalid credentials (Status: 401)"}


@pytest.mark.peer("node")
@pytest.mark.peer("npm")
@pytest.mark.timeout(700)
@pytest.mark.parametrize("login", LOGINS)
def test_node_sdk_logs_in_renews_and_issues(server: Authority, login: str) -> None:
    modules = node_modules_with_sdk()
    answers = run(server, login, ["node", str(HERE / "sdk_calls.mjs")], modules=str(modules))
    expect(server, login, answers)
    assert answers["login"]["renewed"] == answers["login"]["accessToken"]


@pytest.mark.peer("node")
@pytest.mark.peer("npm")
@pytest.mark.timeout(700)
def test_node_sdk_shows_why_a_login_is_refused(server: Authority) -> None:
    modules = node_modules_with_sdk()
    command = ["node", str(HERE / "sdk_calls.mjs")]
    answers = run(server, "universal-auth", command, modules=str(modules), clientSecret="wrong")
    assert "Invalid credentials" in answers["refused"]
