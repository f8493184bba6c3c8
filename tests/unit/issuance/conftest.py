"""Fixtures of the tests of runs; some files define their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from evercert.contracts.issuer import OpenIssuer
from tests.doubles.fakes import Bench
from tests.doubles.scripted_ca import ScriptedCA, ScriptedIssuer
from tests.unit.issuance.helpers import SELF_SIGNED
from tests.unit.issuance.several_issuers import Turns, listed


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.issuers.known["main"] = SELF_SIGNED
    return bench


@pytest.fixture
def ca(bench: Bench) -> Iterator[ScriptedCA]:
    """Make the scripted CA the issuer `main`."""
    ca = ScriptedCA()
    ScriptedIssuer.transport = ca.transport()
    settings = ScriptedIssuer.Settings(address="https://ca.example")
    bench.issuers.known["main"] = OpenIssuer(ScriptedIssuer(settings), "scripted")
    yield ca
    ScriptedIssuer.transport = None


@pytest.fixture
def issuers(bench: Bench, ca: ScriptedCA) -> tuple[Turns, Turns]:
    """Want a certificate of two issuers, both before the scripted CA."""
    inner = bench.issuers.known["main"].issuer
    assert isinstance(inner, ScriptedIssuer)
    first, second = Turns(inner), Turns(inner)
    bench.issuers.known = {"first": OpenIssuer(first, "hash-1"), "second": OpenIssuer(second, "hash-2")}
    bench.want(listed())
    return first, second
