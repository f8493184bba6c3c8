"""The command beside a table in memory."""

from __future__ import annotations

import pytest

from tests.doubles.command import Command


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(monkeypatch, capsys)
