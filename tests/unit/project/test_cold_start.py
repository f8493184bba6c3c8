"""Modules that a cold start may load: each one adds milliseconds to every new environment."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.doubles.world import load_template
from tests.tools.local_stack import ROOT

PACKAGE = ROOT / "layers" / "evercert"


def modules(function: str) -> set[str]:
    """Return the modules of a new interpreter after importing the function."""
    done = subprocess.run(
        [sys.executable, "-c", "import app, sys; print(*sys.modules)"],
        capture_output=True, text=True, check=True,
        env={"PYTHONPATH": f"{PACKAGE}:{ROOT / 'functions' / function}"},
    )  # fmt: skip
    return set(done.stdout.split())


def loaded(function: str) -> set[str]:
    """Return the top-level modules."""
    return {name.partition(".")[0] for name in modules(function)}


@pytest.mark.parametrize("function", ["checker", "issuer", "authority", "signer"])
def test_functions_load_botocore_but_not_boto3(function: str) -> None:
    assert loaded(function) & {"boto3", "botocore", "s3transfer", "multiprocessing"} == {"botocore"}


def test_checker_does_not_load_pydantic() -> None:
    assert "pydantic" not in loaded("checker")
    assert "pydantic" in loaded("issuer")


@pytest.mark.parametrize("function", ["checker", "issuer", "authority", "signer"])
def test_functions_do_not_load_the_http_client_at_start(function: str) -> None:
    assert not loaded(function) & {"httpx", "httpcore", "h11", "anyio"}


@pytest.mark.parametrize("function", ["checker", "issuer", "authority", "signer"])
def test_functions_do_not_load_dnspython_at_start(function: str) -> None:
    assert "dns" not in loaded(function)


@pytest.mark.parametrize("function", ["authority", "administration"])
def test_functions_do_not_load_event_handlers(function: str) -> None:
    """The event handlers of Powertools took a quarter of the authority's start."""
    assert not [name for name in modules(function) if name.startswith("aws_lambda_powertools.event_handler")]


def test_issuer_does_not_load_difflib_at_start() -> None:
    assert "difflib" not in loaded("issuer")


def test_pydantic_plugins_are_disabled() -> None:
    variables = load_template()["Resources"]["IssuerFunction"]["Properties"]["Environment"]["Variables"]
    assert variables["PYDANTIC_DISABLE_PLUGINS"] == "__all__"


@pytest.mark.parametrize("path", sorted((ROOT / "functions").glob("*/app.py")), ids=lambda path: path.parent.name)
def test_functions_postpone_collections_for_their_whole_start(path: Path) -> None:
    statements = [ast.unparse(one) for one in ast.parse(path.read_text()).body]
    imports = [one for one in statements if one.startswith(("import ", "from ")) and "__future__" not in one]
    assert imports[:2] == ["import evercert.layer_target", "from evercert import cold_start"]
    assert statements[-1].startswith("cold_start.finish(")
