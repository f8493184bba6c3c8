"""CAs that know the names already: no challenge is solved."""

from __future__ import annotations

import pytest

from evercert.errors import Rejected
from tests.contract.issuers.acme.conftest import Benches
from tests.doubles.acme_server import AcmeServer

NAMES = ("www.example.com", "*.example.com")


def test_known_names_need_no_challenge(server: AcmeServer, benches: Benches) -> None:
    server.faults.proven = {"www.example.com", "example.com", "*.example.com"}
    bench = benches(server, solvers=[{"type": "none"}])
    bench.finish(bench.request(*NAMES))
    assert (server.requests("challenge"), bench.answers.left) == ([], [])


def test_unknown_name_is_refused_with_the_challenges_of_the_ca(server: AcmeServer, benches: Benches) -> None:
    server.faults.proven = {"www.example.com"}
    bench = benches(server, solvers=[{"type": "none"}])
    with pytest.raises(Rejected, match=r"does not offer none for other\.example\.com \(it offers dns-01, http-01"):
        bench.finish(bench.request("www.example.com", "other.example.com"))
    assert server.issued == []


def test_other_solver_can_be_chosen_for_some_names(server: AcmeServer, benches: Benches) -> None:
    server.faults.proven = {"www.example.com"}
    bench = benches(server, solvers=[{"type": "none"}, {"type": "http-01", "names": ["other.example.com"]}])
    bench.finish(bench.request("www.example.com", "other.example.com"))
    assert len(server.issued) == 1
