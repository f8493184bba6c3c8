"""Fixtures of these tests: the ACME double, and an issuer of it that never sleeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.doubles.acme import AcmeBench
from tests.doubles.acme_server import AcmeServer
from tests.doubles.fakes import HandClock

Benches = Callable[..., AcmeBench]


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def server(clock: HandClock) -> Iterator[AcmeServer]:
    with AcmeServer(clock) as started:
        yield started


@pytest.fixture
def benches(clock: HandClock) -> Iterator[Benches]:
    """Return a function that makes the issuer of a server, with its own accounts and answers."""
    made: list[AcmeBench] = []

    def make(server: AcmeServer, **settings: Any) -> AcmeBench:
        bench = AcmeBench(clock=clock, **{"directory": server.directory, "email": "ops@example.com", **settings})
        server.use(bench.answers)
        made.append(bench)
        return bench

    yield make
    for bench in made:
        bench.close()


@pytest.fixture
def bench(server: AcmeServer, benches: Benches) -> AcmeBench:
    return benches(server)
