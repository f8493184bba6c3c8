"""The signer behind Lambda: every invalid response makes the client retry."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from evercert.authority.api_errors import Refusal, bad_request
from evercert.authority.ca.signing_orders import CrlOrder, Revoked
from evercert.authority.signer.wire_format import decode, encode_answer
from evercert.aws.authority.signer_client import LARGEST, SignerFunction
from evercert.errors import EvercertError, Misconfigured, OutOfTime, Unavailable
from tests.doubles.authority.ceremony import Ceremony, order
from tests.doubles.fakes import START


class FakeLambda:
    """Return each of `answers` in turn: an outcome, a raw response or an exception to raise."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.events: list[Any] = []

    def invoke(self, *, FunctionName: str, InvocationType: str, Payload: bytes) -> dict[str, Any]:
        assert (FunctionName, InvocationType) == ("signer", "RequestResponse")
        self.events.append(json.loads(Payload))
        answer = self.answers.pop(0)
        if isinstance(answer, OutOfTime):  # raised by the client's own hook
            raise answer
        if isinstance(answer, EvercertError) or (isinstance(answer, bytes) and answer.startswith(b"DER")):
            answer = json.dumps(encode_answer(answer)).encode()
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, dict):
            return answer
        return {"StatusCode": 200, "Payload": io.BytesIO(answer)}


@pytest.fixture(scope="module")
def asked():
    return order(Ceremony().issuing)


def signer(*answers: Any) -> tuple[SignerFunction, FakeLambda]:
    client = FakeLambda(*answers)
    return SignerFunction(client, "signer"), client  # type: ignore[arg-type]


def test_order_arrives_unchanged(asked) -> None:
    crl = CrlOrder(asked.ca, 7, START, START, (Revoked(5, START, "keyCompromise"), Revoked(6, START)))
    function, client = signer(b"DER one", b"DER two")
    assert function.leaf(asked) == b"DER one"
    assert function.crl(crl) == b"DER two"
    assert [decode(event) for event in client.events] == [asked, crl]


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (bad_request("the ceiling"), Refusal),
        (Misconfigured("no key"), Misconfigured),
        (Unavailable("later"), Unavailable),
    ],
)
def test_signer_errors_keep_their_kind_and_message(asked, outcome: EvercertError, kind: type[EvercertError]) -> None:
    function, _ = signer(outcome)
    with pytest.raises(kind, match=str(outcome)):
        function.leaf(asked)


@pytest.mark.parametrize(
    "answer",
    [
        {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": io.BytesIO(b'{"errorMessage": "canary"}')},
        {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": io.BytesIO(b'{"der": "REVS"}')},
        ReadTimeoutError(endpoint_url="https://lambda"),
        OutOfTime("lambda:Invoke could end too late"),
        ClientError({"Error": {"Code": "TooManyRequestsException", "Message": "x"}}, "Invoke"),
        ClientError(
            {"Error": {"Code": "ServiceException", "Message": "x"}, "ResponseMetadata": {"HTTPStatusCode": 500}},
            "Invoke",
        ),
        b"",
        b"null",
        b"<html>",
        b'{"der": 5}',
        b'{"der": "no base64!"}',
    ],
    ids=[
        "ended",
        "ended, all the same",
        "slow",
        "no-time",
        "throttled",
        "broken",
        "empty",
        "null",
        "html",
        "number",
        "text",
    ],
)
def test_invalid_response_is_unavailable(asked, answer: Any) -> None:
    function, _ = signer(answer)
    with pytest.raises(Unavailable) as raised:
        function.leaf(asked)
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFoundException"])
def test_missing_permission_to_invoke_is_misconfigured(asked, code: str) -> None:
    function, _ = signer(ClientError({"Error": {"Code": code, "Message": "x"}}, "Invoke"))
    with pytest.raises(Misconfigured, match="have certificate"):
        function.leaf(asked)


def test_order_too_large_for_lambda_is_not_sent(asked) -> None:
    function, client = signer()
    many = tuple(Revoked(2**159 + number, START, "keyCompromise") for number in range(LARGEST // 80))
    with pytest.raises(Unavailable, match="Lambda accepts"):
        function.crl(CrlOrder(asked.ca, 7, START, START, many))
    assert client.events == []
