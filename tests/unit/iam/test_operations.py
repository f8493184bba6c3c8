"""Recorded operations of functions, compared with those that the dependency layer keeps."""

from __future__ import annotations

from typing import Any

import pytest
from _pytest.outcomes import Failed

from tests.iam import recorder
from tests.iam.live import Live
from tests.iam.operations import called, compare, invalid, kept


def call(operation: str, *files: str, service: str = "dynamodb", who: str = "") -> dict[str, Any]:
    return {"who": who, "from": list(files), "service": service, "operation": operation}


def test_called_returns_the_operations_of_functions() -> None:
    of_files = call("GetItem", "aws/dynamodb/record_store.py", "issuance/run.py")
    of_process = call("Publish", service="sns", who="issuer")
    assert called([of_files, of_process]) == {("dynamodb", "GetItem"), ("sns", "Publish")}


def test_called_ignores_operators_and_tests() -> None:
    assert called([call("CreateTable"), call("DescribeStacks", "cli/connection.py", service="cloudformation")]) == set()


def test_invalid_returns_function_calls_with_wrong_parameters() -> None:
    right, wrong = ({**call("GetItem", "issuance/run.py", who="issuer"), "valid": valid} for valid in (True, False))
    of_command = {**call("DescribeStacks", "cli/connection.py", service="cloudformation"), "valid": False}
    assert (invalid([right, of_command]), invalid([right, wrong])) == (set(), {"dynamodb:GetItem (issuance/run.py)"})


def test_live_keeps_wrong_parameters_until_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    more = {"at": 1, "region": "eu-central-1", "params": {"TableName": "t"}, "assumed": False, "valid": False}
    monkeypatch.setattr(recorder, "calls", [])
    live = Live()
    live.begin("tests/functions/test_issuer.py")
    recorder.calls.append({**call("GetItem", "issuance/run.py", who="issuer"), **more})
    assert live.operations() == {("dynamodb", "GetItem")}
    assert (live.invalid(), live.invalid()) == ({"dynamodb:GetItem (issuance/run.py)"}, set())


def test_compare_fails_for_an_operation_that_the_layer_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WRITE_NEEDS", raising=False)
    compare(set(kept()))
    with pytest.raises(Failed, match="the dependency layer lacks operations that a function calls: kms:ReEncrypt;"):
        compare({("kms", "ReEncrypt"), ("kms", "Decrypt")})
