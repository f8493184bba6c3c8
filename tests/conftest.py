"""Fixtures for all tests; the emulator starts once, and only for the tests that use it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.doubles.world import World
from tests.iam import operations, recorded, recorder
from tests.iam.judge import missing_permissions
from tests.iam.live import RECORDED, live
from tests.tools.local_stack import Emulator, emulator
from tests.tools.moto_server import moto
from tests.tools.peers import REFUSED, REQUIRED

# A busy machine generates inputs slowly, and a timed check says nothing about the code.
settings.register_profile("evercert", suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("evercert")
recorder.install()

SERVERS = {"ministack": emulator, "moto": moto}


@pytest.fixture(autouse=True)
def _no_credentials_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests away from AWS: remove the developer's credentials."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "EVERCERT_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(autouse=True)
def _permissions(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that makes an AWS call without a permission of the template (tests/iam/judge.py).

    Fail it also if a function calls an operation that the dependency layer lacks, or gives one wrong parameters, which
    its clients do not check (tests/iam/operations.py).
    """
    live.begin(request.node.nodeid)
    yield
    called, wrong = live.operations(), live.invalid()
    judged, needs = live.drain()
    if request.node.nodeid.startswith(RECORDED):
        recorded.compare(needs)
    operations.compare(called)
    if wrong:
        pytest.fail(f"a function gives parameters that botocore refuses: {', '.join(sorted(wrong))}", pytrace=False)
    if found := missing_permissions(judged):
        pytest.fail("\n".join(found), pytrace=False)


@pytest.fixture(scope="session")
def running(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    """Start an emulator with nothing deployed on it."""
    with SERVERS[request.config.getoption("--aws")]() as started:
        yield started


@pytest.fixture(scope="session")
def shared_world(running: Emulator) -> World:
    return World(running)


@pytest.fixture
def world(shared_world: World) -> World:
    """Create new tables, queue and topic for each test; the clients are created once."""
    shared_world.fresh()
    return shared_world


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--aws", choices=list(SERVERS), default="ministack", help="the emulator of the contract tests")
    parser.addoption("--first-cases", action="store_true", help="with --aws moto: one case of each test function")
    parser.addoption("--every", type=int, default=8, help="run every N-th point of the long tests; 1 runs all")


@pytest.fixture
def every(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--every"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose peer program is missing; fail it where peers are required (`make peers` in CI)."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for marker in item.iter_markers("peer"):
        program = marker.args[0]
        if shutil.which(program, path=path) is None:
            (pytest.fail if REQUIRED and program not in REFUSED else pytest.skip)(f"{program} is not installed")
