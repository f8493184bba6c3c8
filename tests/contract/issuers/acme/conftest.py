"""Fixtures of these tests: the ACME double, and an issuer of it that never sleeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.doubles.acme import AcmeBench
from tests.doubles.acme import clock as real_clock
from tests.doubles.acme_server import AcmeServer
from tests.doubles.authority.server import Authority
from tests.doubles.fakes import HandClock
from tests.doubles.own_server import Bench

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


@pytest.fixture
def own_server() -> Iterator[Authority]:
    with Authority(clock=real_clock) as server:
        yield server


@pytest.fixture
def own_bench(own_server: Authority) -> Iterator[Bench]:
    with closing(Bench(own_server, {})) as bench:
        yield bench
