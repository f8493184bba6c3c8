"""The example subscribers: their calls, repeated and foreign events, and errors."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.aws_service import Service, serve
from tests.doubles.chat import TOKEN, Chat, serve_chat
from tests.tools.local_stack import REGION, ROOT

EVENT = json.loads((ROOT / "events" / "certificate_renewed.json").read_text())
FAILED = json.loads((ROOT / "events" / "certificate_failed.json").read_text())
PUBLISHED = "2026-11-21T10:18:45.120Z"
PUBLISHED_SECONDS = 1795256325.120
Subscriber = Any


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)


def load(name: str) -> Subscriber:
    """Import the function of an example, whose clients are made at import."""
    found = importlib.util.spec_from_file_location(
        f"subscriber_{name.replace('-', '_')}", ROOT / "examples" / "subscribers" / name / "app.py"
    )
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def invocation(event: Any, severity: str = "info", published: str = PUBLISHED) -> dict[str, Any]:
    """Return what SNS sends to a function."""
    text = event if isinstance(event, str) else json.dumps(event)
    attributes = {"severity": {"Type": "String", "Value": severity}}
    return {"Records": [{"Sns": {"Message": text, "Timestamp": published, "MessageAttributes": attributes}}]}


def changed(**data: Any) -> dict[str, Any]:
    return {**EVENT, "data": {**EVENT["data"], **data}}


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


# -- reload by SSM -----------------------------------------------------------------------------------------------------
@pytest.fixture
def ssm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    with serve("ssm", {"SendCommand": lambda _: {"Command": {"CommandId": "command-1"}}}) as service:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", service.url)
        monkeypatch.setenv("CERTIFICATE", "web")
        monkeypatch.setenv("DOCUMENT", "evercert-reload")
        yield service


SEND_COMMAND = {
    "DocumentName": "evercert-reload",
    "Targets": [{"Key": "tag:evercert-certificate", "Values": ["web"]}],
    "Comment": "evercert: web revision 2",
    "TimeoutSeconds": 600,
    "MaxConcurrency": "25%",
    "MaxErrors": "0",
}


def test_reload_sends_the_command_to_tagged_hosts(ssm: Service, capsys: pytest.CaptureFixture[str]) -> None:
    load("reload-by-ssm").handler(invocation(EVENT), None)
    assert (ssm.calls, ssm.refused) == ([("SendCommand", SEND_COMMAND)], [])
    assert logged(capsys) == [{"command": "command-1", "event": EVENT["id"], "revision": 2}]


FOREIGN = {
    "another-certificate": changed(name="other"),
    "another-type": {**EVENT, "type": "certificate.failed"},
    "no-data": {"type": "certificate.renewed"},
    "no-json": "hello",
}


@pytest.mark.parametrize("event", FOREIGN.values(), ids=FOREIGN)
def test_reload_refuses_events_of_others(ssm: Service, event: Any) -> None:
    with pytest.raises(ValueError):
        load("reload-by-ssm").handler(invocation(event), None)
    assert ssm.calls == []


# -- redeploy ECS ------------------------------------------------------------------------------------------------------
class Cluster:
    """A service of ECS; a deployment begins at `now`."""

    def __init__(self, created: float, status: str = "ACTIVE") -> None:
        self.now = PUBLISHED_SECONDS + 5
        self.status = status
        self.deployments = [{"id": "ecs-svc/1", "status": "PRIMARY", "createdAt": created}]

    def describe(self, _: Any = None) -> Any:
        return {"services": [self.service()] if self.status else []}

    def service(self) -> Any:
        return {"status": self.status, "deployments": self.deployments}

    def update(self, _: Any) -> Any:
        old = [{**one, "status": "ACTIVE"} for one in self.deployments]
        fresh = {"id": f"ecs-svc/{len(old) + 1}", "status": "PRIMARY", "createdAt": self.now}
        self.deployments = [fresh, *old]
        return {"service": self.service()}


@pytest.fixture
def cluster() -> Cluster:
    return Cluster(PUBLISHED_SECONDS - 86_400)


@pytest.fixture
def ecs(monkeypatch: pytest.MonkeyPatch, cluster: Cluster) -> Iterator[Service]:
    answers: dict[str, Callable[..., Any]] = {"DescribeServices": cluster.describe, "UpdateService": cluster.update}
    with serve("ecs", answers) as service:
        monkeypatch.setenv("AWS_ENDPOINT_URL_ECS", service.url)
        for name, value in {"CERTIFICATE": "web", "CLUSTER": "main", "SERVICE": "shop"}.items():
            monkeypatch.setenv(name, value)
        yield service


DESCRIBE = ("DescribeServices", {"cluster": "main", "services": ["shop"]})
UPDATE = ("UpdateService", {"cluster": "main", "service": "shop", "forceNewDeployment": True})


def test_redeploy_starts_a_deployment(ecs: Service, capsys: pytest.CaptureFixture[str]) -> None:
    load("redeploy-ecs").handler(invocation(EVENT), None)
    assert (ecs.calls, ecs.refused) == ([DESCRIBE, UPDATE], [])
    assert logged(capsys) == [{"deployment": "ecs-svc/2", "started": True, "event": EVENT["id"]}]


def test_redeploy_ignores_a_repeated_and_an_older_event(ecs: Service) -> None:
    function = load("redeploy-ecs")
    function.handler(invocation(EVENT), None)
    function.handler(invocation(EVENT), None)
    function.handler(invocation(changed(revision=1), published="2026-11-21T10:17:45.120Z"), None)
    assert ecs.calls == [DESCRIBE, UPDATE, DESCRIBE, DESCRIBE]


@pytest.mark.parametrize("status", ["", "INACTIVE", "DRAINING"])
def test_redeploy_names_a_missing_service(ecs: Service, cluster: Cluster, status: str) -> None:
    cluster.status = status
    with pytest.raises(LookupError, match="no active service shop in the cluster main"):
        load("redeploy-ecs").handler(invocation(EVENT), None)
    assert ecs.calls == [DESCRIBE]


@pytest.mark.parametrize("event", FOREIGN.values(), ids=FOREIGN)
def test_redeploy_refuses_events_of_others(ecs: Service, event: Any) -> None:
    with pytest.raises(ValueError):
        load("redeploy-ecs").handler(invocation(event), None)
    assert ecs.calls == []


# -- chat message ------------------------------------------------------------------------------------------------------
@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Chat]:
    kept: dict[str, Any] = {}

    def put(call: dict[str, Any]) -> Any:
        kept[call["Item"]["id"]["S"]] = call["Item"]
        return {}

    with serve_chat(tmp_path) as served:
        secret = {"GetSecretValue": lambda _: {"SecretString": f"{served.url}\n"}}
        table = {
            "GetItem": lambda call: {"Item": kept[key]} if (key := call["Key"]["id"]["S"]) in kept else {},
            "PutItem": put,
        }
        with serve("secretsmanager", secret) as secrets, serve("dynamodb", table) as dynamodb:
            monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", secrets.url)
            monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamodb.url)
            monkeypatch.setenv("SSL_CERT_FILE", str(served.ca_file))
            monkeypatch.setenv("WEBHOOK_SECRET", "chat/webhook")
            monkeypatch.setenv("POSTED", "posted")
            yield served


def test_chat_posts_one_message_for_a_repeated_event(chat: Chat, capsys: pytest.CaptureFixture[str]) -> None:
    function = load("chat-message")
    for _ in range(2):
        function.handler(invocation(FAILED, "warning"), None)
    (text,) = chat.texts
    assert text.startswith(f"⚠️ certificate.failed: {FAILED['data']['name']}\n")
    assert FAILED["data"]["message"].split(";")[0][:60] in text
    assert [line["posted"] for line in logged(capsys)] == [True, False]


def test_chat_escapes_mentions_and_cuts_long_texts(chat: Chat) -> None:
    event = {**FAILED, "data": {**FAILED["data"], "message": "<!channel> & " + "x" * 5_000}}
    load("chat-message").handler(invocation(event), None)
    (text,) = chat.texts
    assert "&lt;!channel&gt; &amp; x" in text and "<" not in text
    assert len(text) < 1_300


@pytest.mark.parametrize("status", [302, 404, 429, 500])
def test_chat_error_is_raised_and_tried_again(chat: Chat, status: int) -> None:
    function = load("chat-message")
    chat.status, chat.headers = status, {"Location": chat.url}
    with pytest.raises(function.PostError, match=f"HTTP {status}$") as raised:
        function.handler(invocation(FAILED), None)
    assert (raised.value.__cause__, raised.value.__context__) == (None, None)
    chat.status = 200
    function.handler(invocation(FAILED), None)
    assert len(chat.messages) == 1


@pytest.mark.parametrize(
    "url", [f"http://127.0.0.1/{TOKEN}", f"file:///{TOKEN}", f"https://127.0.0.1:1/{TOKEN}", f"https://a b/{TOKEN}"]
)
def test_chat_errors_contain_no_webhook(chat: Chat, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    function = load("chat-message")
    monkeypatch.setattr(function.secrets, "get_secret_value", lambda **_: {"SecretString": url})
    with pytest.raises(function.PostError) as raised:
        function.handler(invocation(FAILED), None)
    assert TOKEN not in str(raised.value)
    assert raised.value.__context__ is None
