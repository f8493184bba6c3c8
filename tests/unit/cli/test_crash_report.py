"""Report files of unforeseen exceptions: private, without secrets, bounded."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from evercert import __version__
from evercert.cli import crash_report


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "state" / "evercert"


def raised(depth: int = 0) -> Exception:
    password = "S3cretLocal"

    def down(level: int) -> None:
        if level:
            down(level - 1)
        try:
            raise KeyError(password)
        except KeyError as error:
            raise ValueError(f"invalid {password}") from error

    try:
        down(depth)
    except ValueError as error:
        return error
    raise AssertionError


def written(line: str) -> Path:
    return Path(line.rpartition(" ")[2])


def test_report_has_versions_and_traceback(state: Path) -> None:
    text = written(crash_report.report(raised())).read_text()
    assert text.startswith(f"evercert {__version__}, Python 3.")
    assert f"{__file__}:" in text and " down: raise ValueError" in text
    assert "builtins.ValueError" in text and "builtins.KeyError" in text


def test_report_has_no_values(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "S3cretEnvironment")
    error = raised()
    error.add_note("S3cretNote")
    line = crash_report.report(error)
    text = written(line).read_text().replace('password = "S3cretLocal"', "")  # source code may be shown
    assert "S3cret" not in text + line


def test_report_is_readable_for_its_owner_only(state: Path) -> None:
    before = os.umask(0)
    try:
        file = written(crash_report.report(raised()))
    finally:
        os.umask(before)
    assert file.parent == state
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_report_falls_back_to_the_temporary_folder(state: Path, tmp_path: Path) -> None:
    state.parent.write_text("a file")
    (tmp_path / "temporary").mkdir()
    assert written(crash_report.report(raised())).parent == tmp_path / "temporary"


def test_report_without_a_writable_folder_is_one_line(state: Path) -> None:
    state.parent.write_text("a file")
    line = crash_report.report(raised())
    assert line.endswith("please report it with this line (no folder is writable for a report file)")
    assert line.startswith("a bug in evercert: ValueError at test_crash_report.py:")


def test_report_keeps_the_last_ten_files(state: Path) -> None:
    state.mkdir(parents=True)
    (state / "notes.md").touch()
    for number in range(20):
        (state / f"evercert-2026010{number // 10}T00000{number % 10}Z-x.txt").touch()
    newest = written(crash_report.report(raised()))
    found = sorted(path.name for path in state.iterdir())
    assert len(found) == 11 and newest.name in found and "notes.md" in found


def test_report_of_a_deep_recursion_is_short(state: Path) -> None:
    text = written(crash_report.report(raised(400))).read_text()
    assert len(text.splitlines()) < 150 and "more calls" in text


def test_report_of_endless_causes_ends(state: Path) -> None:
    first, second = raised(), raised()
    first.__cause__, second.__cause__ = second, first
    text = written(crash_report.report(first)).read_text()
    assert text.count("builtins.ValueError") == crash_report.MOST_CAUSES
