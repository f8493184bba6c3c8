"""Orders, names, tokens and limits that a CA shares between certificates, or must not choose."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from evercert.contracts.issuer import Issued, Request
from evercert.errors import Busy, Misconfigured, NotProven, NotYet, Throttled, Unavailable
from evercert.issuers.acme.challenges import SOLVER_BUSY
from evercert.solvers import SOLVERS
from tests.contract.issuers.acme.conftest import Benches
from tests.doubles.acme import AcmeBench
from tests.doubles.acme_server import AcmeServer
from tests.doubles.acme_server.answers import problem
from tests.doubles.fakes import HandClock

NAME = "www.example.com"


# -- one order for two certificates ------------------------------------------------------------------------------------
def placed(bench: AcmeBench, algorithm: str) -> Request:
    request = bench.step(bench.request(NAME, algorithm=algorithm))
    assert isinstance(request, Request)
    return request


@pytest.fixture
def shared(bench: AcmeBench, server: AcmeServer) -> tuple[Request, Request]:
    """Return two requests for the same names with other keys, to which the CA has given one order."""
    server.faults.reuse_orders = True
    both = placed(bench, "RSA_2048"), placed(bench, "EC_prime256v1")
    assert len(server.orders) == 1
    return both


def test_shared_order_gives_each_request_its_certificate(
    bench: AcmeBench, server: AcmeServer, shared: tuple[Request, Request]
) -> None:
    first, second = (bench.finish(request) for request in shared)
    assert first.chain.leaf.public_key() != second.chain.leaf.public_key()
    assert (len(server.issued), len(server.orders), server.revoked) == (2, 2, set())
    assert bench.answers.left == []


def test_cancelled_request_leaves_the_certificate_of_the_other(
    bench: AcmeBench, server: AcmeServer, shared: tuple[Request, Request]
) -> None:
    first, second = shared
    bench.finish(first)
    bench.issuer.cancel(str(second.handle))
    assert server.revoked == set()


def test_cancelled_request_revokes_its_own_certificate(bench: AcmeBench, server: AcmeServer) -> None:
    issued = bench.finish(bench.request(NAME))
    bench.issuer.cancel(str(issued.handle))
    assert server.revoked == {issued.chain.leaf.serial_number}


# -- what a CA must not choose -----------------------------------------------------------------------------------------
def rewritten(kind: str, old: bytes, new: bytes) -> Callable[[str, bytes], bytes]:
    return lambda found, body: body.replace(old, new) if found == kind else body


def test_name_that_was_not_ordered_is_refused(bench: AcmeBench, server: AcmeServer) -> None:
    server.faults.rewrite = rewritten("authorization", NAME.encode(), b"www.bank.example")
    with pytest.raises(Misconfigured, match=r"control of www\.bank\.example, which was not ordered"):
        bench.finish(bench.request(NAME))
    assert bench.answers.answers == {}


@pytest.mark.parametrize("token", ["short", "../../../../../../../etc/passwd", "a" * 300, "ä" * 30])
def test_invalid_token_is_published_by_no_solver(
    server: AcmeServer, benches: Benches, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setitem(SOLVERS.entries, "fake-dns", "tests.doubles.acme:FakeDNS")
    bench = benches(server, solvers=[{"type": "fake-dns"}])
    request = bench.step(bench.request(NAME))
    for entry in server.orders[0].authorizations[0].challenges:
        entry.token = token
    with pytest.raises(Unavailable, match=f"the CA sent an invalid token for {NAME}"):
        bench.step(request)
    assert bench.answers.left == []


def test_order_that_stays_pending_names_the_failed_name(bench: AcmeBench, server: AcmeServer) -> None:
    """step-ca leaves the order and the authorization pending."""
    server.faults.failing = {NAME: ("unauthorized", "wrong answer")}
    server.faults.rewrite = rewritten("order", b'"status": "invalid"', b'"status": "pending"')
    with pytest.raises(NotProven, match=f"{NAME}: unauthorized: wrong answer"):
        bench.finish(bench.request(NAME))
    assert bench.answers.left == []


# -- a solver is not the CA --------------------------------------------------------------------------------------------
def test_throttled_solver_is_asked_later(bench: AcmeBench, clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> None:
    def throttled(*_: object) -> None:
        raise Throttled("Route 53 receives too many requests")

    monkeypatch.setattr(bench.answers, "put", throttled)
    with pytest.raises(NotYet, match="too many requests") as later:
        bench.finish(bench.request(NAME))
    assert later.value.until == clock() + SOLVER_BUSY


def test_broken_solver_is_no_outage_of_the_ca(bench: AcmeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise Unavailable("the DNS does not answer")

    monkeypatch.setattr(bench.answers, "put", broken)
    with pytest.raises(Busy, match="the DNS does not answer"):
        bench.finish(bench.request(NAME))


def test_answers_are_published_after_the_challenges_are_stored(bench: AcmeBench) -> None:
    """A run that dies in between leaves nothing that no handle names."""
    request = bench.request(NAME)
    for _ in range(2):
        answer = bench.step(request)
        assert not isinstance(answer, Issued)
        request = answer
        assert bench.answers.left == []
    bench.step(request)
    assert len(bench.answers.left) == 1
    bench.issuer.cancel(str(request.handle))
    assert bench.answers.left == []


def test_long_limit_of_an_order_is_no_throttle(bench: AcmeBench, server: AcmeServer, clock: HandClock) -> None:
    server.faults.answer("newOrder", problem("rateLimited", "too many orders", 429, {"Retry-After": "10800"}), times=9)
    with pytest.raises(NotYet, match="too many orders") as later:
        bench.finish(bench.request(NAME))
    assert later.value.until == clock() + timedelta(hours=3)
