"""What a cold start may load: every module costs each new environment its milliseconds."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.doubles.world import load_template
from tests.tools.local_stack import ROOT

PACKAGE = ROOT / "layers" / "evercert"


def loaded(function: str) -> set[str]:
    """The top-level modules that a fresh interpreter has after importing the function."""
    done = subprocess.run(
        [sys.executable, "-c", "import app, sys; print(*sys.modules)"],
        capture_output=True, text=True, check=True,
        env={"PYTHONPATH": f"{PACKAGE}:{ROOT / 'functions' / function}"},
    )  # fmt: skip
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize("function", ["checker", "issuer", "authority", "signer"])
def test_no_function_loads_more_of_the_aws_client_than_botocore(function: str) -> None:
    assert loaded(function) & {"boto3", "botocore", "s3transfer", "multiprocessing"} == {"botocore"}


def test_the_checker_loads_no_pydantic() -> None:
    assert "pydantic" not in loaded("checker")
    assert "pydantic" in loaded("issuer")


@pytest.mark.parametrize("function", ["checker", "issuer", "authority", "signer"])
def test_what_asks_over_the_network_is_loaded_by_the_first_issuer_that_does(function: str) -> None:
    assert not loaded(function) & {"httpx", "httpcore", "h11", "anyio"}


def test_the_help_for_misspelt_words_is_loaded_when_a_word_is_misspelt() -> None:
    assert "difflib" not in loaded("issuer")


def test_pydantic_searches_no_package_for_plugins() -> None:
    variables = load_template()["Resources"]["IssuerFunction"]["Properties"]["Environment"]["Variables"]
    assert variables["PYDANTIC_DISABLE_PLUGINS"] == "__all__"
