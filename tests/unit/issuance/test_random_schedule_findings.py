"""Regressions found by random schedules, shrunk."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evercert.contracts.issuer import OpenIssuer
from evercert.contracts.ports import Changes, ClaimedRecord
from evercert.errors import EvercertError, Misconfigured, Rejected, Unavailable
from evercert.issuance.run import Issuance
from evercert.issuers.self_signed import SelfSigned
from tests.doubles.fakes import LEASE, Bench, FakeTable, spec


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.issuers.known["main"] = OpenIssuer(SelfSigned(SelfSigned.Settings()), "self-signed")
    return bench


class Forgetful:
    """A table that loses the response when a delivery is stored."""

    def __init__(self, table: FakeTable, error: EvercertError) -> None:
        self._table, self._error = table, error

    def __getattr__(self, method: str) -> object:
        return getattr(self._table, method)

    def update(self, held: ClaimedRecord, changes: Changes) -> None:
        if "deliveries" in changes:
            raise self._error
        self._table.update(held, changes)


@pytest.mark.parametrize(
    "error", [Unavailable("no answer"), Misconfigured("no permission")], ids=lambda error: error.kind
)
def test_table_error_is_not_blamed_on_destination(bench: Bench, error: EvercertError) -> None:
    bench.want(spec(to=("here", "there")))
    ports = replace(bench.ports, records=Forgetful(bench.table, error))
    assert Issuance(ports, LEASE).run("web").outcome == "certificate.issued"
    (outcome,) = bench.announcer.announced
    assert "undelivered" not in outcome.data
    assert len(outcome.data["locations"]) == 2
    record = bench.record()
    assert (record.state, record.pending, record.failures) == ("ready", None, 0)
    assert record.delivered(1)


def test_refusing_seal_keeps_issued_certificate(bench: Bench) -> None:
    """A refusal of KMS after the chain was stored is not a refusal of the issuer."""
    bench.want(spec(to=("here",)))
    bench.destinations.open(spec().destinations[0], "web").errors = [Unavailable("busy")]
    assert bench.run() == "certificate.failed"
    bench.clock.now = bench.record().retry_at
    bench.seal.error = Rejected("KMS refuses")
    assert bench.run() == "certificate.failed"
    assert bench.record().pending is not None
    bench.seal.error = None
    bench.clock.now = bench.record().retry_at
    assert bench.run() == "certificate.issued"
    assert bench.record().facts.revision == 1
