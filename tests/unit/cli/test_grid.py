"""Lines of tables are at most as wide as the terminal, whatever its width and the characters."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from evercert.cli.console import Terminal
from evercert.cli.grid import Grid, wrapped

TEXTS = {
    "latin": "one of several words",
    "japanese": "証明書 の 更新 に 失敗 しました",
    "emoji": "no 🚨 route 🚨 to host",
}


def printed(width: int, text: str) -> list[str]:
    grid = Grid("NAME", "STATE", "ISSUER", "NOTE", optional=("ISSUER",), most_lines=3)
    grid.add_row("web", "failing", "main", text * 20)
    file = io.StringIO()
    Terminal(file=file, width=width).print(grid)
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", [1, 2, 3, 10])
def test_narrowest_terminals_print_the_row(width: int) -> None:
    assert "web" in "".join(printed(width, "x y"))


@pytest.mark.parametrize("width", [24, 40, 60, 80, 200])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_no_line_has_more_cells_than_the_terminal(text: str, width: int) -> None:
    lines = printed(width, text + " ")
    assert [line for line in lines if cell_len(line) > width] == []
    assert len(lines) <= 2 + 3


@given(st.text(max_size=80), st.integers(1, 40), st.sampled_from(["", "    "]))
def test_wrapped_keeps_every_word(text: str, width: int, indent: str) -> None:
    lines = wrapped(text, width, indent)
    assert " ".join(lines).split() == text.split()
    assert all(cell_len(line) <= width or len(line.split()) == 1 for line in lines)
