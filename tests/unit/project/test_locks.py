"""Packages of the layer and of the command: what each needs, and what the lock files contain."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from tests.tools.local_stack import ROOT
from tests.tools.locks import COMMAND, LAYER

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
DEPENDENCIES, LAYER_GROUP = PYPROJECT["project"]["dependencies"], PYPROJECT["dependency-groups"]["layer"]
EXTRAS = PYPROJECT["project"]["optional-dependencies"]
OF_THE_TERMINAL = {"pyyaml", "rich", "typer"}


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^A-Za-z0-9_.-]", one)[0] for one in requirements}


def locked(lock: str | Path) -> dict[str, str]:
    """Return the version of each package of a lock file."""
    return dict(re.findall(r"^([a-z0-9.-]+)==([^ ;]+)", (ROOT / lock).read_text(), flags=re.MULTILINE))


def test_command_installs_the_packages_of_the_layer() -> None:
    missing = sorted(set(LAYER_GROUP) - set(DEPENDENCIES))
    assert missing == [], f"the group `layer` and [project] dependencies differ: {', '.join(missing)}"


def test_layer_lacks_only_the_packages_of_the_terminal() -> None:
    assert names(DEPENDENCIES) - names(LAYER_GROUP) == OF_THE_TERMINAL


def test_lock_of_the_layer_has_no_package_of_the_terminal() -> None:
    found = locked(LAYER)
    assert names(LAYER_GROUP) <= found.keys()
    assert not OF_THE_TERMINAL & found.keys()


def test_command_is_locked_to_the_versions_of_the_layer() -> None:
    command = locked(COMMAND)
    assert command.keys() >= OF_THE_TERMINAL
    assert {name: command.get(name) for name in locked(LAYER)} == locked(LAYER)
    assert locked("requirements/dev.txt").items() >= command.items()


def test_only_the_console_is_an_extra() -> None:
    assert EXTRAS.keys() == {"console"}
    assert not names(EXTRAS["console"]) & (names(DEPENDENCIES) | locked(LAYER).keys())
    assert locked(COMMAND).keys() >= names(EXTRAS["console"])
