"""A manager of one project."""

from __future__ import annotations

import pytest

from tests.doubles.authority.manager import Manager


@pytest.fixture
def manager() -> Manager:
    return Manager()
