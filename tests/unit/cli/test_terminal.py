"""One module prints."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from evercert.cli import terminal
from tests.tools.local_stack import ROOT

CLI = ROOT / "layers" / "evercert" / "evercert" / "cli"
PRINTERS = {CLI / "terminal.py", CLI / "console.py", CLI / "grid.py"}
MODULES = sorted(set(CLI.rglob("*.py")) - PRINTERS)
STREAMS = {"stdout", "stderr", "__stdout__", "__stderr__"}
WRITERS = {"print", "input", "Console", "Table", "Text", "echo", "secho", "confirm", "prompt", "pprint", "getpass"}


def writes(source: str) -> list[str]:
    """Return what a module uses to write to the terminal by itself."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(value=ast.Name(id="sys"), attr=name) if name in STREAMS:
                found.append(f"sys.{name}")
            case ast.ImportFrom(module="sys", names=names):
                found += [f"sys.{one.name}" for one in names if one.name in STREAMS]
            case ast.Call(func=ast.Name(id=name)) if name in WRITERS:
                found.append(name)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="typer" | "click" | "rich" | "os"), attr=name)):
                if name in WRITERS | {"write"}:
                    found.append(name)
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(CLI)))
def test_only_terminal_writes_output(path: Path) -> None:
    assert writes(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "print('x')",
        "sys.stderr.write('x')",
        "from sys import stdout",
        "typer.echo('x')",
        "Console()",
        "os.write(1, b'')",
    ],
)
def test_search_for_writers_finds_them(source: str) -> None:
    assert writes(source)


def test_errors_are_the_first_hundred(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.errors([f"{number}" for number in range(100)])
    assert capsys.readouterr().err.splitlines() == [f"evercert: {number}" for number in range(100)]
    terminal.errors([f"{number}" for number in range(100_000)])
    lines = capsys.readouterr().err.splitlines()
    assert (len(lines), lines[-1]) == (101, "evercert: there are more problems; fix these first")


def test_notes_are_limited(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.notes([f"{number}" for number in range(terminal.MOST_NOTES)])
    assert len(capsys.readouterr().err.splitlines()) == terminal.MOST_NOTES
    terminal.notes([f"{number}" for number in range(10_000)])
    lines = capsys.readouterr().err.splitlines()
    assert (len(lines), lines[-1]) == (
        501,
        "note: 9500 more notes are not shown; `evercert validate --json` prints all of a document",
    )


def test_errors_are_cut(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.errors(["x" * 1_000_000])
    assert len(capsys.readouterr().err) == terminal.LONGEST_ERROR + 1
