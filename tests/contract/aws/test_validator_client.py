"""Calls of the validator function, and answers that are none of its reports."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from evercert.aws.validator_client import ValidatorClient, read, write
from evercert.contracts.probe import LARGEST_REPORT, MOST_ADDRESSES, ProbeTarget
from evercert.errors import Misconfigured, Unavailable

TARGET = ProbeTarget("www.example.com", 443, "www.example.com")
LEAF = {"fingerprint_sha256": "a" * 64, "not_after": "2026-01-15T12:00:00.000Z"}


class Lambda:
    """A client that returns one payload, or raises."""

    def __init__(self, payload: Any, **more: Any) -> None:
        self.payload, self.more, self.sent = payload, more, list[dict[str, Any]]()

    def invoke(self, **sent: Any) -> dict[str, Any]:
        self.sent.append(sent)
        if isinstance(self.payload, Exception):
            raise self.payload
        data = self.payload if isinstance(self.payload, bytes) else json.dumps(self.payload).encode()
        return {"Payload": io.BytesIO(data), **self.more}


def test_report_is_returned() -> None:
    client = Lambda({"answers": [{"address": "192.0.2.1", "leaf": LEAF}, {"address": "::1", "problem": "refused"}]})
    found = ValidatorClient(lambda: client, "validator").probe(TARGET)
    assert [(one.address, one.problem) for one in found.answers] == [("192.0.2.1", None), ("::1", "refused")]
    assert found.answers[0].leaf.fingerprint_sha256 == "a" * 64
    (sent,) = client.sent
    assert sent["FunctionName"] == "validator"
    assert sent["InvocationType"] == "RequestResponse"
    assert read(json.loads(sent["Payload"])["probe"]) == TARGET


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"junk", b"[]", b"NaN", None, {}, {"answers": []}, {"answers": [{}], "more": 1},
        {"answers": [{"problem": "anything; \x1b[31m"}]},
        {"answers": [{"address": "$(reboot)"}]},
        {"answers": [{"leaf": {"fingerprint_sha256": "A" * 64}}]},
        {"answers": [{"leaf": {**LEAF, "serial_number": "0" * 65}}]},
        {"answers": [{"leaf": {**LEAF, "not_after": "soon"}}]},
        {"answers": [{"leaf": {**LEAF, "note": "x"}}]},
        {"answers": [{"problem": "refused"}] * (MOST_ADDRESSES + 1)},
        {"answers": [{"problem": "refused"}], "padding": "x" * LARGEST_REPORT},
        b'{"answers": [{"problem": "refused"}]}'.rjust(LARGEST_REPORT + 1),
    ],
)  # fmt: skip
def test_any_other_answer_is_an_outage(answer: Any) -> None:
    with pytest.raises(Unavailable) as caught:
        ValidatorClient(lambda: Lambda(answer), "validator").probe(TARGET)
    assert str(caught.value) == "cannot probe www.example.com: the validator's answer is not a report"


def test_failed_function_is_an_outage() -> None:
    client = Lambda({"errorMessage": "secret"}, FunctionError="Unhandled")
    with pytest.raises(Unavailable, match="the validator failed") as caught:
        ValidatorClient(lambda: client, "validator").probe(TARGET)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ClientError({"Error": {"Code": "TooManyRequestsException"}}, "Invoke"), Unavailable),
        (ClientError({"Error": {"Code": "AccessDeniedException"}}, "Invoke"), Misconfigured),
        (ReadTimeoutError(endpoint_url="x"), Unavailable),
    ],
)
def test_errors_of_lambda_are_translated(error: Exception, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        ValidatorClient(lambda: Lambda(error), "validator").probe(TARGET)


@pytest.mark.parametrize(
    "order",
    [None, "x", {}, {"host": "a", "port": "443", "server_name": None}, {"host": 1, "port": 443, "server_name": None},
     {"host": "a", "port": True, "server_name": None}, {"host": "a", "port": 443, "server_name": 7},
     {"host": "a", "port": 443, "server_name": None, "more": 1}],
)  # fmt: skip
def test_other_orders_are_refused(order: Any) -> None:
    with pytest.raises(ValueError, match="invalid probe"):
        read(order)


def test_order_without_name_is_read() -> None:
    target = ProbeTarget("10.0.0.7", 8443, None)
    assert read(json.loads(write(target))["probe"]) == target
