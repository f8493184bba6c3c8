"""The responder's entry point with its table: events of each kind of front end, and what it does not answer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from types import ModuleType
from typing import Any

import pytest

from evercert.acme.challenges import HTTP_PATH, key_authorization
from evercert.aws.dynamodb.http_answers import DynamoDBHTTPAnswers
from tests.doubles.strict_aws import refuse
from tests.doubles.world import World
from tests.iam import recorder

TOKEN, OTHER = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA", "DGyRejmCefe7v4NfDGDKfA_0-9aBcDeFgHiJkLmNoPq"
ANSWER = key_authorization(TOKEN, "9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI")
HOST = "www.example.com"
HEADERS = {"host": HOST, "user-agent": "Mozilla/5.0 (compatible; CA validation server)", "accept": "*/*"}
MANY = {name: [value] for name, value in HEADERS.items()}


def http_api(path: str) -> dict[str, Any]:
    """Payload 2.0, as an HTTP API with its default stage sends it."""
    return {
        "version": "2.0",
        "routeKey": "GET /.well-known/acme-challenge/{token}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": HEADERS,
        "requestContext": {
            "accountId": "000000000000", "apiId": "a1b2c3", "domainName": "a1b2c3.execute-api.eu-central-1.amazonaws.com",
            "http": {"method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "x"},
            "requestId": "id", "stage": "$default",
        },
        "pathParameters": {"token": path.rpartition("/")[2]},
        "isBase64Encoded": False,
    }  # fmt: skip


def function_url(path: str) -> dict[str, Any]:
    """Payload 2.0, as a function URL sends it that a CloudFront distribution signs its requests to."""
    domain = "abcdefgh.lambda-url.eu-central-1.on.aws"
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {**HEADERS, "host": domain, "via": "1.1 x.cloudfront.net (CloudFront)", "x-amz-cf-id": "id"},
        "requestContext": {
            "accountId": "anonymous", "apiId": "abcdefgh", "domainName": domain, "domainPrefix": "abcdefgh",
            "authorizer": {"iam": {"accessKey": "key", "callerId": "cloudfront.amazonaws.com"}},
            "http": {"method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "x"},
            "requestId": "id", "stage": "$default",
        },
        "isBase64Encoded": False,
    }  # fmt: skip


def rest_api(path: str) -> dict[str, Any]:
    """Payload 1.0, as a REST API sends it: the path has no stage, that of the context has."""
    return {
        "resource": "/.well-known/acme-challenge/{token}",
        "path": path,
        "httpMethod": "GET",
        "headers": HEADERS,
        "multiValueHeaders": MANY,
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": {"token": path.rpartition("/")[2]},
        "stageVariables": None,
        "requestContext": {"path": f"/prod{path}", "stage": "prod", "httpMethod": "GET", "resourceId": "id"},
        "body": None,
        "isBase64Encoded": False,
    }


def load_balancer(path: str) -> dict[str, Any]:
    """The event of an ALB target group."""
    target = "arn:aws:elasticloadbalancing:eu-central-1:000000000000:targetgroup/responder/0123456789abcdef"
    return {
        "requestContext": {"elb": {"targetGroupArn": target}},
        "httpMethod": "GET",
        "path": path,
        "queryStringParameters": {},
        "headers": {**HEADERS, "x-forwarded-for": "192.0.2.1", "x-forwarded-port": "80", "x-forwarded-proto": "http"},
        "body": "",
        "isBase64Encoded": False,
    }


def load_balancer_with_many(path: str) -> dict[str, Any]:
    """The event of an ALB target group with multi-value headers, which replace the single ones."""
    event = load_balancer(path)
    many = {name: [value] for name, value in event["headers"].items()}
    kept = {name: value for name, value in event.items() if name not in ("headers", "queryStringParameters")}
    return {**kept, "multiValueHeaders": many, "multiValueQueryStringParameters": {}}


FRONTS = [http_api, function_url, rest_api, load_balancer, load_balancer_with_many]


Load = Callable[[], ModuleType]


@pytest.fixture
def responder(function: Callable[[str], ModuleType]) -> Load:
    """Return a function that loads the responder, because its log goes to the output of that moment."""
    return cache(lambda: function("responder"))


@pytest.fixture
def answers(world: World) -> DynamoDBHTTPAnswers:
    return DynamoDBHTTPAnswers(world.clients.dynamodb, world.table)


@pytest.fixture
def stored(answers: DynamoDBHTTPAnswers) -> None:
    answers.put(TOKEN, ANSWER, datetime.now(UTC) + timedelta(hours=1))


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def reads() -> int:
    """Count the calls of the responder to AWS since the start of the test."""
    return len([call for call in recorder.calls if "functions/responder/app.py" in call["from"]])


def require_accepted(event: dict[str, Any], response: dict[str, Any]) -> dict[str, str]:
    """Assert the format that every front end accepts; return the headers of the response to the client.

    A load balancer answers 502 if a field is missing or has another type, or if it has the headers in the other field.
    """
    many = "multiValueHeaders" in event and "headers" not in event
    assert set(response) == {"statusCode", "body", "isBase64Encoded", "multiValueHeaders" if many else "headers"}
    assert type(response["statusCode"]) is int
    assert type(response["body"]) is str
    assert response["isBase64Encoded"] is False
    assert json.loads(json.dumps(response)) == response
    if not many:
        headers = response["headers"]
    else:
        assert all(len(values) == 1 for values in response["multiValueHeaders"].values())
        headers = {name: values[0] for name, values in response["multiValueHeaders"].items()}
    assert all(type(name) is str and type(value) is str for name, value in headers.items())
    return headers


@pytest.mark.parametrize("front", FRONTS)
def test_responder_answers_with_the_key_authorization(
    responder: Load, stored: None, context: Any, capsys: pytest.CaptureFixture[str], front: Callable[..., Any]
) -> None:
    sent = front(HTTP_PATH + TOKEN)
    response = responder().handler(sent, context)
    assert (response["statusCode"], response["body"]) == (200, ANSWER)
    headers = require_accepted(sent, response)
    assert headers == {"Content-Type": "application/octet-stream", "Cache-Control": "no-store"}
    text = capsys.readouterr().out
    (line,) = text.splitlines()
    assert json.loads(line)["message"] == {"outcome": "answered"}
    assert TOKEN not in text
    assert reads() == 1


@pytest.mark.parametrize("front", FRONTS)
def test_responder_does_not_find_unknown_tokens(
    responder: Load, stored: None, context: Any, capsys: pytest.CaptureFixture[str], front: Callable[..., Any]
) -> None:
    sent = front(HTTP_PATH + OTHER)
    response = responder().handler(sent, context)
    assert (response["statusCode"], response["body"]) == (404, "not found")
    require_accepted(sent, response)
    assert lines(capsys) == []
    assert reads() == 1


def test_responder_does_not_find_removed_answers(
    responder: Load, answers: DynamoDBHTTPAnswers, stored: None, context: Any
) -> None:
    event = http_api(HTTP_PATH + TOKEN)
    assert responder().handler(event, context)["statusCode"] == 200
    answers.delete(TOKEN, ANSWER)
    assert responder().handler(event, context)["statusCode"] == 404


def test_responder_does_not_find_expired_answers(responder: Load, answers: DynamoDBHTTPAnswers, context: Any) -> None:
    answers.put(TOKEN, ANSWER, datetime.now(UTC) - timedelta(seconds=1))
    assert responder().handler(http_api(HTTP_PATH + TOKEN), context)["statusCode"] == 404


OTHER_PATHS = [
    "", "/", "/favicon.ico", "/.well-known/acme-challenge", HTTP_PATH, HTTP_PATH[1:] + TOKEN, f"/prod{HTTP_PATH}{TOKEN}",
    f"/x{HTTP_PATH}{TOKEN}", f"/{HTTP_PATH}{TOKEN}", HTTP_PATH.upper() + TOKEN, f"/.well-known/{TOKEN}",
    f"{HTTP_PATH}{TOKEN}/", f"{HTTP_PATH}/{TOKEN}", f"{HTTP_PATH}./{TOKEN}", f"{HTTP_PATH}../acme-challenge/{TOKEN}",
    f"{HTTP_PATH}../../certificate/web", f"{HTTP_PATH}..%2f..%2fcertificate", f"{HTTP_PATH}%2e%2e/{TOKEN}",
    f"{HTTP_PATH}..\\{TOKEN}", f"{HTTP_PATH}{TOKEN}?x", f"{HTTP_PATH}{TOKEN}#x", f"{HTTP_PATH}{TOKEN}%00", f"{HTTP_PATH}{TOKEN}\x00",
    f"{HTTP_PATH}{TOKEN}\n", f"{HTTP_PATH}{TOKEN} ", f"{HTTP_PATH} {TOKEN}", f"{HTTP_PATH}{TOKEN}=", f"{HTTP_PATH}{TOKEN}+",
    f"{HTTP_PATH}{TOKEN}#answer", f"{HTTP_PATH}{ANSWER}", f"{HTTP_PATH}{TOKEN[:-1]}\u00e9", f"{HTTP_PATH}{TOKEN[:21]}",
    HTTP_PATH + "a" * 257, HTTP_PATH + "a" * 100_000, f"{HTTP_PATH}certificate#web",
]  # fmt: skip


@pytest.mark.parametrize("path", OTHER_PATHS, ids=lambda path: ascii(path)[:60])
def test_responder_reads_nothing_for_other_paths(
    responder: Load, stored: None, context: Any, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    for front in FRONTS:
        sent = front(path)
        response = responder().handler(sent, context)
        assert (response["statusCode"], response["body"]) == (404, "not found")
        require_accepted(sent, response)
    assert lines(capsys) == []
    assert reads() == 0


@pytest.mark.parametrize(
    "event",
    [
        {}, {"rawPath": None}, {"path": None}, {"rawPath": 1, "path": HTTP_PATH + TOKEN}, {"path": [HTTP_PATH + TOKEN]},
        {"Records": []}, {"source": "aws.events", "detail-type": "Scheduled Event"},
        {"headers": None, "multiValueHeaders": None, "path": "/"},
    ],
    ids=lambda event: " ".join(event) or "empty",
)  # fmt: skip
def test_responder_reads_nothing_for_other_events(
    responder: Load, stored: None, context: Any, event: dict[str, Any]
) -> None:
    response = responder().handler(event, context)
    assert response["statusCode"] == 404
    assert "headers" in response
    assert reads() == 0


@pytest.mark.parametrize("length", [22, 256])
def test_responder_accepts_tokens_of_any_valid_length(
    responder: Load, answers: DynamoDBHTTPAnswers, context: Any, length: int
) -> None:
    token = "-_0aZ"[:5] + "a" * (length - 5)
    answers.put(token, f"{token}.x", datetime.now(UTC) + timedelta(hours=1))
    assert responder().handler(http_api(HTTP_PATH + token), context)["body"] == f"{token}.x"


def test_responder_reads_the_table_at_each_request(responder: Load, answers: DynamoDBHTTPAnswers, context: Any) -> None:
    """A CA may ask before the answer is stored, and again a second later."""
    event = http_api(HTTP_PATH + TOKEN)
    assert responder().handler(event, context)["statusCode"] == 404
    answers.put(TOKEN, ANSWER, datetime.now(UTC) + timedelta(hours=1))
    assert responder().handler(event, context)["body"] == ANSWER
    assert reads() == 2


# -- errors -----------------------------------------------------------------------------------------------------------
def require_unavailable(
    event: dict[str, Any], response: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> dict[str, Any]:
    """Assert a 503 with one line in the log; return the line."""
    assert (response["statusCode"], response["body"]) == (503, "try again")
    require_accepted(event, response)
    text = capsys.readouterr().out
    (line,) = text.splitlines()
    assert TOKEN not in text
    assert ANSWER not in text
    found = json.loads(line)
    assert (found["level"], found["message"]["outcome"]) == ("ERROR", "unanswered")
    assert "exception" not in found
    return found


@pytest.mark.parametrize("front", FRONTS)
@pytest.mark.parametrize(
    "code",
    [
        "ProvisionedThroughputExceededException", "ThrottlingException", "InternalServerError", "AccessDeniedException",
        "ValidationException", "ExpiredTokenException", "RequestExpired", "SomethingNew",
    ],
)  # fmt: skip
def test_responder_without_its_table_is_unavailable(
    responder: Load,
    stored: None,
    context: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    front: Callable[..., Any],
    code: str,
) -> None:
    def refused(**_: Any) -> Any:
        raise refuse(code, "GetItem", "no")

    monkeypatch.setattr(responder()._answers()._client, "get_item", refused)
    sent = front(HTTP_PATH + TOKEN)
    line = require_unavailable(sent, responder().handler(sent, context), capsys)
    assert re.match(f"cannot read the answer of an http-01 challenge: {code}: no", line["message"]["error"])


def test_responder_recovers_after_an_error(
    responder: Load, stored: None, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**_: Any) -> Any:
        raise refuse("ThrottlingException", "GetItem")

    event = http_api(HTTP_PATH + TOKEN)
    with monkeypatch.context() as patched:
        patched.setattr(responder()._answers()._client, "get_item", refused)
        assert responder().handler(event, context)["statusCode"] == 503
    assert responder().handler(event, context)["body"] == ANSWER


@pytest.mark.parametrize("table", ["nowhere", None])
def test_responder_with_a_wrong_environment_is_unavailable(
    responder: Load, context: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], table: str
) -> None:
    if table is None:
        monkeypatch.delenv("CERTIFICATES_TABLE")
    else:
        monkeypatch.setenv("CERTIFICATES_TABLE", table)
    event = http_api(HTTP_PATH + TOKEN)
    line = require_unavailable(event, responder().handler(event, context), capsys)
    assert ("CERTIFICATES_TABLE" if table is None else "ResourceNotFoundException") in line["message"]["error"]


def test_responder_import_needs_no_environment(
    function: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CERTIFICATES_TABLE", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    assert function("responder").handler
