"""Stored states: one step, any content of the file, one agent at a time."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from evercert.errors import Misconfigured
from evercert.host.state import State, States


def test_state_is_what_was_saved(tmp_path: Path) -> None:
    states = States(tmp_path / "state")
    assert states.load("web") == State()
    states.save("web", State(refused="x", rollbacks=2))
    assert states.load("web") == State(refused="x", rollbacks=2)


def test_states_are_private(tmp_path: Path) -> None:
    states = States(tmp_path / "state")
    states.save("*.example.com", State())
    (file,) = (tmp_path / "state").iterdir()
    assert file.name == "_wildcard.example.com.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"rollbacks": -1}', b'{"newer": 1}'])
def test_unreadable_state_is_empty(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "web.json").write_bytes(content)
    assert States(tmp_path).load("web") == State()


def test_second_agent_is_refused(tmp_path: Path) -> None:
    second = States(tmp_path).locked()
    with States(tmp_path).locked(), pytest.raises(Misconfigured, match="another agent uses"), second:
        pass
    with States(tmp_path).locked():
        pass
