"""Fixtures for every level of test: the emulator is started once, and only for those who ask."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.doubles.world import World
from tests.tools.local_stack import Emulator, emulator


@pytest.fixture(autouse=True)
def _no_credentials_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test can reach AWS, whoever runs it."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "EVERCERT_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="session")
def running() -> Iterator[Emulator]:
    """An emulator with nothing deployed on it."""
    with emulator() as started:
        yield started


@pytest.fixture(scope="session")
def shared_world(running: Emulator) -> World:
    return World(running)


@pytest.fixture
def world(shared_world: World) -> World:
    """New tables, queue and topic for each test, on clients that are made once."""
    shared_world.fresh()
    return shared_world


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--every", type=int, default=8, help="of the matrix over Infisical, each how manieth point; 1: all"
    )


@pytest.fixture
def every(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--every"))
