"""CNAME lookups: chains of them, and real lookups at a name server on loopback."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import pytest

from evercert.deadline import Deadline
from evercert.errors import Misconfigured, OutOfTime, Unavailable
from evercert.solvers import cname_records
from evercert.solvers.cname_records import LIMIT, MOST_HOPS, TRIES, DNSRecords, end_of
from tests.doubles.fakes import START, HandClock
from tests.doubles.name_server import NameServer
from tests.doubles.route53 import FakeCNAMEs


# -- chains -----------------------------------------------------------------------------------------------------------
def chain(length: int) -> FakeCNAMEs:
    return FakeCNAMEs({f"n{number}": f"n{number + 1}" for number in range(length)})


@pytest.mark.parametrize("length", [0, 1, MOST_HOPS])
def test_end_is_the_name_without_a_cname(length: int) -> None:
    records = chain(length)
    assert end_of("n0", records) == f"n{length}"
    assert len(records.asked) == length + 1


def test_end_of_a_long_chain_is_misconfigured() -> None:
    records = chain(MOST_HOPS + 1)
    with pytest.raises(Misconfigured, match=r"form a loop or a chain of more than 8 .*; correct them$"):
        end_of("n0", records)
    assert len(records.asked) == MOST_HOPS + 1


@pytest.mark.parametrize("targets", [{"n0": "n0"}, {"n0": "n1", "n1": "n0"}, {"n0": "n1", "n1": "n1"}], ids=str)
def test_end_of_a_loop_is_misconfigured(targets: dict[str, str | None]) -> None:
    records = FakeCNAMEs(targets)
    with pytest.raises(Misconfigured, match="form a loop"):
        end_of("n0", records)
    assert len(records.asked) <= 2


# -- lookups ----------------------------------------------------------------------------------------------------------
@pytest.fixture
def server() -> Iterator[NameServer]:
    answers = {
        "a.example.": "_acme-challenge.B.example.net.", "none.example.": "NOERROR", "broken.example.": "SERVFAIL",
        "refused.example.": "REFUSED", "silent.example.": "silent", "garbage.example.": "garbage",
        "odd.example.": "a\\032b.example.net.",
    }  # fmt: skip
    with NameServer(answers) as started:
        yield started


def lookup(server: NameServer, name: str, deadline: Deadline | None = None) -> str | None:
    return DNSRecords(deadline, ["127.0.0.1"], server.port).target(name)


def test_target_is_in_lower_case_without_a_final_dot(server: NameServer) -> None:
    assert lookup(server, "a.example") == "_acme-challenge.b.example.net"
    assert server.asked == ["a.example. CNAME"]


def test_odd_target_is_escaped(server: NameServer) -> None:
    assert lookup(server, "odd.example") == "a\\032b.example.net"


@pytest.mark.parametrize("name", ["none.example", "missing.example"])
def test_target_is_none_without_a_cname(server: NameServer, name: str) -> None:
    assert lookup(server, name) is None
    assert len(server.asked) == 1


@pytest.mark.parametrize("name", ["broken.example", "refused.example", "silent.example", "garbage.example"])
def test_failed_lookup_is_unavailable(server: NameServer, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cname_records, "LIMIT", timedelta(milliseconds=300))
    with pytest.raises(
        Unavailable, match=rf"^cannot look up the CNAME of {name}: the DNS did not answer \(\w+\); check"
    ):
        lookup(server, name)
    assert len(server.asked) >= TRIES


def test_failed_lookup_is_tried_again(server: NameServer) -> None:
    server.answers["broken.example."] = "SERVFAIL"
    records = DNSRecords(None, ["127.0.0.1"], server.port)
    answer, seen = server.answer, []

    def recovers(wire: bytes) -> bytes | None:
        seen.append(wire)
        if len(seen) > 1:
            server.answers["broken.example."] = "c.example."
        return answer(wire)

    server.answer = recovers  # type: ignore[method-assign]
    assert records.target("broken.example") == "c.example"


def test_lookup_ends_within_the_claim(server: NameServer) -> None:
    clock = HandClock()
    deadline = Deadline(clock)
    deadline.begin(START + LIMIT)
    assert lookup(server, "a.example", deadline) is not None
    clock.advance(milliseconds=1)
    with pytest.raises(OutOfTime, match=r"the DNS lookup of a.example could end after the claim ends"):
        lookup(server, "a.example", deadline)


@pytest.mark.parametrize(
    "name", ["a..example", "x" * 64 + ".example", "a." * 130 + "example"], ids=["empty", "label", "name"]
)
def test_invalid_name_is_unavailable(server: NameServer, name: str) -> None:
    with pytest.raises(Unavailable):
        lookup(server, name)
    assert server.asked == []


def test_dnspython_is_imported_for_the_first_lookup() -> None:
    modules = "evercert.solvers.route53, evercert.solvers.cname_records, evercert.aws.route53"
    code = f"import sys, {modules}\nevercert.solvers.cname_records.DNSRecords()\nprint('dns' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
