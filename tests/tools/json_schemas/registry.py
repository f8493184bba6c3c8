"""The schema of each command's `--json`, published in docs/reference/json/."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from tests.tools.json_schemas import authority, commands
from tests.tools.json_schemas.notation import COUNT, TEXT, Schema, array, record
from tests.tools.local_stack import ROOT

FOLDER = ROOT / "docs" / "reference" / "json"
ERRORS = "errors"
SCHEMAS: dict[str, Schema] = {
    **commands.SCHEMAS,
    **authority.SCHEMAS,
    ERRORS: record(("omitted",), errors=array(TEXT), omitted=COUNT),
}


def command_of(arguments: Sequence[str]) -> str | None:
    """Return the command of these arguments: the longest one that has a schema."""
    words = [argument for argument in arguments if not argument.startswith("-")]
    found = (" ".join(words[:length]) for length in (3, 2, 1))
    return next((name for name in found if name in SCHEMAS), None)


def check(name: str, text: str) -> None:
    """Raise AssertionError if the output of a command does not match its schema; `events` prints a line for each."""
    values = (
        [json.loads(line) for line in text.splitlines()] if name == "events" and "\n{" in text else [json.loads(text)]
    )
    for value in values:
        problems = [f"{error.json_path}: {error.message}" for error in _validator(name).iter_errors(value)]
        assert not problems, f"evercert {name} --json: {problems[:5]}"


def check_run(arguments: Sequence[str], code: int, out: str, err: str) -> None:
    """Check the output of a command that ran with `--json`; after bad input there is only that of the errors."""
    if out:
        name = command_of(arguments)
        assert name is not None, f"no schema for {arguments}"
        check(name, out)
    lines = [line for line in err.splitlines() if not line.startswith("note: ")]
    if code != 0 and lines:
        check(ERRORS, "\n".join(lines))


@cache
def _validator(name: str) -> Any:
    Draft202012Validator.check_schema(SCHEMAS[name])
    return Draft202012Validator(SCHEMAS[name])


def files() -> dict[Path, str]:
    """Return the text of each published schema."""
    return {FOLDER / f"{name.replace(' ', '-')}.json": _published(name) for name in SCHEMAS}


def _published(name: str) -> str:
    title = "errors of every command, on standard error" if name == ERRORS else f"evercert {name} --json"
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    return json.dumps({**head, **SCHEMAS[name]}, indent=2) + "\n"
