"""The program without a command: version and help."""

from __future__ import annotations

import subprocess
import sys

import pytest

from evercert import __version__


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from evercert.cli.app import run; run()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("argument", ["version", "--version"])
def test_app_prints_the_version(argument: str) -> None:
    done = program(argument)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"evercert {__version__}\n", "")


def test_app_lists_commands_without_arguments() -> None:
    done = program()
    assert "Exit codes: 0 done" in done.stdout and "doctor" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
