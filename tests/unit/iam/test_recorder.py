"""The recorder of AWS calls, on clients whose transport answers by itself."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from evercert.aws.clients import Clients
from evercert.aws.dynamodb.circuit_breakers import DynamoDBBreakers
from evercert.aws.session import Session
from evercert.aws.timeouts import UNATTENDED, USUAL, Limits
from tests.iam import recorder
from tests.iam.principals import principal
from tests.iam.processes import CallLog


class Raw(io.BytesIO):
    def stream(self) -> Iterator[bytes]:
        yield self.getvalue()


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Clients]]:
    monkeypatch.setattr(recorder, "_assumed", set())  # other tests of this process assume roles, too
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "issuer")

    def made(answer: dict[str, Any], status: int = 200, folder: Path | None = None, limits: Limits = USUAL) -> Clients:
        recorder.install(str(folder) if folder else None)
        recorder.calls.clear()
        session = Session("eu-central-1")
        body = json.dumps(answer).encode()
        session.events.register("before-send", lambda request, **_: AWSResponse(request.url, status, {}, Raw(body)))
        return Clients(session=session, limits=limits)

    yield made
    recorder.install()
    recorder.calls.clear()


def test_recorder_keeps_what_decides_and_no_secret(clients: Callable[..., Clients]) -> None:
    tags = [{"Key": "evercert:stack", "Value": "one"}]
    arn = "arn:aws:secretsmanager:eu-central-1:000000000000:secret:web-AbCdEf"
    clients({"ARN": arn, "Name": "web", "VersionId": "1"}).secretsmanager.create_secret(
        Name="web", SecretString="s3cret", Tags=tags
    )
    (call,) = recorder.calls
    assert (call["who"], call["service"], call["operation"]) == ("issuer", "secretsmanager", "CreateSecret")
    assert (call["region"], call["assumed"]) == ("eu-central-1", False)
    assert call["answer"] == {"code": "", "arn": arn, "tags": None}
    assert call["params"]["Tags"] == tags
    assert "s3cret" not in json.dumps(recorder.calls)


def test_recorder_checks_parameters_that_lean_clients_do_not(clients: Callable[..., Clients]) -> None:
    lean = clients({"Plaintext": "cw=="}, limits=UNATTENDED).kms
    lean.decrypt(CiphertextBlob=b"sealed")
    lean.decrypt(CiphertextBlob=b"sealed", KeyId="")
    with suppress(TypeError):
        lean.encrypt(KeyId="key", Plaintext=None)  # type: ignore[arg-type]
    assert [call["valid"] for call in recorder.calls] == [True, False, False]


def test_recorder_keeps_keys_of_items_only(clients: Callable[..., Clients]) -> None:
    table = clients({"Items": []}).dynamodb
    table.put_item(TableName="t", Item={"pk": {"S": "certificate#a"}, "sealed": {"S": "s3cret"}})
    query = {"KeyConditionExpression": "pk = :pk AND sk > :a", "FilterExpression": "x = :b"}
    table.query(TableName="t", **query, ExpressionAttributeValues={":pk": {"S": "k"}, ":b": {"S": "s3cret"}})
    put, asked = recorder.calls
    assert put["params"]["Item"] == {"pk": {"S": "certificate#a"}, "sealed": None}
    assert asked["params"]["Partition"] == {"S": "k"}
    assert "s3cret" not in json.dumps(recorder.calls)


def test_recorder_writes_one_file_per_process(clients: Callable[..., Clients], tmp_path: Path) -> None:
    sns = clients({"__type": "AuthorizationError"}, 400, tmp_path).sqs
    with pytest.raises(sns.exceptions.ClientError):
        sns.send_message(QueueUrl="https://sqs/1/q", MessageBody="s3cret")
    log = CallLog(tmp_path)
    (call,) = log.new()
    assert (call["operation"], call["answer"]["code"]) == ("SendMessage", "AuthorizationError")
    assert log.new() == []
    assert recorder.calls == []
    assert "s3cret" not in next(tmp_path.iterdir()).read_text()


def test_recorder_names_the_files_that_call(clients: Callable[..., Clients]) -> None:
    DynamoDBBreakers(clients({}).dynamodb, "t").read("ca")
    assert [call["from"] for call in recorder.calls] == [["aws/dynamodb/circuit_breakers.py"]]


@pytest.mark.parametrize(
    ("files", "who"),
    [
        (["aws/dynamodb/sweep.py"], "checker"), (["aws/sqs.py", "scheduling/checker.py"], "checker"),
        (["aws/sqs.py", "issuance/run.py"], "issuer"), (["aws/dynamodb/spec_store.py", "issuance/run.py"], "operator"),
        (["aws/authority/configuration.py", "authority/signer/signer.py", "authority/infisical_api/x.py"], "signer"),
        (["aws/authority/configuration.py", "cli/authority/x.py"], "operator"), ([], ""), (["aws/clients.py"], ""),
        (["aws/sqs.py", "functions/checker/app.py"], "checker"),
    ],
)  # fmt: skip
def test_principal_is_that_of_the_nearest_use_case(files: list[str], who: str) -> None:
    assert principal(files) == who


@pytest.mark.parametrize(
    ("operation", "who"), [("GetItem", "responder"), ("PutItem", "issuer"), ("DeleteItem", "issuer")]
)
def test_principal_that_reads_answers_is_the_responder(operation: str, who: str) -> None:
    assert principal(["aws/dynamodb/http_answers.py"], operation) == who
