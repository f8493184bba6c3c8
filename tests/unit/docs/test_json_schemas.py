"""Each command with `--json` has a published schema, and the schemas refuse other values."""

from __future__ import annotations

import json

import pytest

from tests.tools.json_schemas.registry import ERRORS, SCHEMAS, check, command_of
from tests.tools.reference_pages import command_paths

WITHOUT_JSON = {"agent", "authority ca csr", "console", "report"}


def test_every_command_has_a_schema() -> None:
    assert SCHEMAS.keys() - {ERRORS} == set(command_paths()) - WITHOUT_JSON


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["list", "web"], "list"),
        (["authority", "ca", "show", "root"], "authority ca show"),
        (["authority", "show", "a/b"], "authority show"),
        (["nothing"], None),
    ],
)
def test_command_of_arguments(arguments: list[str], name: str | None) -> None:
    assert command_of(arguments) == name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("list", [{"name": "web", "state": "unknown"}]),
        ("pause", {"paused": [], "changed": "yes"}),
        ("version", {"version": "1", "more": 1}),
        ("doctor", [{"check": "x", "status": "fine", "found": "", "remedy": ""}]),
        (ERRORS, {"errors": ["x"], "stack": 1}),
    ],
)
def test_schema_refuses_other_values(name: str, value: object) -> None:
    with pytest.raises(AssertionError, match=f"evercert {name} --json"):
        check(name, json.dumps(value))
