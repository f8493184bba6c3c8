"""Select the contract tests for a second emulator (`--aws moto`): those that use a server instead of a double."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

DOUBLES = {"fake", "strict", "memory", "double", "http"}  # fixture parameters that select a double
ADAPTERS = {"acm", "dynamodb", "emulator", "kms", "private-ca", "s3", "secretsmanager", "sns", "sqs", "ssm", "table"}
ONLY_SECOND = "private-ca"  # fixture parameter of a service that the first emulator does not have
ERRORS = Path(__file__).with_name("moto_errors.toml")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep only the tests of adapters; expect a failure of those that a known error of the second emulator affects."""
    if config.getoption("--aws") != "moto":
        _keep(config, items, [item for item in items if ONLY_SECOND not in _values(item)])
        return
    chosen = [item for item in items if _on_server(item)]
    if config.getoption("--first-cases"):
        first = {_function(item): item for item in reversed(chosen)}
        chosen = [item for item in chosen if first[_function(item)] is item]
    _keep(config, items, chosen)
    for error in known_errors():
        for item in items:
            if any(fnmatchcase(item.nodeid, f"tests/contract/{pattern}") for pattern in error["tests"]):
                item.add_marker(pytest.mark.xfail(reason=f"{error['moto']} {error['proof']}", strict=True))


def known_errors() -> list[dict[str, Any]]:
    """Return the errors of moto, each with the tests that fail because of it and the source that proves it wrong."""
    return tomllib.loads(ERRORS.read_text())["error"]


def _keep(config: pytest.Config, items: list[pytest.Item], chosen: list[pytest.Item]) -> None:
    kept = {id(item) for item in chosen}
    config.hook.pytest_deselected(items=[item for item in items if id(item) not in kept])
    items[:] = chosen


def _values(item: pytest.Item) -> set[str]:
    case = getattr(item, "callspec", None)
    return {value for value in case.params.values() if isinstance(value, str)} if case else set()


def _on_server(item: pytest.Item) -> bool:
    values = _values(item)
    uses_server = "running" in getattr(item, "fixturenames", ()) or bool(values & ADAPTERS)
    return uses_server and not values & DOUBLES


def _function(item: pytest.Item) -> str:
    return item.nodeid.partition("[")[0]
