"""evercert's AWS session compared with boto3's: the same clients, created on first use."""

from __future__ import annotations

import boto3
import pytest
from botocore.exceptions import NoRegionError

from evercert.aws.clients import CONFIG, Clients
from evercert.aws.session import Session
from tests.tools.local_stack import CREDENTIALS, REGION, Emulator


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, running: Emulator) -> None:
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": running.url, "AWS_DEFAULT_REGION": REGION}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("region", [None, "us-east-1"])
@pytest.mark.parametrize("service", ["acm", "dynamodb", "kms", "secretsmanager", "sns", "sqs", "ssm", "sts"])
def test_session_creates_the_same_clients_as_boto3(service: str, region: str | None) -> None:
    ours = Session(region).client(service, config=CONFIG)
    theirs = boto3.Session(region_name=region).client(service, config=CONFIG)
    assert ours.meta.region_name == theirs.meta.region_name == (region or REGION)
    assert ours.meta.endpoint_url == theirs.meta.endpoint_url
    assert ours.meta.service_model.api_version == theirs.meta.service_model.api_version
    assert ours.meta.config.read_timeout == theirs.meta.config.read_timeout


@pytest.mark.usefixtures("environment")
def test_session_supports_clients_of_another_region() -> None:
    assert Session().client("sqs", config=CONFIG, region_name="us-west-2").meta.region_name == "us-west-2"


@pytest.mark.usefixtures("environment")
def test_session_supports_event_handlers() -> None:
    heard = []
    clients = Clients(session=Session())
    clients.session.events.register("before-call", lambda model, **_: heard.append(model.name))
    clients.sqs.list_queues()
    assert heard == ["ListQueues"]


@pytest.mark.usefixtures("environment")
def test_session_loads_credentials_on_first_use() -> None:
    asked = []

    def refresh() -> dict[str, str]:
        asked.append("asked")
        return {
            "access_key": "111122223333", "secret_key": "x", "token": "x", "expiry_time": "2999-01-01T00:00:00+00:00"
        }  # fmt: skip

    clients = Clients().elsewhere("us-east-1", refresh)
    client = clients.sts
    assert asked == []
    assert client.get_caller_identity()["Account"] == "111122223333"
    assert client.get_caller_identity()["Account"] == "111122223333"
    assert asked == ["asked"]


def test_missing_region_is_reported_by_the_first_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    client = Clients().dynamodb
    with pytest.raises(NoRegionError):
        client.list_tables()


@pytest.mark.usefixtures("environment")
def test_session_creates_each_client_once() -> None:
    clients = Clients()
    assert clients.kms is clients.kms
    assert clients.kms.list_keys.__self__ is clients.kms.list_aliases.__self__
