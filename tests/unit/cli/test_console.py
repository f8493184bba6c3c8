"""A terminal without control characters of others, whatever is printed in whichever way."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import pytest
from rich.progress import track
from rich.text import Text

from evercert.cli.console import Terminal, styled
from evercert.cli.grid import Grid

FOREIGN = "a\x1b]0;title\x07b\x9bc\x7fd\u202ee\u2028f\rg\x08h"
ESCAPED = "a\\x1b]0;title\\x07b\\x9bc\\x7fd\\u202ee\\u2028f\\rg\\x08h"
OWN = {"\n"}


def printed(act: Callable[[Terminal], object], *, colours: bool = False) -> str:
    file = io.StringIO()
    act(Terminal(file=file, width=200, force_terminal=colours, color_system="truecolor" if colours else None))
    return file.getvalue()


def table(console: Terminal) -> None:
    grid = Grid("NAME", "STATE")
    grid.add_row(FOREIGN, styled(FOREIGN, "red"))
    console.print(grid)


WAYS: dict[str, Callable[[Terminal], object]] = {
    "text": lambda console: console.print(FOREIGN),
    "styled": lambda console: console.print(styled(FOREIGN, "red")),
    "lines": lambda console: console.lines(FOREIGN),
    "table": table,
}


@pytest.mark.parametrize("way", WAYS)
def test_terminal_escapes_foreign_text(way: str) -> None:
    found = printed(WAYS[way])
    assert ESCAPED in found
    assert all(character.isprintable() or character in OWN for character in found)


@pytest.mark.parametrize("colours", [False, True])
def test_terminal_escapes_text_it_was_not_told_about(colours: bool) -> None:
    """Such as a `Text` of rich itself, and the words of a spinner."""
    found = printed(lambda console: console.print(Text(FOREIGN, "red")), colours=colours)
    assert "\x1b]0" not in found and "\x9b" not in found and "\u202e" not in found
    assert ("\x1b[31m" in found) is colours

    def spin(console: Terminal) -> None:
        with console.status("start") as status:
            status.update(FOREIGN)
            status.stop()
        list(track([1], FOREIGN, console=console))

    found = printed(spin, colours=colours)
    assert "\x1b]0" not in found and "\x9b" not in found and "\u202e" not in found


def test_terminal_prints_text_in_one_line() -> None:
    assert printed(lambda console: console.print("web\nevercert: all is well")) == "web\\nevercert: all is well\n"


def test_terminal_prints_lines_of_its_own() -> None:
    assert printed(lambda console: console.lines("a\nb")) == "a\nb\n"


@pytest.mark.parametrize("indent", [None, 2])
def test_json_escapes_as_json(indent: int | None) -> None:
    value = {"name": FOREIGN + "\ud800\n", "umlaut": "ü"}
    found = printed(lambda console: console.json(value, indent))
    assert json.loads(found) == value
    assert all(character.isprintable() or character == "\n" for character in found)
    assert found.count("\n") == (1 if indent is None else 4)


@pytest.mark.parametrize("values", [[], [FOREIGN], [{"a": [1, "x\ny"]}, {}, []]], ids=["none", "one", "several"])
def test_terminal_prints_an_array_as_json_does(values: list[object]) -> None:
    assert json.loads(printed(lambda console: console.json_array(iter(values)))) == values
    if FOREIGN not in values:
        assert printed(lambda console: console.json_array(iter(values))) == json.dumps(values, indent=2) + "\n"
