"""The program: version, help, and how every failure ends."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from evercert import __version__
from evercert.cli import app as program
from evercert.cli import terminal
from evercert.errors import Unavailable
from tests.tools.local_stack import ROOT

RUN = "from evercert.cli import main; main()"
Ended = tuple[int, str, str]


def started(*arguments: str, code: str = RUN) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    """Run `evercert list` with a connection that raises; return exit code, output and errors."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    def run(error: BaseException, *arguments: str) -> Ended:
        def connect(stack: str, region: str | None) -> None:
            raise error

        monkeypatch.setattr(terminal, "connect", connect)
        monkeypatch.setattr(sys, "argv", ["evercert", *(arguments or ["list"])])
        with pytest.raises(SystemExit) as caught:
            program.run()
        captured = capsys.readouterr()
        return int(caught.value.code or 0), captured.out, captured.err

    return run


@pytest.mark.parametrize("argument", ["version", "--version", "-V"])
def test_app_prints_the_version(argument: str) -> None:
    done = started(argument)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"evercert {__version__}\n", "")


def test_app_prints_the_version_as_json() -> None:
    done = started("--json", "version")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"version": __version__})


@pytest.mark.parametrize("arguments", [["-h"], ["list", "-h"], ["authority", "identity", "create", "-h"]])
def test_short_option_shows_the_help(arguments: list[str]) -> None:
    done = started(*arguments)
    assert (done.returncode, "Usage: evercert" in done.stdout) == (0, True)


def test_shell_completion_is_offered() -> None:
    environment = {**os.environ, "_EVERCERT_COMPLETE": "complete_bash", "COMP_WORDS": "evercert his", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", RUN], capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    assert done.stdout.split() == ["history"]


def test_errors_are_json_for_scripts(ended: Any) -> None:
    code, out, err = ended(Unavailable("cannot read: AWS did not answer"), "list", "--json")
    assert (code, out, json.loads(err)) == (1, "", {"errors": ["cannot read: AWS did not answer"]})


def test_document_comes_from_standard_input() -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN, "validate", "-"],
        input="version: x\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr.partition(": -:1: ")[0]) == (2, "evercert")


def test_closed_standard_input_is_an_empty_document() -> None:
    done = started(code=f"import sys; sys.stdin = None; sys.argv = ['evercert', 'validate', '-']; {RUN}")
    assert (done.returncode, done.stderr.startswith("evercert: -:")) == (2, True), done.stderr


def test_app_lists_commands_without_arguments() -> None:
    done = started()
    assert "Exit codes: 0 done" in done.stdout and "doctor" in done.stdout
    assert done.stderr == ""


class Panic(BaseException):
    """An error of native code: not an Exception."""


UNFORESEEN = [KeyError("S3cret"), RecursionError("S3cret"), MemoryError(), OverflowError("S3cret"), Panic("S3cret"),
              UnicodeDecodeError("utf-8", b"S3cret", 0, 1, "S3cret"), OSError("S3cret"), AssertionError("S3cret")]  # fmt: skip


@pytest.mark.parametrize("error", UNFORESEEN, ids=lambda error: type(error).__name__)
def test_app_ends_unforeseen_errors_with_a_report(error: BaseException, ended: Any, tmp_path: Path) -> None:
    code, out, err = ended(error)
    (report,) = (tmp_path / "evercert").iterdir()
    assert (code, out) == (70, "")
    assert err.startswith(f"evercert: a bug in evercert: {type(error).__name__} at test_app.py:")
    assert err.endswith(f"; please report it with the file {report}\n") and err.count("\n") == 1
    assert "S3cret" not in err + report.read_text()


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (Unavailable("no answer\n\x1b[31m"), 1, "evercert: no answer\\n\\x1b[31m\n"),
        (KeyboardInterrupt(), 130, ""),
        (PermissionError(errno.EACCES, "Permission denied", "a\nb"), 1, "evercert: a\\nb: Permission denied\n"),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            1,
            "evercert: cannot write the output: No space left on device\n",
        ),
    ],
    ids=["expected", "interrupted", "file", "full disk"],
)
def test_app_ends_expected_errors_without_a_report(
    error: BaseException, code: int, line: str, ended: Any, tmp_path: Path
) -> None:
    assert ended(error) == (code, "", line)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["list", "--\x1b[31m"], "No such option: --\\x1b[31m; to see the options, run: evercert list --help"),
        (["\x1b[31m"], "No such command '\\x1b[31m'; to see the options, run: evercert --help"),
        (["show"], "Missing argument 'NAME'; to see the options, run: evercert show --help"),
        (
            ["authority", "ca", "show"],
            "Missing argument 'NAME'; to see the options, run: evercert authority ca show --help",
        ),
    ],
    ids=["option", "command", "argument", "nested"],
)
def test_app_reports_wrong_arguments_on_one_line(arguments: list[str], line: str, ended: Any) -> None:
    code, out, err = ended(AssertionError(), *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("evercert: ") and err.count("\n") == 1
    assert err == f"evercert: {line}\n"


def test_app_prints_no_warnings_of_libraries() -> None:
    code = (
        f"import warnings, evercert.cli.app as a; a.crash_report; a.terminal.flush = lambda: warnings.warn('x'); {RUN}"
    )
    assert started("version", code=code).stderr == ""


@pytest.mark.parametrize("stream", ["stdout", "both"])
def test_app_ends_silently_when_its_output_is_closed(stream: str) -> None:
    read, write = os.pipe()
    os.close(read)
    other = subprocess.PIPE if stream == "stdout" else write
    command = [sys.executable, "-c", RUN, "version" if stream == "stdout" else "lst"]
    with subprocess.Popen(command, stdout=write, stderr=other) as process:
        os.close(write)
        said = process.stderr.read() if process.stderr is not None else b""
        assert (process.wait(60), said) == (141, b"")


def test_app_reports_output_that_cannot_be_written() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([sys.executable, "-c", RUN, "version"], stdout=full, stderr=-1, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, b"evercert: cannot write the output: No space left on device\n")


def test_app_ends_on_ctrl_c_without_a_traceback(tmp_path: Path) -> None:
    """At any moment: also while modules are imported."""
    ready = tmp_path / "ready"
    code = (
        f"import pathlib, time, evercert.cli.app as a; from evercert.cli import terminal\n"
        f"def connect(*_):\n    pathlib.Path({str(ready)!r}).touch(); time.sleep(60)\n"
        f"terminal.connect = connect\n{RUN}"
    )
    command = [sys.executable, "-c", code, "list"]
    # A job in the background ignores the signal, and so would this process.
    unignored = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, stdout=-1, stderr=-1, cwd=ROOT, preexec_fn=unignored) as process:  # noqa: PLW1509
        give_up = time.monotonic() + 30
        while not ready.exists() and time.monotonic() < give_up:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30) == (b"", b"")
    assert process.returncode == 130
