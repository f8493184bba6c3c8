"""Renewal information, and orders that replace a certificate (RFC 9773), with every refusal of a CA."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from evercert.contracts.issuer import Issued, Request
from evercert.contracts.record import Facts
from evercert.errors import Rejected, Throttled
from evercert.issuers.acme.renewal import LONGEST_INTERVAL, SHORTEST_INTERVAL, USUAL_INTERVAL
from tests.doubles.acme import AcmeBench
from tests.doubles.acme_server import AcmeServer
from tests.doubles.acme_server.answers import problem
from tests.doubles.fakes import HandClock

NAME = "www.example.com"
HOUR = timedelta(hours=1)


def delivered(bench: AcmeBench, issued: Issued) -> Facts:
    return Facts.of(issued.chain, 1, bench.clock(), issued.reference)


def renewal(bench: AcmeBench, facts: Facts, *names: str) -> Request:
    return replace(bench.request(*(names or (NAME,))), previous=facts)


@pytest.fixture
def facts(bench: AcmeBench) -> Facts:
    return delivered(bench, bench.finish(bench.request(NAME)))


def replaced(server: AcmeServer) -> list[str | None]:
    """Return the member `replaces` of every newOrder request."""
    return [json.loads(seen.payload).get("replaces") for seen in server.requests("newOrder")]


# -- when -------------------------------------------------------------------------------------------------------------
def test_window_is_read_without_an_account(bench: AcmeBench, server: AcmeServer, facts: Facts) -> None:
    before = len(server.seen)
    advice = bench.issuer.advise(facts, bench.clock())
    assert facts.not_before < advice.window.start < advice.window.end < facts.not_after
    assert advice.again_at == bench.clock() + 6 * HOUR
    (seen,) = server.seen[before:]
    assert (seen.method, seen.payload) == ("GET", b"")


def test_window_of_an_incident_has_its_page(bench: AcmeBench, server: AcmeServer, facts: Facts) -> None:
    past = bench.clock() - HOUR, bench.clock() - HOUR / 2
    server.renewals.windows[facts.reference] = past
    window = bench.issuer.advise(facts, bench.clock()).window
    assert (window.start, window.end, window.explanation) == (*past, "https://ca.example.com/incident")


@pytest.mark.parametrize(
    ("sent", "waited"),
    [
        ("1", SHORTEST_INTERVAL),
        ("7200", 2 * HOUR),
        ("8640000", LONGEST_INTERVAL),
        ("soon", USUAL_INTERVAL),
        ("Thu, 15 Jan 2026 15:00:00 GMT", 3 * HOUR),
    ],
)
def test_retry_after_decides_when_to_ask_again(
    bench: AcmeBench, server: AcmeServer, clock: HandClock, facts: Facts, sent: str, waited: timedelta
) -> None:
    server.renewals.retry_after = sent
    clock.now = clock.now.replace(hour=12, minute=0, second=0, microsecond=0)
    assert bench.issuer.advise(facts, clock()).again_at - clock() == waited


@pytest.mark.parametrize(
    "answer",
    [
        problem("malformed", "no such certificate", 404),
        problem("serverInternal", "down", 500),
        (200, {"Content-Type": "text/html"}, b"<html>"),
        (200, {}, b'{"suggestedWindow": {"start": "2026-02-02T00:00:00Z", "end": "2026-02-01T00:00:00Z"}}'),
        (302, {"Location": "https://other.example"}, b""),
        None,
    ],
    ids=["unknown", "down", "html", "reversed", "redirect", "dropped"],
)
def test_failure_has_no_window_and_raises_nothing(bench: AcmeBench, server: AcmeServer, facts: Facts, answer) -> None:
    if answer is None:
        server.faults.drop("renewalInfo", times=20)
    else:
        server.faults.answer("renewalInfo", answer, times=20)
    advice = bench.issuer.advise(facts, bench.clock())
    assert (advice.window, advice.again_at >= bench.clock() + USUAL_INTERVAL - HOUR) == (None, True)


def test_server_without_renewal_info_gives_no_advice(bench: AcmeBench, server: AcmeServer, facts: Facts) -> None:
    server.faults.directory = lambda body: {name: value for name, value in body.items() if name != "renewalInfo"}
    bench.process()
    assert bench.issuer.advise(facts, bench.clock()) is None
    bench.finish(renewal(bench, facts))
    assert replaced(server) == [None, None]


def test_expired_certificate_is_not_asked_for(
    bench: AcmeBench, server: AcmeServer, clock: HandClock, facts: Facts
) -> None:
    clock.now = facts.not_after
    assert bench.issuer.advise(facts, clock()) is None
    assert server.requests("renewalInfo") == []


@pytest.mark.parametrize("reference", [None, "11111111-2222-4333-8444-555555555555", "a/../b.c", "a.b?c"])
def test_certificate_without_an_id_is_not_asked_for(
    bench: AcmeBench, server: AcmeServer, facts: Facts, reference
) -> None:
    other = facts.model_copy(update={"reference": reference})
    assert bench.issuer.advise(other, bench.clock()) is None
    bench.finish(renewal(bench, other))
    assert (server.requests("renewalInfo"), replaced(server)) == ([], [None, None])


# -- replaces ---------------------------------------------------------------------------------------------------------
def test_renewal_names_its_predecessor(bench: AcmeBench, server: AcmeServer, facts: Facts) -> None:
    bench.finish(renewal(bench, facts))
    assert replaced(server) == [None, facts.reference]


def test_replaced_certificate_is_renewed_without_it(bench: AcmeBench, server: AcmeServer, facts: Facts) -> None:
    """A failed order has taken its place."""
    server.renewals.stuck = True
    request = bench.step(renewal(bench, facts))
    server.expire_orders("gone")
    bench.finish(replace(request, handle=None))
    assert replaced(server) == [None, facts.reference, facts.reference, None]
    assert len(server.issued) == 2


def test_certificate_of_another_ca_is_renewed_without_it(bench: AcmeBench, server: AcmeServer, facts: Facts) -> None:
    foreign = facts.model_copy(update={"reference": "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"})
    bench.finish(renewal(bench, foreign))
    assert replaced(server)[-1] is None


def test_certificate_of_another_account_is_renewed_without_it(
    bench: AcmeBench, server: AcmeServer, facts: Facts
) -> None:
    bench.accounts.accounts.clear()
    bench.process()
    bench.finish(renewal(bench, facts))
    assert replaced(server) == [None, facts.reference, None]


def test_refused_name_is_not_ordered_twice(bench: AcmeBench, server: AcmeServer, facts: Facts) -> None:
    server.faults.refused["other.example.com"] = ("rejectedIdentifier", "policy forbids it")
    with pytest.raises(Rejected):
        bench.finish(renewal(bench, facts, NAME, "other.example.com"))
    assert len(replaced(server)) == 2


def test_rate_limit_is_not_asked_twice(bench: AcmeBench, server: AcmeServer, facts: Facts) -> None:
    server.faults.answer("newOrder", problem("rateLimited", "too many", 403), times=5)
    with pytest.raises(Throttled):
        bench.finish(renewal(bench, facts))
    assert len(replaced(server)) == 2
