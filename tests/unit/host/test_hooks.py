"""Hooks: variables, exit codes, time limits that end all processes, floods of output."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from evercert.host import hooks
from evercert.host.hooks import Hook, HookResult, Hooks


def run(command: str, limit: int = 10, **variables: str) -> HookResult:
    return Hooks().run(Hook(command, limit), variables)


def test_variables_and_output(tmp_path: Path) -> None:
    found = run(f'printf "%s" "$CERT_COMMON_NAME" > {tmp_path}/name; echo out; echo err >&2', CERT_COMMON_NAME="a b;c")
    assert (tmp_path / "name").read_text() == "a b;c"
    assert found == HookResult(None, "out err")


def test_environment_is_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE", "yes")
    assert run('test "$MINE" = yes').problem is None


@pytest.mark.parametrize("shell", ["/usr/sbin/nologin", "/bin/false", ""])
def test_system_users_have_a_shell(monkeypatch: pytest.MonkeyPatch, shell: str) -> None:
    monkeypatch.setenv("SHELL", shell)
    assert run("exit 0").problem is None


def test_shell_that_is_missing_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/no/such/shell")
    assert run("exit 0").problem == "cannot be started: No such file or directory"


@pytest.mark.parametrize(
    ("command", "problem"),
    [("exit 3", "failed with exit code 3"), ("no-such-program", "failed with exit code 127"),
     ("kill -9 $$", "was ended by signal 9")],
)  # fmt: skip
def test_failures_are_named(command: str, problem: str) -> None:
    assert run(command).problem == problem


def test_control_characters_never_reach_a_hook_or_a_log() -> None:
    found = run('printf "%s" "$ERROR_MESSAGE"; printf "\\033[31m"', ERROR_MESSAGE="a\nb\0c\x1b")
    assert found.output == "a b c [31m"


def test_time_limit_ends_the_whole_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "GRACE", 0.2)
    command = f"trap '' TERM; (trap '' TERM; sleep 60; touch {tmp_path}/late) & echo $! > {tmp_path}/child; sleep 60"
    begin = time.monotonic()
    assert run(command, limit=1).problem == "timed out after 1 seconds, and was ended"
    assert time.monotonic() - begin < 10
    child = int((tmp_path / "child").read_text())
    for _ in range(50):
        if not _is_alive(child):
            break
        time.sleep(0.1)
    assert not _is_alive(child)


def _is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_flood_of_output_is_read_and_not_kept() -> None:
    found = run("head -c 50000000 /dev/zero | tr '\\0' x; echo end")
    assert found.problem is None
    assert len(found.output) <= hooks.KEPT
    assert found.output.endswith("end")


def test_background_process_does_not_hold_the_agent() -> None:
    begin = time.monotonic()
    assert run("sleep 5 & echo started").output == "started"
    assert time.monotonic() - begin < 4


def test_beats_while_a_hook_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "STEP", 0.05)
    beats: list[float] = []
    Hooks(lambda: beats.append(time.monotonic())).run(Hook("sleep 1"), {})
    assert len(beats) > 5


def test_no_file_of_the_agent_is_open_in_a_hook() -> None:
    with Path(os.devnull).open("rb") as file:
        assert run(f"test ! -e /proc/self/fd/{file.fileno()} || test {file.fileno()} -lt 3").problem is None
