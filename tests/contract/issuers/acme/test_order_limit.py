"""The limit of new orders of an account: tokens of a bucket that all runs share, against a CA that counts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from evercert.contracts.issuer import OpenIssuer
from evercert.contracts.order_buckets import OrderLimit
from evercert.contracts.record import Facts, Record
from evercert.contracts.spec_store import Change
from evercert.errors import Busy, EvercertError, Misconfigured, NotYet, Throttled, Unavailable
from evercert.issuers.acme.order_tokens import TABLE_BUSY
from tests.contract.issuers.acme.conftest import Benches
from tests.doubles.acme import AcmeBench
from tests.doubles.acme_server import AcmeServer
from tests.doubles.acme_server.answers import problem
from tests.doubles.fakes import Bench, HandClock, spec

NAME = "www.example.com"
THREE = {"orders": {"at-most": 4, "per": "4m"}}  # the bucket has one token less
MINUTE = timedelta(minutes=1)


def put_off(bench: AcmeBench, name: str = NAME) -> NotYet:
    """Return the error of an order without a token."""
    with pytest.raises(NotYet) as raised:
        bench.step(bench.request(name))
    return raised.value


def test_order_takes_a_token(benches: Benches, server: AcmeServer) -> None:
    bench = benches(server, **THREE)
    for _ in range(3):
        bench.step(bench.request(NAME))
    later = put_off(bench)
    assert later.until == bench.clock() + MINUTE
    assert str(later) == f"the account at {server.directory} has used up its orders; waiting for the next one"
    assert len(server.requests("newOrder")) == 3


def test_waiting_orders_do_not_come_back_together(benches: Benches, server: AcmeServer) -> None:
    bench = benches(server, **THREE)
    for _ in range(3):
        bench.step(bench.request(NAME))
    assert [put_off(bench).until - bench.clock() for _ in range(4)] == [n * MINUTE for n in (1, 2, 3, 4)]


def test_token_is_there_at_the_stored_time(benches: Benches, server: AcmeServer, clock: HandClock) -> None:
    bench = benches(server, **THREE)
    for _ in range(3):
        bench.step(bench.request(NAME))
    clock.now = put_off(bench).until
    bench.finish(bench.request(NAME))
    assert len(server.issued) == 1


def test_issuers_of_one_account_share_the_bucket(benches: Benches, server: AcmeServer) -> None:
    first, second = benches(server, **THREE), benches(server, **THREE, profile="classic")
    second.buckets = first.buckets
    second.process()
    for _ in range(3):
        first.step(first.request(NAME))
    put_off(second)


def test_other_accounts_do_not_wait(benches: Benches, server: AcmeServer) -> None:
    first, second = benches(server, **THREE), benches(server, **THREE, **{"account-key": "EC_secp384r1"})
    second.buckets = first.buckets
    second.process()
    for _ in range(3):
        first.step(first.request(NAME))
    put_off(first)
    second.finish(second.request(NAME))


def test_issuer_without_a_limit_takes_no_token(bench: AcmeBench) -> None:
    bench.finish(bench.request(NAME))
    assert bench.buckets.full_at == {}


def test_lets_encrypt_has_a_limit() -> None:
    define = AcmeBench.define
    url = "https://acme-v02.api.letsencrypt.org/directory"
    assert define(directory=url).order_limit == OrderLimit(299, timedelta(seconds=36))
    assert define(directory=url, **THREE).order_limit == OrderLimit(3, MINUTE)
    assert define(directory="https://acme-staging-v02.api.letsencrypt.org/directory").order_limit is None
    assert define(directory="https://ca.example/d", orders={"at-most": 1, "per": "1h"}).order_limit == OrderLimit(
        1, timedelta(hours=1)
    )


# -- replacements -----------------------------------------------------------------------------------------------------
def renewed(bench: AcmeBench) -> Callable[[], None]:
    """Return a function that places an order for a renewal."""
    issued = bench.finish(bench.request(NAME))
    facts = Facts.of(issued.chain, 1, bench.clock(), issued.reference)
    return lambda: bench.finish(replace(bench.request(NAME), previous=facts)) and None


def test_replacement_takes_no_token(benches: Benches, server: AcmeServer) -> None:
    bench = benches(server, **THREE)
    renew = renewed(bench)
    for _ in range(2):
        bench.step(bench.request("a.example.com"))
    renew()
    put_off(bench)
    assert [json.loads(seen.payload).get("replaces") is None for seen in server.requests("newOrder")] == [
        True, True, True, False,
    ]  # fmt: skip


def test_replacement_that_is_refused_takes_a_token(benches: Benches, server: AcmeServer) -> None:
    """Without `replaces` it is an order like any other."""
    bench = benches(server, **THREE)
    renew = renewed(bench)
    for _ in range(2):
        bench.step(bench.request("a.example.com"))
    server.faults.answer("newOrder", problem("alreadyReplaced", "the predecessor was replaced", 409), times=9)
    with pytest.raises(NotYet, match="has used up its orders"):
        renew()
    assert len(server.requests("newOrder")) == 4


# -- failures ---------------------------------------------------------------------------------------------------------
def test_name_that_no_solver_proves_takes_no_token(benches: Benches, server: AcmeServer) -> None:
    bench = benches(server, **THREE)
    assert "choose a DNS solver" in str(bench.refusal("*.example.com"))
    assert bench.buckets.full_at == {}


def test_order_whose_answer_was_lost_takes_another_token(benches: Benches, server: AcmeServer) -> None:
    bench = benches(server, **THREE, retry={"max-retries": 0})
    server.faults.drop("newOrder")
    with pytest.raises(Unavailable):
        bench.step(bench.request(NAME))
    bench.step(bench.request(NAME))
    (full_at,) = bench.buckets.full_at.values()
    assert MINUTE < full_at - bench.clock() <= 2 * MINUTE


class BrokenBuckets:
    """A table that fails."""

    def __init__(self, error: EvercertError) -> None:
        self.error = error

    def take(self, *_: object) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "kind"),
    [(Unavailable("down"), Busy), (Busy("locked"), Busy), (Misconfigured("denied"), Misconfigured)],
    ids=["unavailable", "busy", "denied"],
)
def test_failing_table_is_no_outage_of_the_ca(
    benches: Benches, server: AcmeServer, error: EvercertError, kind: type[EvercertError]
) -> None:
    bench = benches(server, **THREE)
    bench.buckets = BrokenBuckets(error)  # type: ignore[assignment]
    bench.process()
    with pytest.raises(EvercertError) as raised:
        bench.step(bench.request(NAME))
    assert type(raised.value) is kind
    assert server.requests("newOrder") == []


def test_throttled_table_does_not_slow_the_ca(benches: Benches, server: AcmeServer) -> None:
    bench = benches(server, **THREE)
    bench.buckets = BrokenBuckets(Throttled("slow down"))  # type: ignore[assignment]
    bench.process()
    assert put_off(bench).until == bench.clock() + TABLE_BUSY


# -- many certificates ------------------------------------------------------------------------------------------------
CERTIFICATES = 220


@pytest.fixture
def runs() -> Bench:
    return Bench()


@pytest.fixture
def clock(runs: Bench) -> HandClock:
    return runs.clock


def test_many_certificates_due_at_once_stay_below_the_limit(server: AcmeServer, benches: Benches, runs: Bench) -> None:
    """No order is refused by a CA that counts, all are issued, and each needs few messages."""
    server.faults.order_limit = 50, timedelta(minutes=30)
    bench = benches(server, orders={"at-most": 50, "per": "30m"})
    runs.issuers.known["main"] = OpenIssuer(bench.issuer, "hash")
    names = [f"c{number}" for number in range(CERTIFICATES)]
    server.faults.proven = {f"{name}.example.com" for name in names}
    for name in names:
        wanted = spec(name, attributes={"alt-names": [f"{name}.example.com"]})
        runs.table.write([Change(Record(name=name, uid=str(uuid4()), spec=wanted, generation=1), None)], runs.clock())
    messages: Counter[str] = Counter()
    start = runs.clock()
    for _ in range(CERTIFICATES):
        records = [runs.record(name) for name in names]
        open_ones = [record for record in records if record.facts is None]
        for record in open_ones:
            if record.due_at is not None and record.due_at <= runs.clock():
                messages[record.name] += 1
                runs.run(record.name)
        if not open_ones:
            break
        runs.clock.now += MINUTE
    assert len(server.issued) == len(server.requests("newOrder")) == CERTIFICATES
    assert {seen.status for seen in server.requests("newOrder")} == {201}
    assert max(messages.values()) <= 4 and sum(messages.values()) <= 3 * CERTIFICATES
    # 49 at once, then one each 36 seconds
    assert runs.clock() - start <= timedelta(seconds=36) * (CERTIFICATES - 49) + 10 * MINUTE
    assert runs.breakers.known == {}


def test_runs_at_once_stay_below_the_limit(server: AcmeServer, benches: Benches) -> None:
    server.faults.order_limit = 10, timedelta(hours=1)
    bench = benches(server, orders={"at-most": 10, "per": "1h"})
    bench.step(bench.request(NAME))

    def place(number: int) -> bool:
        try:
            bench.issuer.issue(bench.request(f"c{number}.example.com"))
        except NotYet:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        placed = list(threads.map(place, range(24)))
    assert placed.count(True) == 8
    assert {seen.status for seen in server.requests("newOrder")} == {201}
