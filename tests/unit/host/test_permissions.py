"""The agent as a user without rights: one line each, and the installed files stay."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.host import FakeHost, secret_value

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to run as another user")
USER = 65_534


def as_user(work: Callable[[], Any]) -> Any:
    """Run `work` as another user in a process of its own; return what it returns, as JSON."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(USER)
            os.setuid(USER)
            os.write(writing, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text)


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """Return a host of the user, with revision 1 installed."""
    for revision in (1, 2):
        secret_value(revision)  # issued here, so that every process reads the same one
    for folder in (tmp_path, *tmp_path.parents):
        if str(folder) == tempfile.gettempdir():
            break
        folder.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, USER, USER)
    found = FakeHost(home)
    os.chown(home / "state", USER, USER)
    found.stack.deliver(1)
    as_user(lambda: found.restart().check())
    assert found.serial() == 1_001
    found.stack.deliver(2)
    return found


def errors(host: FakeHost) -> list[str]:
    def work() -> list[str]:
        follower = host.restart()
        for _ in range(3):
            follower.check()
        return [*host.log.errors, f"{len(host.hooks.commands)} hooks"]

    found: list[str] = as_user(work)
    return found


def test_read_only_directory_is_one_line(host: FakeHost) -> None:
    os.chown(host.folder / ".evercert" / "web", USER, USER)
    (host.folder / ".evercert" / "web").chmod(0o555)
    (line, hooks) = errors(host)
    assert "Permission denied" in line
    assert line.endswith("the installed files stay")
    assert hooks == "1 hooks"
    assert host.serial() == 1_001


def test_wrong_owner_of_our_folder_is_one_line(host: FakeHost) -> None:
    os.chown(host.folder / ".evercert", 0, 0)
    (line, hooks) = errors(host)
    assert "belongs to another user" in line
    assert hooks == "1 hooks"
    assert host.serial() == 1_001


def test_owner_that_cannot_be_set_is_one_line(host: FakeHost) -> None:
    host.outputs = tuple(type(one)(one.kind, one.path, owner="root") for one in host.outputs)
    (line, _) = errors(host)
    assert "Operation not permitted" in line
    assert host.serial() == 1_001


def test_unwritable_state_is_one_line_and_installs_nothing(host: FakeHost) -> None:
    (host.folder.parent / "state").chmod(0o500)  # without a stored state, a hook could run twice
    (line, hooks) = errors(host)
    assert "Permission denied" in line
    assert hooks == "1 hooks"
    assert host.serial() == 1_001


def test_missing_directory_is_made(host: FakeHost) -> None:
    host.outputs = tuple(type(one)(one.kind, host.folder / "new" / "deep" / one.path.name) for one in host.outputs)
    assert errors(host) == ["1 hooks"]
    assert (host.folder / "new" / "deep" / "web.certificate").exists()
