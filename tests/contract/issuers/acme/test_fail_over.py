"""Two CAs for one certificate, through whole runs: the first one is down, slow, limiting, or refuses the name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta

import pytest

from evercert.contracts.issuer import OpenIssuer
from evercert.issuance.candidates import REQUEST_LASTS
from tests.doubles.acme import AcmeBench
from tests.doubles.acme_server import AcmeServer
from tests.doubles.acme_server.answers import problem
from tests.doubles.fakes import START, Bench, spec

NAME = "www.example.com"


@dataclass
class TwoCAs:
    """A certificate of the issuers `first` and `second`, each with a server and an account of its own."""

    core: Bench
    servers: tuple[AcmeServer, AcmeServer]
    benches: tuple[AcmeBench, AcmeBench]

    def settle(self, runs: int = 60) -> list[str]:
        """Run at each due time until the certificate is delivered or stopped; return the outcomes."""
        outcomes: list[str] = []
        while len(outcomes) < runs:
            outcomes.append(self.core.run())
            record = self.core.record()
            if record.state in ("ready", "stopped"):
                return outcomes
            self.core.clock.now = max(self.core.clock(), record.due_at)
        raise AssertionError(outcomes)

    @property
    def issued(self) -> tuple[int, int]:
        """How many certificates each CA has issued."""
        first, second = (len(server.issued) for server in self.servers)
        return first, second


@pytest.fixture
def cas() -> Iterator[TwoCAs]:
    core = Bench()
    with ExitStack() as stack:
        servers = [stack.enter_context(AcmeServer(core.clock)) for _ in range(2)]
        benches = [AcmeBench(clock=core.clock, directory=server.directory) for server in servers]
        for number, (server, bench) in enumerate(zip(servers, benches, strict=True)):
            server.use(bench.answers)
            stack.callback(bench.close)
            core.issuers.known[("first", "second")[number]] = OpenIssuer(bench.issuer, f"hash-{number}")
        core.want(spec(issuers=["first", "second"], attributes={"alt-names": [NAME]}))
        yield TwoCAs(core, (servers[0], servers[1]), (benches[0], benches[1]))


def require_second(cas: TwoCAs) -> None:
    """The second CA issued, once; nothing of the attempt at the first is left."""
    assert cas.issued == (0, 1)
    assert [len(server.accounts) for server in cas.servers] in ([0, 1], [1, 1])
    assert [bench.answers.left for bench in cas.benches] == [[], []]
    assert [outcome.issuer for outcome in cas.core.announcer.announced][-1] == "second"
    assert cas.core.record().issuer_hash == "hash-1"


def test_working_ca_is_the_only_one_asked(cas: TwoCAs) -> None:
    cas.settle()
    assert cas.issued == (1, 0)
    assert cas.servers[1].accounts == []


@pytest.mark.parametrize("on", ["directory", "newNonce", "newAccount", "newOrder"])
def test_ca_that_is_down_is_passed_over(cas: TwoCAs, on: str) -> None:
    cas.servers[0].faults.answer(on, (503, {}, b"maintenance"), times=1_000)
    assert cas.settle()[-1] == "certificate.issued"
    require_second(cas)


def test_ca_that_breaks_down_after_the_order_is_asked_again(cas: TwoCAs) -> None:
    cas.servers[0].faults.answer("authorization", (503, {}, b"maintenance"), times=1_000)
    outcomes = cas.settle()
    assert (outcomes[0], outcomes[-1]) == ("certificate.failed", "certificate.issued")
    require_second(cas)


def test_slow_ca_is_passed_over_after_an_hour(cas: TwoCAs) -> None:
    cas.servers[0].faults.processing_challenges = 1_000_000
    assert cas.settle()[-1] == "certificate.issued"
    require_second(cas)
    assert cas.core.clock() - START < REQUEST_LASTS + timedelta(minutes=20)


def test_limit_of_hours_is_not_waited_for(cas: TwoCAs) -> None:
    cas.servers[0].faults.answer("newOrder", problem("rateLimited", "too many orders", 429, {"Retry-After": "10800"}))
    assert cas.settle()[-1] == "certificate.issued"
    require_second(cas)
    assert cas.core.clock() - START < timedelta(minutes=10)


def test_limit_of_a_minute_is_waited_for(cas: TwoCAs) -> None:
    cas.servers[0].faults.answer("newOrder", problem("rateLimited", "too many orders", 429, {"Retry-After": "60"}))
    cas.settle()
    assert cas.issued == (1, 0)


@pytest.mark.parametrize("kind", ["rejectedIdentifier", "caa"])
def test_refused_name_stops_without_the_second_ca(cas: TwoCAs, kind: str) -> None:
    cas.servers[0].faults.refused = {NAME: (kind, "policy forbids the name")}
    assert cas.settle() == ["certificate.failed"]
    assert cas.issued == (0, 0)
    assert cas.servers[1].accounts == []


def test_refused_key_is_asked_of_the_second_ca(cas: TwoCAs) -> None:
    cas.servers[0].faults.failing_orders = ("badCSR", "P-256 is not accepted")
    cas.settle()
    require_second(cas)


def test_wrong_external_account_is_passed_over(cas: TwoCAs) -> None:
    cas.servers[0].faults.answer("newAccount", problem("externalAccountRequired", "EAB required", 403), times=1_000)
    cas.settle()
    require_second(cas)


def test_renewal_returns_to_the_first_ca(cas: TwoCAs) -> None:
    cas.servers[0].faults.answer("newOrder", (503, {}, b"maintenance"), times=4)
    cas.settle()
    cas.core.clock.now = cas.core.record().renew_at
    assert cas.settle()[-1] == "certificate.renewed"
    assert cas.issued == (1, 1)
