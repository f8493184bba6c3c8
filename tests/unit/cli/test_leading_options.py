"""Options before the command."""

from __future__ import annotations

import pytest

from evercert.cli.files import BadInput
from evercert.cli.leading_options import move_leading_options


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["list"], ["list"]),
        (["--stack", "test", "list"], ["list", "--stack", "test"]),
        (["--stack=test", "--json", "list", "--limit", "3"], ["list", "--limit", "3", "--stack=test", "--json"]),
        (["--region", "eu-west-1", "authority", "status"], ["authority", "status", "--region", "eu-west-1"]),
        (["--json", "show", "--", "-odd"], ["show", "--json", "--", "-odd"]),
        (["list", "--stack", "test"], ["list", "--stack", "test"]),
        (["--version"], ["--version"]),
        (["--unknown", "list"], ["--unknown", "list"]),
        (["version", "--stack"], ["version", "--stack", "evercert"]),
        (["--json", "version", "--stack"], ["version", "--stack", "evercert", "--json"]),
        (["version", "--stack", "test", "--json"], ["version", "--stack", "test", "--json"]),
        (["list", "--stack"], ["list", "--stack"]),
        ([], []),
    ],
)
def test_leading_options_move_behind_the_command(given: list[str], expected: list[str]) -> None:
    assert move_leading_options(given) == expected


@pytest.mark.parametrize("given", [["--stack"], ["--stack", "test"], ["--json"], ["--stack", "test", "--limit", "3"]])
def test_options_without_a_command_are_named(given: list[str]) -> None:
    with pytest.raises(BadInput, match=r"^--(stack|json) needs a command after it"):
        move_leading_options(given)
