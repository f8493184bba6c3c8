"""`history --limit`: the newest events, oldest first."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from evercert.cli import app, terminal

EVENTS = [SimpleNamespace(model_dump=lambda number=number, **_: {"number": number}) for number in range(1, 6)]


@pytest.fixture
def numbers(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run `history web --json`; return the numbers of its events."""
    specs = SimpleNamespace(history=lambda _: EVENTS)
    monkeypatch.setattr(terminal, "connect", lambda stack, region: SimpleNamespace(specs=specs))

    def run(*arguments: str) -> list[int]:
        monkeypatch.setattr(sys, "argv", ["evercert", "history", "web", "--json", *arguments])
        with pytest.raises(SystemExit) as ended:
            app.run()
        assert ended.value.code == 0
        return [one["number"] for one in json.loads(capsys.readouterr().out)]

    return run


@pytest.mark.parametrize(("limit", "expected"), [(1, [5]), (3, [3, 4, 5]), (9, [1, 2, 3, 4, 5])])
def test_limit_keeps_the_newest_events(numbers: Any, limit: int, expected: list[int]) -> None:
    assert numbers("--limit", str(limit)) == expected


def test_all_events_are_shown_without_a_limit(numbers: Any) -> None:
    assert numbers() == [1, 2, 3, 4, 5]
