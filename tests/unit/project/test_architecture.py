"""Rules on the structure of the code."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from evercert.destinations import DESTINATIONS
from evercert.issuers import ISSUERS
from evercert.issuers.infisical.logins import LOGINS
from tests.tools.local_stack import ROOT

PACKAGE = ROOT / "layers" / "evercert" / "evercert"
MODULES = sorted(PACKAGE.rglob("*.py"))
PURE_PACKAGES = ("pki", "documents", "contracts", "scheduling", "issuance", "operations")
PURE = [
    *sorted(PACKAGE.glob("*.py")),
    *(path for name in PURE_PACKAGES for path in sorted((PACKAGE / name).rglob("*.py"))),
]
AUTHORITY = sorted((PACKAGE / "authority").rglob("*.py"))  # pure as well: its outside world is in aws/ and functions/
OUTSIDE = {"boto3", "botocore", "httpx", "aws_lambda_powertools", "typer", "rich", "yaml"}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def loaded(statement: str) -> set[str]:
    """Return the top-level modules of a new interpreter after the statement."""
    code = f"{statement}\nimport sys\nprint(' '.join({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(PACKAGE.parent)},
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("path", [*PURE, *AUTHORITY], ids=lambda path: path.name)
def test_package_root_imports_no_adapters(path: Path) -> None:
    tops = {name.partition(".")[0] for name in imports(path)}
    assert not tops & OUTSIDE
    folders = {"aws", "http_client", "issuers", "destinations", "cli"}
    assert not {name for name in imports(path) if name.startswith(tuple(f"evercert.{folder}" for folder in folders))}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_docstring_begins_with_one_sentence(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    assert docstring, path
    assert docstring.splitlines()[0].endswith((".", ":")), path


def test_only_cli_imports_its_dependencies() -> None:
    for path in MODULES:
        if "cli" not in path.parts:
            assert not {name.partition(".")[0] for name in imports(path)} & {"typer", "rich", "yaml"}, path


def test_package_does_not_read_the_clock() -> None:
    """Time is an argument; only the command line and the shared clock of the entry points read it."""
    for path in MODULES:
        if "cli" not in path.parts and path != PACKAGE / "aws" / "lambda_clock.py":
            text = path.read_text()
            assert "datetime.now" not in text, path
            assert "time.time" not in text, path


def test_registries_are_lazy() -> None:
    before = loaded(
        "import evercert.issuers, evercert.destinations, evercert.issuers.infisical.logins, evercert.http_client.client"
    )
    assert not before & {"boto3", "botocore", "httpx"}


@pytest.mark.parametrize("register", [ISSUERS, DESTINATIONS, LOGINS], ids=lambda register: register.what)
def test_registry_entries_load_and_have_settings(register) -> None:
    for kind in register.entries:
        assert register.load(kind).Settings.model_json_schema()


def test_checker_imports_no_issuer_cryptography_or_httpx() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import app, sys; print(' '.join(sys.modules))"],
        capture_output=True, text=True, check=True,
        env={"PYTHONPATH": f"{PACKAGE.parent}:{ROOT / 'functions' / 'checker'}"},
    )  # fmt: skip
    modules = set(done.stdout.split())
    assert not {
        name for name in modules if name.startswith(("cryptography", "httpx", "evercert.issuers", "evercert.pki.keys"))
    }


def writes() -> list[tuple[Path, int, ast.Call]]:
    """Return every call of a client method that writes to a table."""
    names = {"put_item", "update_item", "delete_item"}
    return [
        (path, node.lineno, node)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in names
    ]


def test_table_writes_have_a_condition() -> None:
    """The condition is explicit, or comes from `Update.arguments`, which requires one."""
    assert len(writes()) >= 5
    for path, line, call in writes():
        given = {keyword.arg for keyword in call.keywords}
        spread = [keyword for keyword in call.keywords if keyword.arg is None]
        by_update = any("arguments()" in ast.unparse(keyword.value) for keyword in spread)
        assert "ConditionExpression" in given or by_update, f"{path}:{line}"


def test_transaction_writes_have_a_condition() -> None:
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value in {"Put", "Update", "Delete"}:
                        text = ast.unparse(value)
                        assert "ConditionExpression" in text or "arguments()" in text, f"{path}:{node.lineno}"


def test_package_has_no_batch_writes() -> None:
    for path in MODULES:
        for name in ("batch_write", "execute_statement", "execute_transaction", 'resource("dynamodb")'):
            assert name not in path.read_text(), path


def test_update_refuses_a_missing_condition() -> None:
    from evercert.aws.dynamodb.updates import Update

    with pytest.raises(ValueError, match="every table write carries a condition"):
        Update({"a": "b"}).arguments()


def test_files_and_functions_stay_within_size_limits() -> None:
    for path in [*MODULES, *(ROOT / "functions").glob("*/app.py")]:
        text = path.read_text()
        assert text.count("\n") <= 250, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < 50, f"{path}:{node.name}"


def test_architecture_page_names_every_package() -> None:
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text()
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    packages |= {path.parent.name for path in (PACKAGE / "authority").glob("*/__init__.py")}
    assert packages <= set(re.findall(r"^\|(?: \d \|)? `([a-z_]+)` \|", page, re.MULTILINE))


def test_architecture_page_names_existing_files() -> None:
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text()
    for path in re.findall(r"`([\w/]+\.py)`", page):
        assert (PACKAGE / path).exists() or (ROOT / path).exists(), path


def test_architecture_page_names_every_state() -> None:
    from evercert.authority.ca.definition import Status
    from evercert.authority.contracts.records import RequestStatus

    table = (
        (ROOT / "docs" / "explanation" / "architecture.md")
        .read_text()
        .partition("### Its states")[2]
        .partition("###")[0]
    )
    states = {f"`{one}`" for one in (*get_args(Status), *get_args(RequestStatus))}
    assert states <= set(re.findall(r"`[a-z_]+`", table))


def test_architecture_page_names_every_item_kind() -> None:
    from evercert.aws.authority.configuration import MODELS

    table = (
        (ROOT / "docs" / "explanation" / "architecture.md")
        .read_text()
        .partition("### Its tables")[2]
        .partition("###")[0]
    )
    source = "".join(path.read_text() for path in (PACKAGE / "aws" / "authority").glob("*.py"))
    state = set(re.findall(r'(?:_key|key|_get|_put)\(\s*"([a-z-]+)"', source))
    assert {"request", "certificate", "token", "signature"} <= state
    for kind in {*MODELS, *state}:
        assert re.search(rf"`{kind}[`#]", table), kind
