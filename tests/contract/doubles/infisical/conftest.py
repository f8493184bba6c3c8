"""Fixtures of these tests: a configured server and a client that is logged in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.doubles.fakes import HandClock
from tests.doubles.infisical import Planted
from tests.doubles.infisical.client import Bare


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def server(clock: HandClock) -> Iterator[Planted]:
    with Planted(clock=clock, tls=False) as started:
        yield started


@pytest.fixture
def client(server: Planted) -> Iterator[Bare]:
    with Bare(server) as made:
        made.log_in()
        yield made
