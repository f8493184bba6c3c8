"""Answers that AWS never sends: any body, field or status ends in one typed error."""

from __future__ import annotations

import ast
import copy
import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import botocore
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.parsers import ResponseParserError

from evercert.aws.clients import translated
from evercert.aws.session import Session, botocore_session
from evercert.errors import EvercertError, Misconfigured, Rejected, Unavailable
from tests.doubles.aws_answers import answering
from tests.doubles.fakes import START
from tests.doubles.raw_server import RawServer, reply
from tests.fuzz.parsers import PACKAGE
from tests.fuzz.readers.aws import ANSWERS, Run, prepared
from tests.fuzz.readers.aws import read as read_answers

CONFIG = Config(retries={"total_max_attempts": 1}, connect_timeout=1, read_timeout=2)
ARN = "arn:aws:acm:eu-central-1:123456789012:certificate/a"
CALLS: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "dynamodb": ("get_item", {"TableName": "t", "Key": {"a": {"S": "b"}}}, ("Item", "Item.a", "Item.a.B", "Item.a.N", "Item.a.L", "Item.a.M")),
    "sqs": ("send_message_batch", {"QueueUrl": "q", "Entries": [{"Id": "1", "MessageBody": "a"}]}, ("Successful", "Failed")),
    "sns": ("publish", {"TopicArn": "arn:aws:sns:eu-central-1:123456789012:t", "Message": "a"}, ()),
    "kms": ("decrypt", {"CiphertextBlob": b"a"}, ("Plaintext", "KeyId")),
    "secretsmanager": ("describe_secret", {"SecretId": "a"}, ("CreatedDate", "Tags", "VersionIdsToStages", "Name")),
    "ssm": ("get_parameter", {"Name": "a"}, ("Parameter", "Parameter.LastModifiedDate", "Parameter.Version")),
    "acm": ("describe_certificate", {"CertificateArn": ARN}, ("Certificate", "Certificate.NotAfter", "Certificate.DomainValidationOptions")),
    "acm-pca": ("get_certificate", {"CertificateAuthorityArn": ARN, "CertificateArn": ARN}, ("Certificate", "CertificateChain")),
    "sts": ("assume_role", {"RoleArn": "arn:aws:iam::123456789012:role/x", "RoleSessionName": "abc"}, ()),
    "lambda": ("invoke", {"FunctionName": "a", "Payload": b"{}"}, ()),
    "cloudformation": ("describe_stacks", {}, ()),
}  # fmt: skip
SERVICES = (*CALLS, "scheduler", "cloudwatch")
OWN_METHODS = {"PutPolicy"}  # of AWS Private CA, and the name of a method of evercert
ODD = [None, True, 1, 10**300, float("nan"), "x", "\ud800", [], [1], {}, {"a": 1}]
BODIES = [
    b"", b"<a>", b"<a/>", b"<a><b></a>", b"\xff", b"\x00", b"[" * 100_000, b'{"a":' * 5_000, b"1" * 5_000, b"<html>sign in</html>",
    b"<AssumeRoleResponse><AssumeRoleResult><Credentials><Expiration>x</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>",
    b"<DescribeStacksResponse><DescribeStacksResult><Stacks><member><CreationTime>x</CreationTime></member></Stacks></DescribeStacksResult></DescribeStacksResponse>",
    b'{"__type":"\\u001b[2J\\r\\n","message":"\\u001b[2J"}', b'{"__type":["a"],"message":{"a":1}}', *(json.dumps(odd).encode() for odd in ODD),
]  # fmt: skip
HEADERS = (
    {"Location": "data:,x"}, {"X_Amz_Crc32": "abc"}, {"Content_Encoding": "gzip"}, {"Retry_After": "-9e9"}, {"Date": "x"}, {"X_Amzn_Errortype": "\xff:\xff"},
)  # fmt: skip


def answers(fields: tuple[str, ...]) -> Iterator[tuple[int, bytes, dict[str, str]]]:
    for status in (200, 400, 500):
        yield from ((status, body, {}) for body in BODIES)
        yield from ((status, b"{}", headers) for headers in HEADERS)
    yield from ((status, body, {}) for status in (301, 302, 404, 413, 999) for body in BODIES[:3])
    for field in fields:
        for odd in ODD:
            value = odd
            for key in reversed(field.split(".")):
                value = {key: value}
            yield 200, json.dumps(value).encode(), {}


