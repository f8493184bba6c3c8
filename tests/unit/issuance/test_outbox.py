"""Outbox: outcomes are published at least once, and remain due until then."""

from __future__ import annotations

from datetime import timedelta

from evercert.contracts.issuer import OpenIssuer
from evercert.errors import Unavailable
from evercert.issuance.outbox import announce_stored
from evercert.issuers.self_signed import SelfSigned
from tests.doubles.fakes import Bench, spec


def unannounced() -> tuple[Bench, str]:
    """A certificate whose event the topic refused, and the key of its outcome."""
    bench = Bench()
    bench.issuers.known["main"] = OpenIssuer(SelfSigned(SelfSigned.Settings()), "x")
    bench.announcer.error = Unavailable("throttled")
    bench.want(spec())
    bench.run()
    bench.announcer.error = None
    bench.clock.advance(minutes=2)
    (due,) = bench.table.due(bench.clock())
    return bench, due.key[1]


def late(bench: Bench, key: str) -> str:
    return announce_stored("web", key, bench.table, bench.announcer, bench.clock).outcome


def test_announce_stored_publishes_once() -> None:
    bench, key = unannounced()
    assert late(bench, key) == "announced"
    assert late(bench, key) == "already-announced"
    (event,) = bench.announcer.announced
    assert event.type == "certificate.issued"
    assert list(bench.table.due(bench.clock())) == []


def test_outcome_remains_due_while_topic_refuses() -> None:
    bench, key = unannounced()
    bench.announcer.error = Unavailable("still throttled")
    assert late(bench, key) == "unannounced"
    assert [due.key[1] for due in bench.table.due(bench.clock())] == [key]


def test_published_outcome_expires_after_400_days() -> None:
    bench, key = unannounced()
    item = bench.table.items["certificate#web", key]
    assert "expires_at" not in item
    late(bench, key)
    assert int(item["expires_at"]["N"]) == int((bench.clock() + timedelta(days=400)).timestamp())


def test_announce_stored_ignores_unknown_outcome() -> None:
    bench, _ = unannounced()
    assert late(bench, "outcome#unknown") == "already-announced"
