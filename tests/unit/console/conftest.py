"""The console beside a table in memory, and an authority."""

from __future__ import annotations

import pytest

from tests.doubles.console import FakeAuthority, FakeConsole


@pytest.fixture
def authority() -> FakeAuthority:
    return FakeAuthority()


@pytest.fixture
def console(authority: FakeAuthority) -> FakeConsole:
    return FakeConsole(authority=authority).sign_in()
