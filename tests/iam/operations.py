"""Operations of AWS that functions call, which the dependency layer keeps (layers/operations.json).

The tests record them: a test fails if a function calls an operation that the file lacks. `WRITE_NEEDS=1` before pytest
adds the operations of the tests that run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable

import pytest

from tests.iam.facts import Record
from tests.iam.judge import ROLES
from tests.iam.principals import principal
from tests.tools.local_stack import ROOT

FILE = ROOT / "layers" / "operations.json"
HOW = "run the test again with WRITE_NEEDS=1 and commit layers/operations.json"
Operation = tuple[str, str]  # service and operation, as botocore names them


def kept() -> set[Operation]:
    """Return the operations of the file."""
    found: dict[str, list[str]] = json.loads(FILE.read_text())
    return {(service, operation) for service, operations in found.items() for operation in operations}


def called(calls: Iterable[Record]) -> set[Operation]:
    """Return the operations among recorded calls that functions make; a call names its function, or its files do."""
    return {
        (call["service"], call["operation"])
        for call in calls
        if (call["who"] or principal(call["from"], call["operation"])) in ROLES
    }


def invalid(calls: Iterable[Record]) -> set[str]:
    """Return operations that functions call with parameters that botocore refuses when it checks them, and their files."""
    wrong = [call for call in calls if not call["valid"] and called([call])]
    return {f"{call['service']}:{call['operation']} ({', '.join(call['from'][:2])})" for call in wrong}


def compare(found: set[Operation]) -> None:
    """Fail a test whose functions call an operation that the layer lacks; with WRITE_NEEDS, add it instead."""
    new = found - kept()
    if new and os.environ.get("WRITE_NEEDS"):
        write(kept() | new)
    elif new:
        names = ", ".join(f"{service}:{operation}" for service, operation in sorted(new))
        pytest.fail(f"the dependency layer lacks operations that a function calls: {names}; {HOW}", pytrace=False)


def write(operations: set[Operation]) -> None:
    """Write the file."""
    services = sorted({service for service, _ in operations})
    content = {one: sorted(operation for service, operation in operations if service == one) for one in services}
    FILE.write_text(f"{json.dumps(content, indent=2)}\n")
