"""The command `report`: where it writes, what it selects, and what it leaves as it was."""

from __future__ import annotations

import errno
import os
import stat
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from evercert.contracts.record import Failure
from evercert.contracts.spec_store import STACK, Pause
from evercert.errors import Unavailable
from tests.doubles.command import Command
from tests.doubles.fakes import START, spec

FAILURE = Failure(kind="rejected", message="the CA refused <b>it</b>", at=START, generation=1)


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.fixture
def stored(command: Command) -> Command:
    command.store("api", renew_at=START, spec=spec("api", labels={"team": "a"}))
    command.store("mail", days=3, state="failing", last_error=FAILURE)
    return command


def test_report_writes_a_page(stored: Command, tmp_path: Path) -> None:
    file = tmp_path / "out.html"
    ended = stored("report", "--html", str(file))
    assert (ended.code, ended.out, ended.err) == (0, f"wrote {file}; certificates: 2\n", "")
    text = file.read_text(encoding="ascii")
    assert text.startswith("<!doctype html>") and text.endswith("</html>\n")
    assert "the CA refused &lt;b&gt;it&lt;/b&gt;" in text
    assert "<h1>Certificates of <bdi>evercert</bdi></h1>" in text and "eu-central-1" in text
    assert "fix the error" in text and "Only certificates that match" not in text


def test_report_writes_to_standard_output(stored: Command) -> None:
    ended = stored("report", "--html", "-")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("<!doctype html>") and ended.out.endswith("</html>\n")


def test_report_names_its_selection(stored: Command) -> None:
    text = stored("report", "a*", "--label", "team=a", "--html", "-").out
    assert "Total: 1<" in text and "mail" not in text
    assert "<bdi>a* --label team=a</bdi>" in text


def test_report_names_pauses(stored: Command) -> None:
    stored.table.pause(STACK, Pause(START, "a <migration>"), START)
    text = stored("report", "--html", "-").out
    assert "the stack is paused since 2026-01-15 12:00Z (a &lt;migration&gt;)" in text
    assert text.count('<span class="warn">paused') <= 1


def test_report_of_a_missing_name_writes_nothing(stored: Command, tmp_path: Path) -> None:
    ended = stored("report", "gone", "--html", str(tmp_path / "out.html"))
    assert ended.code == 2 and "there is no certificate 'gone'" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_report_without_a_file_is_refused(stored: Command) -> None:
    ended = stored("report")
    assert ended.code == 2 and "--html" in ended.err and ended.err.count("\n") == 1


# -- the file ---------------------------------------------------------------------------------------------------------
def test_report_replaces_a_file_and_keeps_its_mode(stored: Command, tmp_path: Path) -> None:
    file = tmp_path / "out.html"
    file.write_text("old")
    file.chmod(0o640)
    with file.open() as reader:
        assert stored("report", "--html", str(file)).code == 0
        assert reader.read() == "old"  # a reader that has it open sees no part of the new one
    assert file.read_text().startswith("<!doctype")
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert names(tmp_path) == ["out.html"]


def test_new_file_has_the_mode_of_the_umask(stored: Command, tmp_path: Path) -> None:
    file, before = tmp_path / "out.html", os.umask(0o027)
    try:
        assert stored("report", "--html", str(file)).code == 0
    finally:
        assert os.umask(before) == 0o027
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_report_follows_a_link(stored: Command, tmp_path: Path) -> None:
    target, link = tmp_path / "site" / "index.html", tmp_path / "link"
    target.parent.mkdir()
    link.symlink_to(target)
    for _ in range(2):
        assert stored("report", "--html", str(link)).code == 0
        assert link.is_symlink() and target.read_text().startswith("<!doctype")


def test_report_writes_into_a_pipe(stored: Command, tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    assert stored("report", "--html", str(pipe)).code == 0
    reader.join(10)
    assert read[0].endswith("</html>\n") and stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (".", "it is a directory; name a file in it"), ("gone/out.html", "its directory does not exist; create it"),
        ("file/out.html", "Not a directory"), ("a\0b", "invalid name"), ("x" * 300, "File name too long"),
    ],
    ids=["directory", "missing-directory", "file", "null", "long"],
)  # fmt: skip
def test_file_that_cannot_be_written_is_refused_before_aws(
    stored: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, problem: str
) -> None:
    (tmp_path / "file").write_text("old")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stored.table, "records", lambda *_: pytest.fail("read the table"))
    ended = stored("report", "--html", name)
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert ended.err.startswith("evercert: cannot write ") and ended.err.endswith(f": {problem}\n")
    assert names(tmp_path) == ["file"]


def test_full_disk_leaves_the_old_file(stored: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    file = tmp_path / "out.html"
    file.write_text("old")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        ended = stored("report", "--html", str(file))
    assert (ended.code, ended.err) == (1, f"evercert: cannot write {file}: No space left on device\n")
    assert file.read_text() == "old" and names(tmp_path) == ["out.html"]


def test_failure_leaves_the_old_file(stored: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "out.html"
    file.write_text("old")

    def fail(*_: Any) -> Any:
        yield "<!doctype html>"
        raise Unavailable("the table does not answer")

    for place in ("evercert.operations.report.page.render", "evercert.operations.report.page.rows"):
        with monkeypatch.context() as patched:
            patched.setattr(place, fail)
            ended = stored("report", "--html", str(file))
        assert (ended.code, ended.err) == (1, "evercert: the table does not answer\n")
        assert file.read_text() == "old" and names(tmp_path) == ["out.html"]


def test_help_loads_no_page(stored: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("evercert.operations.report")]:
        monkeypatch.delitem(sys.modules, name)
    assert stored("report", "--help").code == 0
    assert not any(name.startswith("evercert.operations.report") for name in sys.modules)
