"""Lean clients: the same requests as those of usual clients, prepared in less time."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ParamValidationError

from evercert.aws.clients import Clients
from evercert.aws.endpoints import keep_endpoint
from evercert.aws.session import Session
from evercert.aws.timeouts import LEAN_SERVICES, SIGNER, UNATTENDED, USUAL, WAITED_FOR, Limits
from tests.doubles.world import World
from tests.tools.local_stack import ROOT

QUEUE = "https://sqs.eu-central-1.amazonaws.com/123456789012/queue"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:topic"
# A call of each service: operation, parameters, and a parameter that must be a string.
CALLS: dict[str, tuple[str, dict[str, Any], str]] = {
    "acm": ("list_certificates", {}, "NextToken"),
    "dynamodb": (
        "get_item",
        {"TableName": "table", "Key": {"pk": {"S": "a"}, "sk": {"S": "b"}}},
        "ProjectionExpression",
    ),
    "kms": ("list_keys", {}, "Marker"),
    "lambda": ("invoke", {"FunctionName": "signer", "Payload": b"{}"}, "Qualifier"),
    "s3": ("get_object", {"Bucket": "bucket-b", "Key": "key"}, "Key"),
    "secretsmanager": ("list_secrets", {}, "NextToken"),
    "sns": ("publish", {"TopicArn": TOPIC, "Message": "text"}, "Message"),
    "sqs": ("delete_message", {"QueueUrl": QUEUE, "ReceiptHandle": "handle"}, "ReceiptHandle"),
}
ANSWERS = {
    "acm": b'{"CertificateSummaryList": []}',
    "secretsmanager": b'{"SecretList": []}',
    "sns": b"<PublishResponse><PublishResult/></PublishResponse>",
}


class Body:
    def __init__(self, service: str) -> None:
        self._text = ANSWERS.get(service, b'{"Keys": []}')

    def stream(self, **_: Any) -> Any:
        yield self._text


def sent(limits: Limits, service: str, *others: dict[str, Any]) -> tuple[str, str, str]:
    """Return method, URL and user agent of the last call."""
    made: list[tuple[str, str, str]] = []

    def answer(request: Any, **_: Any) -> AWSResponse:
        made.append((request.method, request.url, request.headers["User-Agent"].decode()))
        return AWSResponse(request.url, 200, {}, Body(service))

    client = Clients(session=Session("eu-central-1"), limits=limits).client(service)
    client.meta.events.register(f"before-send.{service}", answer)
    name, arguments, _ = CALLS[service]
    for more in ({}, *others):
        getattr(client, name)(**arguments | more)
    return made[-1]


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.mark.parametrize("service", CALLS)
def test_lean_client_calls_the_usual_endpoint(service: str) -> None:
    others = ({"TableName": "other"},) if service == "dynamodb" else ({"Bucket": "other"},) if service == "s3" else ()
    lean, usual = (sent(limits, service, *others) for limits in (WAITED_FOR, replace(WAITED_FOR, lean=False)))
    assert lean[:2] == usual[:2]


def test_each_bucket_keeps_its_own_endpoint() -> None:
    client = Session("eu-central-1").client("s3", config=USUAL.config)
    keep_endpoint(client, "s3")
    urls: list[str] = []

    def answer(request: Any, **_: Any) -> AWSResponse:
        urls.append(request.url)
        return AWSResponse(request.url, 200, {}, Body("s3"))

    client.meta.events.register("before-send.s3", answer)
    for bucket in ("bucket-b", "other"):
        client.get_object(Bucket=bucket, Key="key")
    assert [url.removeprefix("https://").partition(".")[0] for url in urls] == ["bucket-b", "other"]


@pytest.mark.parametrize("service", CALLS)
def test_user_agent_names_botocore_and_evercert(service: str) -> None:
    for limits in (USUAL, WAITED_FOR):
        agent = sent(limits, service)[2]
        assert agent.startswith("Botocore/") and "evercert" in agent.split(" ")


def test_functions_are_lean_and_commands_are_not() -> None:
    assert (USUAL.lean, UNATTENDED.lean, WAITED_FOR.lean, SIGNER.lean) == (False, True, True, True)
    assert (UNATTENDED.call, UNATTENDED.attempts) == (USUAL.call, USUAL.attempts)
    for app in (ROOT / "functions").glob("*/app.py"):
        made = re.findall(r"(?<!\w)Clients\(.*", app.read_text())
        assert made and all(re.search(r"limits=(UNATTENDED|WAITED_FOR)\)", line) for line in made), app


def test_lean_services_send_no_parameter_in_the_url() -> None:
    steady, others = set(), set()
    for service, operations in json.loads((ROOT / "layers" / "operations.json").read_text()).items():
        model = botocore.session.get_session().get_service_model(service)
        inputs = [model.operation_model(operation).input_shape for operation in operations]
        places = {
            member.serialization.get("location") for shape in inputs if shape for member in shape.members.values()
        }
        (others if places & {"uri", "querystring"} else steady).add(service)
    assert (others - LEAN_SERVICES, LEAN_SERVICES - others) == ({"route53", "s3"}, steady)


@pytest.mark.parametrize("service", sorted(LEAN_SERVICES & set(CALLS)))
def test_lean_clients_do_not_check_parameters(service: str) -> None:
    wrong = {CALLS[service][2]: 5}
    for limits in (UNATTENDED, WAITED_FOR):
        assert sent(limits, service, wrong)
    with pytest.raises(ParamValidationError):
        sent(USUAL, service, wrong)


@pytest.mark.parametrize("limits", [UNATTENDED, WAITED_FOR])
def test_object_without_a_name_is_refused_before_the_call(limits: Limits) -> None:
    """The request would be one for the bucket."""
    s3 = Clients(session=Session("eu-central-1"), limits=limits).client("s3")
    with pytest.raises(ParamValidationError, match="Key"):
        s3.put_object(Bucket="bucket-b", Key="", Body=b"")


def test_parameters_are_checked_by_the_tests(world: World) -> None:
    """The contract tests make every call of the functions with these clients."""
    clients = world.clients
    for call in (clients.acm.get_certificate, clients.dynamodb.get_item, clients.kms.encrypt, clients.sqs.send_message):
        with pytest.raises(ParamValidationError):
            call()  # type: ignore[operator]
