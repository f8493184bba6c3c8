"""Pitfalls of orders, authorizations and certificates of an ACME server (RFC 8555 §7.4, §7.5)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from itertools import pairwise
from typing import Literal

import pytest

from evercert.contracts.issuer import Issued, Request
from evercert.errors import GaveUp, Misconfigured, NotProven, Rejected, Unavailable, Unsuited
from evercert.issuers.acme.progress import MOST_RESTARTS
from evercert.pki.certificate import mismatches
from evercert.pki.csr_parser import public_key_of
from evercert.pki.keys import public_bytes
from evercert.solvers import SOLVERS
from tests.contract.issuers.acme.conftest import Benches
from tests.doubles.acme import PROPAGATION, AcmeBench
from tests.doubles.acme_server import AcmeServer
from tests.doubles.acme_server import certificate_answers as junk
from tests.doubles.acme_server.answers import problem, reply
from tests.doubles.fakes import START, HandClock

NAME = "www.example.com"
NAMES = ("a.example.com", "b.example.com")
MANY = tuple(f"n{number}.example.com" for number in range(12))


def matches(request: Request, issued: Issued) -> bool:
    assert request.csr is not None
    key = public_bytes(public_key_of(request.csr))
    return not mismatches(issued.chain, request.spec.attributes, key, profiled=True)


def placed(bench: AcmeBench, *names: str, steps: int = 1) -> Request:
    """Return the request after some steps: 1 places the order, 2 presents its answers, 3 has them validated."""
    request: Issued | Request = bench.request(*names)
    for _ in range(steps):
        assert isinstance(request, Request)
        request = bench.step(request)
    assert isinstance(request, Request)
    return request


# -- the order and its URL -------------------------------------------------------------------------------------------


def test_order_is_issued_for_its_names(bench: AcmeBench, server: AcmeServer) -> None:
    request = bench.request(*NAMES)
    assert matches(request, bench.finish(request))
    assert bench.waits == [timedelta(0)] * len(bench.waits)  # a fast CA needs no waiting at all


def test_order_url_is_that_of_new_order(bench: AcmeBench, server: AcmeServer) -> None:
    server.faults.finalize_without_location = True
    server.faults.processing_orders = 3
    bench.finish(bench.request(NAME))
    assert {seen.url for seen in server.requests("order")} == {server.orders[0].url}


def test_order_without_location_is_an_outage(bench: AcmeBench, server: AcmeServer) -> None:
    order = {"status": "pending", "finalize": f"{server.address}/f", "authorizations": []}
    server.faults.answer("newOrder", reply(order, 201))
    assert "answered without the URL of the order" in str(bench.refusal(NAME))


def test_ready_order_is_finalized_at_once(bench: AcmeBench, server: AcmeServer) -> None:
    server.faults.proven = set(NAMES)
    bench.finish(bench.request(*NAMES))
    assert server.requests("authorization") == server.requests("challenge") == []


def test_processing_order_is_polled(bench: AcmeBench, server: AcmeServer) -> None:
    server.faults.processing_orders = 4
    bench.finish(bench.request(NAME))
    assert len(server.requests("finalize")) == 1
    assert [wait.total_seconds() for wait in bench.waits if wait] == [0.25, 0.5, 1, 1]


def test_order_that_is_not_ready_yet_is_read_again(bench: AcmeBench, server: AcmeServer) -> None:
    server.faults.late_finalize = 2
    bench.finish(bench.request(NAME))
    assert [seen.status for seen in server.requests("finalize")] == [403, 403, 200]
    assert sum(bench.waits, timedelta(0)) >= timedelta(seconds=0.5)


def test_order_that_lags_behind_its_names_is_polled(bench: AcmeBench, server: AcmeServer) -> None:
    server.faults.late_ready = 3
    bench.finish(bench.request(*NAMES))
    assert len(server.requests("challenge")) == 2
    assert sum(bench.waits, timedelta(0)) >= timedelta(seconds=1)


def test_answer_that_is_still_ready_is_polled(bench: AcmeBench, server: AcmeServer) -> None:
    order = placed(bench, NAME, steps=3)
    answer = server.orders[0].body() | {"status": "ready"}
    server.faults.answer("finalize", reply(answer), after=True)
    bench.finish(order)
    assert len(server.requests("finalize")) == 1


def test_refused_csr_is_rejected_and_cleaned_up(bench: AcmeBench, server: AcmeServer) -> None:
    server.faults.answer("finalize", problem("badCSR", "Weak RSA key"))
    error = bench.refusal(*NAMES)
    assert type(error) is Unsuited
    assert "cannot finalize an order: the CA answered badCSR: Weak RSA key" in str(error)
    assert bench.answers.left == []


def test_certificate_key_is_not_the_account_key(bench: AcmeBench, server: AcmeServer) -> None:
    issued = bench.finish(bench.request(NAME))
    ((_, account),) = bench.accounts.accounts.items()
    assert public_bytes(issued.chain.public_key) not in account.sealed_key.encode()
    assert {seen.status for seen in server.requests("finalize")} == {200}  # the server refuses the account key


@pytest.mark.parametrize("authorizations", ["gone", "expired", "pending"])
@pytest.mark.parametrize("steps", [1, 2])
def test_expired_order_is_placed_again(
    bench: AcmeBench, server: AcmeServer, authorizations: Literal["gone", "expired", "pending"], steps: int
) -> None:
    request = placed(bench, *NAMES, steps=steps)
    server.expire_orders(authorizations)
    assert matches(request, bench.finish(request))
    assert (len(server.orders), len(server.issued), bench.answers.left) == (2, 1, [])


def test_deleted_order_is_placed_again(bench: AcmeBench, server: AcmeServer) -> None:
    request = placed(bench, *NAMES, steps=2)
    server.delete_orders()
    assert matches(request, bench.finish(request))
    assert (len(server.orders), len(server.issued), bench.answers.left) == (2, 1, [])


@pytest.mark.parametrize("lost", ["deleted", "expired"])
@pytest.mark.parametrize("steps", [1, 2])
def test_order_lost_again_and_again_is_given_up(bench: AcmeBench, server: AcmeServer, lost: str, steps: int) -> None:
    def lose() -> None:
        if lost == "deleted":
            server.delete_orders()
        else:
            server.expire_orders("expired")

    request: Issued | Request = placed(bench, NAME, steps=steps)
    for _ in range(MOST_RESTARTS):
        lose()
        for _ in range(steps + 1):  # notices the loss, and orders again
            assert isinstance(request, Request)
            request = bench.step(request)
    lose()
    assert isinstance(request, Request)
    words = "the CA no longer has the order" if lost == "deleted" else "the order expired"
    with pytest.raises(GaveUp, match=f"{words}, {MOST_RESTARTS + 1} times for one certificate"):
        bench.step(request)
    assert len(server.orders) == MOST_RESTARTS + 1
    assert (len(server.issued), bench.answers.left) == (0, [])


def test_interrupted_validation_is_resumed(bench: AcmeBench, server: AcmeServer) -> None:
    """A run died after the first of two challenges was answered."""
    request = placed(bench, *NAMES, steps=3)
    server.faults.answer("challenge", problem("serverInternal", "out of order", 500), times=0)
    server.faults.drop("challenge", times=9, after=True)
    with pytest.raises(Unavailable):
        bench.step(request)
    server.faults.instead.clear()
    bench.process()
    assert matches(request, bench.finish(request))


# -- authorizations and challenges -----------------------------------------------------------------------------------


def test_authorizations_are_matched_by_identifier(bench: AcmeBench, server: AcmeServer) -> None:
    server.faults.arrange = lambda urls: list(reversed(urls))
    server.faults.failing = {NAMES[0]: ("connection", "Timeout during connect")}
    error = bench.refusal(*NAMES)
    assert type(error) is NotProven
    assert f"control of 1 name(s): {NAMES[0]}: connection: Timeout during connect; check DNS" in str(error)


def test_valid_authorization_needs_no_answer(bench: AcmeBench, server: AcmeServer) -> None:
    server.faults.proven = {NAMES[1]}
    bench.finish(bench.request(*NAMES))
    assert [seen.url for seen in server.requests("challenge")] == [
        entry.url for entry in server.orders[0].authorizations[0].challenges if entry.type == "http-01"
    ]


def test_many_names_are_proven_in_steps(bench: AcmeBench, server: AcmeServer) -> None:
    request = bench.request(*MANY)
    assert matches(request, bench.finish(request))
    assert (len(server.requests("challenge")), bench.answers.left) == (12, [])


def test_wildcard_and_apex_have_two_values_at_one_name(
    server: AcmeServer, benches: Benches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SOLVERS.entries, "fake-dns", "tests.doubles.acme:FakeDNS")
    bench = benches(server, solvers=[{"type": "http-01"}, {"type": "fake-dns", "zones": ["example.com"]}])
    request = placed(bench, "example.com", "*.example.com", steps=3)
    assert {name: len(texts) for name, texts in bench.answers.records.items()} == {"_acme-challenge.example.com": 2}
    assert matches(request, bench.finish(request))
    assert bench.answers.left == []
    assert PROPAGATION in bench.waits
    assert server.requests("challenge")[0].at >= START + PROPAGATION  # no look before the solver says so


def test_failed_wildcard_differs_from_its_apex(
    server: AcmeServer, benches: Benches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SOLVERS.entries, "fake-dns", "tests.doubles.acme:FakeDNS")
    server.faults.failing = {"*.example.com": ("dns", "SERVFAIL")}
    error = benches(server, solvers=[{"type": "fake-dns"}]).refusal("example.com", "*.example.com")
    assert "control of 1 name(s): *.example.com: dns: SERVFAIL;" in str(error)


def test_processing_challenge_is_polled(bench: AcmeBench, server: AcmeServer) -> None:
    server.faults.processing_challenges = 3
    bench.finish(bench.request(*NAMES))
    assert len(server.requests("challenge")) == 2
    assert [wait.total_seconds() for wait in bench.waits if wait] == [0.25, 0.5, 1]


@pytest.mark.parametrize("form", ["seconds", "date"])
@pytest.mark.parametrize("kind", ["challenge", "order", "finalize"])
def test_retry_after_is_obeyed(bench: AcmeBench, server: AcmeServer, kind: str, form: str) -> None:
    server.faults.processing_challenges = server.faults.processing_orders = 1
    until = START + timedelta(seconds=90)
    server.faults.retry_after = {kind: "90" if form == "seconds" else format_datetime(until, usegmt=True)}
    bench.finish(bench.request(NAME))
    polls = [
        (first, second)
        for first, second in pairwise(server.seen)
        if (first.kind, second.kind) == (kind, "order") and first.retry_after
    ]
    assert polls
    for first, second in polls:
        assert second.at >= (until if form == "date" else first.at + timedelta(seconds=90))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("86400", 900), ("0", 0.25), ("soon", 0.25), ("-5", 0.25), ("Thu, 01 Jan 2026 00:00:00 GMT", 0.25)],
)
def test_retry_after_is_clamped(bench: AcmeBench, server: AcmeServer, text: str, seconds: float) -> None:
    server.faults.processing_orders = 1
    server.faults.retry_after = {"finalize": text}
    bench.finish(bench.request(NAME))
    assert [wait.total_seconds() for wait in bench.waits if wait] == [seconds]


def test_answer_lasts_as_long_as_its_authorization(bench: AcmeBench, clock: HandClock) -> None:
    placed(bench, NAME, steps=3)
    assert list(bench.answers.expires.values()) == [START + timedelta(hours=1)]


@pytest.mark.parametrize("expires", [None, "9999-12-31T23:59:59Z", "tomorrow"])
def test_answer_of_an_endless_authorization_expires(bench: AcmeBench, server: AcmeServer, expires: str | None) -> None:
    request = placed(bench, NAME)
    body = server.orders[0].authorizations[0].body() | {"expires": expires}
    server.faults.answer("authorization", reply(body))
    bench.step(bench.step(request))
    ((_, found),) = bench.answers.expires.items()
    assert found <= START + timedelta(days=30)


def test_open_authorizations_of_a_failed_order_are_closed(bench: AcmeBench, server: AcmeServer) -> None:
    server.faults.failing = dict.fromkeys(MANY, ("unauthorized", "404"))
    error = bench.refusal(*MANY)
    assert type(error) is NotProven
    states = [entry.status for entry in server.orders[0].authorizations]
    assert sorted(states) == ["deactivated"] * 2 + ["invalid"] * 10  # ten are validated at once
    assert bench.answers.left == []


def test_missing_challenge_type_is_rejected(bench: AcmeBench, server: AcmeServer) -> None:
    server.faults.challenge_types = ("dns-01", "tls-alpn-01")
    error = bench.refusal(NAME)
    assert type(error) is Unsuited
    assert f"does not offer http-01 for {NAME} (it offers dns-01, tls-alpn-01); choose another solver" in str(error)


def test_answers_of_a_rejected_order_are_removed(bench: AcmeBench, server: AcmeServer) -> None:
    """The second authorization cannot be presented; the first one is published already."""
    request = placed(bench, *NAMES)
    second = server.orders[0].authorizations[1]
    second.challenges = [entry for entry in second.challenges if entry.type != "http-01"]
    with pytest.raises(Rejected, match="does not offer http-01"):
        bench.step(request)
    assert bench.answers.left == []


def test_cancelled_order_leaves_nothing_open(bench: AcmeBench, server: AcmeServer) -> None:
    request = placed(bench, *NAMES, steps=2)
    assert request.handle is not None
    for _ in range(2):
        bench.issuer.cancel(request.handle)
    assert [entry.status for entry in server.orders[0].authorizations] == ["deactivated"] * 2
    assert bench.answers.left == []


def test_cancelled_order_is_revoked_if_it_is_valid(bench: AcmeBench, server: AcmeServer) -> None:
    request = placed(bench, *NAMES, steps=4)
    following = bench.step(request)
    assert isinstance(following, Request) and following.handle is not None
    for handle in (request.handle, following.handle):
        bench.issuer.cancel(str(handle))
    assert server.revoked == {server.issued[0].serial_number}
    assert bench.answers.left == []


def test_answers_are_removed_though_revocation_fails(bench: AcmeBench, server: AcmeServer) -> None:
    request = placed(bench, *NAMES, steps=4)
    bench.step(request)
    server.faults.answer("revokeCert", problem("unauthorized", "no", 403))
    bench.answers.answers["another"] = "x"
    with pytest.raises(Misconfigured, match="cannot revoke"):
        bench.issuer.cancel(str(request.handle))
    assert bench.answers.left == ["another"]


# -- certificates ----------------------------------------------------------------------------------------------------


def chosen(benches: Benches, clock: HandClock, alternates: int, **settings: str) -> tuple[str, AcmeServer]:
    """Return the root that the chain leads to, of a server with several."""
    with AcmeServer(clock, alternates=alternates) as server:
        bench = benches(server, **settings)
        issued = bench.finish(bench.request(NAME))
    top = issued.chain.certificates[-1].issuer.rfc4514_string()
    return top.removeprefix("CN="), server


@pytest.mark.parametrize("wanted", [0, 1, 2])
def test_alternate_chain_is_chosen_by_its_root(benches: Benches, clock: HandClock, wanted: int) -> None:
    top, server = chosen(benches, clock, 2, **{"preferred-chain": f"Double Root {wanted}"})
    assert top == f"Double Root {wanted}"
    assert {seen.payload for seen in server.requests("certificate")} == {b""}
    assert len(server.requests("certificate")) == wanted + 1


def test_first_chain_is_taken_without_a_preferred_one(benches: Benches, clock: HandClock) -> None:
    assert chosen(benches, clock, 2, **{"preferred-chain": "Root of 1999"})[0] == "Double Root 0"
    top, server = chosen(benches, clock, 2)
    assert (top, len(server.requests("certificate"))) == ("Double Root 0", 1)


def test_alternate_chain_of_another_leaf_is_ignored(benches: Benches, clock: HandClock) -> None:
    with AcmeServer(clock, alternates=1) as server:
        bench = benches(server, **{"preferred-chain": "Double Root 1"})
        server.faults.certificate = lambda chain: (
            "".join(chain) if len(server.requests("certificate")) == 1 else junk.other_leaf(chain) + chain[1]
        )
        assert bench.finish(bench.request(NAME)).chain.leaf == server.issued[0]
        assert len(server.requests("certificate")) == 2


def test_handle_returns_the_same_certificate(bench: AcmeBench, server: AcmeServer) -> None:
    request = bench.request(NAME)
    issued = bench.finish(request)
    again = bench.finish(replace(request, handle=issued.handle))
    assert again.chain.leaf == issued.chain.leaf
    assert len(server.issued) == 1


def test_certificate_is_revoked_once(bench: AcmeBench, server: AcmeServer) -> None:
    issued = bench.finish(bench.request(NAME))
    for _ in range(2):
        bench.issuer.revoke(issued.chain, None)
    assert server.revoked == {issued.chain.leaf.serial_number}
