"""Checks of functions: state, runtime, architecture, deprecation, errors."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from evercert.cli import terminal
from evercert.cli.doctor import function_checks
from tests.doubles.described_stack import connection, only, points


def active(runtime: str = "python3.13", architecture: str = "arm64") -> dict[str, Any]:
    return {"State": "Active", "Runtime": runtime, "Architectures": [architecture]}


@pytest.fixture
def today(monkeypatch: pytest.MonkeyPatch) -> Callable[[date], None]:
    return lambda day: monkeypatch.setattr(terminal, "now", lambda: datetime.combine(day, time(), UTC))


def test_function_that_is_active_is_ok() -> None:
    check = only(connection(lambda__get_function_configuration=active()), "IssuerFunction")
    assert (check.status, check.found) == ("ok", "active, python3.13 arm64")


@pytest.mark.parametrize(
    ("answer", "status", "found", "remedy"),
    [
        ({"State": "Failed", "StateReason": "no\x1b role"}, "failed", "Failed, last update Successful: no role", "sam deploy"),
        (active("python3.11"), "failed", "runs on python3.11: the layers need python3.12 or newer", "EVERCERT_TARGET"),
        (active("python3.12"), "warning", "python3.12, but the stack and its layers are for python3.13", "back to python3.13"),
        (active(architecture="x86_64"), "warning", "runs on x86_64, but the stack and its layers are for arm64", "Architecture"),
    ],
    ids=["failed", "old-runtime", "another-runtime", "another-architecture"],
)  # fmt: skip
def test_function_problem_is_reported(answer: dict[str, Any], status: str, found: str, remedy: str) -> None:
    check = only(connection(lambda__get_function_configuration=answer), "IssuerFunction")
    assert (check.name, check.status) == ("IssuerFunction", status)
    assert found in check.found
    assert remedy in check.remedy


def test_function_of_a_stack_with_other_parameters_is_ok() -> None:
    stack = connection(lambda__get_function_configuration=active("python3.12", "x86_64"))
    stack.parameters.update(Runtime="python3.12", Architecture="x86_64")
    assert only(stack, "CheckerFunction").found == "active, python3.12 x86_64"


@pytest.mark.parametrize(("before", "status"), [(180, "warning"), (181, "ok"), (-1, "warning")])
def test_function_on_a_deprecated_runtime_is_reported(today: Callable[[date], None], before: int, status: str) -> None:
    today(function_checks.DEPRECATED["python3.13"] - timedelta(days=before))
    check = only(connection(lambda__get_function_configuration=active()), "IssuerFunction")
    assert check.status == status
    assert (status == "ok") or check.found == "AWS deprecates python3.13 on 2029-06-30"


def test_function_with_errors_is_reported() -> None:
    check = only(connection(cloudwatch__get_metric_statistics=points("Sum", 1, 2)), "CheckerFunction")
    assert (check.status, check.found) == ("warning", "3 errors in the last hour")


@pytest.mark.parametrize("output", ["ResponderFunction", "ValidatorFunction", "ReportFunction"])
def test_optional_function_is_checked_if_the_stack_has_it(output: str) -> None:
    stack = connection()
    assert set(function_checks.of_functions(stack)) == {"CheckerFunction", "IssuerFunction"}
    stack.outputs[output] = "function"
    assert only(stack, output).status == "ok"
