"""What random schedules found, each cut down to the steps that matter."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evercert.errors import EvercertError, Misconfigured, Unavailable
from evercert.issuance import Issuance
from evercert.issuers.self_signed import SelfSigned
from evercert.ports import Changes, Held, OpenIssuer
from tests.fakes import LEASE, Bench, FakeTable, spec


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.issuers.known["main"] = OpenIssuer(SelfSigned(SelfSigned.Settings()), "self-signed")
    return bench


class Forgetful:
    """The table, whose answer is lost when a delivery is written down."""

    def __init__(self, table: FakeTable, error: EvercertError) -> None:
        self._table, self._error = table, error

    def __getattr__(self, method: str) -> object:
        return getattr(self._table, method)

    def update(self, held: Held, changes: Changes) -> None:
        if "deliveries" in changes:
            raise self._error
        self._table.update(held, changes)


@pytest.mark.parametrize(
    "error", [Unavailable("no answer"), Misconfigured("no permission")], ids=lambda error: error.kind
)
def test_trouble_with_the_table_is_not_told_of_a_destination_that_took_it(bench: Bench, error: EvercertError) -> None:
    bench.want(spec(to=("here", "there")))
    ports = replace(bench.ports, inventory=Forgetful(bench.table, error))
    assert Issuance(ports, LEASE).run("web").outcome == "certificate.issued"
    (outcome,) = bench.announcer.announced
    assert "undelivered" not in outcome.data
    assert len(outcome.data["locations"]) == 2
    record = bench.record()
    assert (record.state, record.pending, record.failures) == ("ready", None, 0)
    assert record.delivered(1)
