"""What the program says before it does anything."""

from __future__ import annotations

import subprocess
import sys

import pytest

from evercert import __version__


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from evercert.cli.app import run; run()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("asked", ["version", "--version"])
def test_the_version_is_told_either_way(asked: str) -> None:
    done = program(asked)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"evercert {__version__}\n", "")


def test_nothing_asked_is_answered_with_the_commands() -> None:
    done = program()
    assert "Exit codes: 0 done" in done.stdout and "doctor" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