def call(client: Any, operation: str, arguments: dict[str, Any]) -> None:
    with translated("do it"):
        answer = getattr(client, operation)(**arguments)
        if "Payload" in answer:
            answer["Payload"].read(100)


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


@pytest.mark.parametrize("service", CALLS)
def test_translated_classifies_any_answer(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    operation, arguments, fields = CALLS[service]
    with RawServer(reply()) as raw:
        address = f"http://127.0.0.1:{raw.port}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        arguments = {**arguments, "QueueUrl": f"{address}/q"} if service == "sqs" else arguments
        client = Session("eu-central-1").client(service, config=CONFIG)
        refused = 0
        for status, body, headers in answers(fields):
            raw.deeds = [reply(status, body, **headers)]
            try:
                call(client, operation, arguments)
            except EvercertError as error:
                refused += 1
                assert isinstance(error, Unavailable | Misconfigured | Rejected)
                assert str(error).startswith("cannot do it: ")
                assert str(error).isprintable()
    assert refused > 20


OTHER_KINDS = [None, True, 7, 0.5, "x", "", "\ud800", b"x", START, [], [None], {}, {"x": "y"}]


def variants(tree: Any, place: tuple[Any, ...] = ()) -> Iterator[str]:
    """Change the answers in place: each field missing, and with a value of each other kind; yield each change."""
    for key, value in list(tree.items()) if isinstance(tree, dict) else list(enumerate(tree)):
        where = ".".join(map(str, (*place, key)))
        if isinstance(tree, dict) and place:  # an absent answer is `{}`
            del tree[key]
            yield f"{where} missing"
            tree[key] = value
        for odd in OTHER_KINDS:
            tree[key] = odd
            yield f"{where} = {odd!r:.20}"
        tree[key] = value
        if isinstance(value, dict | list):
            yield from variants(value, (*place, key))


def by_operation(runs: Callable[[], Iterator[Run]], answers: Any) -> dict[str, list[Run]]:
    """Return the runs that call each operation."""
    found: dict[str, list[Run]] = {}
    for run in runs():
        prepared()[0].called.clear()
        read_answers(runs, answers, [run])
        for operation in prepared()[0].called:
            found.setdefault(operation, []).append(run)
    return found


@pytest.mark.parametrize("name", ANSWERS)
def test_every_call_types_any_answer(name: str) -> None:
    """Each field of each answer that evercert reads: missing, or of another type."""
    runs, samples = ANSWERS[name]
    for sample in samples():
        answers = copy.deepcopy(sample)
        callers = by_operation(runs, answers)
        for change in variants(answers):
            try:
                read_answers(runs, answers, callers.get(change.split(".")[0].split(" ")[0], []))
            except Exception as error:
                raise AssertionError(f"{name}: {change}") from error


def test_answers_of_every_called_operation_are_tried() -> None:
    known = {operation for _, samples in ANSWERS.values() for sample in samples() for operation in sample}
    assert called_operations() <= {operation.partition(":")[2] for operation in known}


def called_operations() -> set[str]:
    """Return the operations whose methods the package calls on a client, or gives to a paginator."""
    models = {service: botocore_session().get_service_model(service) for service in SERVICES}
    methods = {botocore.xform_name(name): name for model in models.values() for name in model.operation_names}
    found = set()
    for folder in ("aws", "destinations", "cli"):
        for file in sorted((PACKAGE / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Attribute) and "_" in node.attr and node.attr in methods:
                    found.add(methods[node.attr])
                elif isinstance(node, ast.Constant) and node.value in methods and "_" in str(node.value):
                    found.add(methods[node.value])
    return found - OWN_METHODS


@pytest.mark.parametrize(
    "value",
    [
        None, "x", [], {}, {"S": "a", "N": "1"}, {"X": "a"}, {"S": 1}, {"S": "\ud800"}, {"N": 1}, {"N": "x"}, {"N": "NaN"}, {"N": "Infinity"}, {"N": "1E999999"},
        {"B": "x"}, {"BOOL": "x"}, {"NULL": None}, {"L": {}}, {"L": [None]}, {"L": [{"L": [{"N": "x"}]}]}, {"M": []}, {"M": {"a": "x"}}, {"M": {"\ud800": {"S": ""}}},
        {"SS": "x"}, {"SS": [1]}, {"NS": ["x"]}, {"BS": ["x"]},
    ],
    ids=lambda value: ascii(value)[:20],
)  # fmt: skip
def test_answers_have_attribute_values_of_dynamodb(value: Any) -> None:
    session, clients = answering()
    session.answers = {"dynamodb:GetItem": {"Item": {"pk": {"S": "x"}, "a": value}}}
    with pytest.raises(Unavailable, match=r"\(dynamodb:GetItem has a wrong Item\)"), translated("do it"):
        clients.dynamodb.get_item(TableName="t", Key={"pk": {"S": "x"}})


def test_answers_accept_every_attribute_value() -> None:
    plain = [
        {"S": "ä😀"},
        {"N": "-9.99E+125"},
        {"N": "1E-130"},
        {"N": "0"},
        {"B": b""},
        {"BOOL": False},
        {"NULL": True},
    ]
    sets = [{"SS": ["a"]}, {"NS": ["1.5"]}, {"BS": [b"x"]}, {"L": []}, {"M": {}}]
    nested = [{"L": [*plain, {"M": {"a": part}}]} for part in (*plain, *sets)]
    item = {f"a{number}": part for number, part in enumerate([*plain, *sets, *nested])} | {"pk": {"S": "x"}}
    session, clients = answering()
    session.answers = {"dynamodb:GetItem": {"Item": item}}
    with translated("do it"):
        assert clients.dynamodb.get_item(TableName="t", Key={"pk": {"S": "x"}})["Item"] == item


def test_answers_message_names_operation_and_field() -> None:
    session, clients = answering()
    session.answers = {"sts:AssumeRole": {"Credentials": {"AccessKeyId": "a"}}}
    with (
        pytest.raises(
            Unavailable,
            match=r"^cannot do it: the answer is not one of AWS \(sts:AssumeRole has no Credentials.SecretAccessKey\); check the network and the endpoint$",
        ),
        translated("do it"),
    ):
        clients.sts.assume_role(RoleArn="arn:aws:iam::123456789012:role/x", RoleSessionName="abc")


def test_operators_clients_read_answers_like_the_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(reply(200, b"null")) as raw:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{raw.port}")
        session = boto3.Session(region_name="eu-central-1", botocore_session=botocore_session())
        with pytest.raises(Unavailable, match="the answer is not one of AWS"), translated("do it"):
            session.client("kms", config=CONFIG).list_keys()


def test_botocore_has_no_other_exceptions() -> None:
    """Every exception of botocore is translated, is handled inside it, or is a mistake in evercert's own calls."""
    internal = {
        "BadIMDSRequestError", "_RetriesExceededError",  # handled by its readers of metadata
        "InvalidArnException",  # handled by its endpoint rules
        "NoShapeFoundError", "InvalidShapeError", "OperationNotFoundError", "InvalidShapeReferenceError",
        "UndefinedModelAttributeError", "MissingServiceIdError",  # of its own data files
        "ParserError", "DuplicateHeader", "InvalidHeadersLength", "InvalidPayloadLength", "ChecksumMismatch",
        "NoInitialResponseError",  # of event streams, which evercert does not use
    }  # fmt: skip
    found = set()
    for module in pkgutil.walk_packages(botocore.__path__, "botocore."):
        if ".vendored" in module.name or module.name.startswith("botocore.crt") or "docs" in module.name:
            continue
        for name, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            known = (BotoCoreError, ClientError, ResponseParserError, Warning)
            if kind.__module__.startswith("botocore.") and issubclass(kind, Exception) and not issubclass(kind, known):
                found.add(name)
    assert found - {"HTTPClientError"} <= internal
    assert issubclass(HTTPClientError, BotoCoreError)
