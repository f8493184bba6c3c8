"""The console beside a table in memory."""

from __future__ import annotations

import pytest

from tests.doubles.console import FakeConsole


@pytest.fixture
def console() -> FakeConsole:
    return FakeConsole().sign_in()
