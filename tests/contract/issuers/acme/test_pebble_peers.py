"""Certificates from Pebble, the ACME server of Let's Encrypt for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from evercert.errors import Misconfigured, NotProven, Rejected
from evercert.pki.certificate import mismatches
from evercert.pki.csr_parser import public_key_of
from evercert.pki.keys import public_bytes
from tests.contract.issuers.acme.whole_server import WholeServer, delivered
from tests.doubles.acme import AcmeBench, clock, web_host
from tests.tools.pebble import EAB_HMAC_KEY, EAB_KEY_ID, Pebble, pebble

pytestmark = pytest.mark.peer("go")


@pytest.fixture(scope="module")
def server() -> Iterator[Pebble]:
    with pebble(nonce_reject=15, alternate_roots=2, chain_length=2) as running:
        yield running


@contextmanager
def bench_of(server: Pebble, **settings) -> Iterator[AcmeBench]:
    """Yield an issuer of this server, with the web host of every name."""
    bench = AcmeBench(
        **{"directory": server.directory, "ca-bundle": server.ca_bundle, "email": "ops@example.com", **settings}
    )
    with web_host(bench.answers, server.http_port), closing(bench):
        yield bench


@pytest.fixture
def bench(server: Pebble) -> Iterator[AcmeBench]:
    with bench_of(server) as bench:
        yield bench


def require_match(bench: AcmeBench, request, issued) -> None:
    assert (
        mismatches(issued.chain, request.spec.attributes, public_bytes(public_key_of(request.csr)), profiled=True) == []
    )
    assert bench.answers.answers == {}


def test_order_for_several_names_is_issued(bench: AcmeBench) -> None:
    request = bench.request("a.example.com", "b.example.com")
    require_match(bench, request, bench.finish(request))
    assert len(bench.accounts.accounts) == 1


def test_order_is_finished_by_new_processes(bench: AcmeBench) -> None:
    request = bench.request("www.example.com")
    require_match(bench, request, bench.finish(request, restart=True))
    assert len(bench.accounts.accounts) == 1


@pytest.mark.parametrize("algorithm", ["EC_secp384r1", "RSA_2048"])
def test_account_keys_of_other_algorithms_work(server: Pebble, algorithm: str) -> None:
    with bench_of(server, **{"account-key": algorithm}) as bench:
        bench.finish(bench.request("www.example.com"))


def test_preferred_chain_is_chosen(server: Pebble) -> None:
    wanted = server.root(2).subject.rfc4514_string().removeprefix("CN=")
    with bench_of(server, **{"preferred-chain": wanted}) as bench:
        issued = bench.finish(bench.request("www.example.com"))
    assert issued.chain.certificates[-1].issuer == server.root(2).subject


def test_certificate_is_revoked_once(bench: AcmeBench, server: Pebble) -> None:
    issued = bench.finish(bench.request("www.example.com"))
    assert server.status(issued.chain.serial_number) == "Valid"
    bench.issuer.revoke(issued.chain, None)
    bench.issuer.revoke(issued.chain, None)
    assert server.status(issued.chain.serial_number) == "Revoked"


def test_refused_name_is_rejected_with_the_words_of_the_ca(bench: AcmeBench) -> None:
    with pytest.raises(Rejected, match=r"rejectedIdentifier: .*blocked\.example\.com"):
        bench.finish(bench.request("blocked.example.com"))


def test_missing_answer_names_each_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pebble sometimes stops answering after two validations of one order failed at the same time."""
    with pebble() as own, bench_of(own) as bench:
        monkeypatch.setattr(bench.answers, "put", lambda *_: None)
        with pytest.raises(NotProven, match=r"control of \d name\(s\): .*a\.example\.com: unauthorized"):
            bench.finish(bench.request("a.example.com", "b.example.com"))


def test_profile_is_ordered_and_an_unknown_one_refused(server: Pebble) -> None:
    with bench_of(server, profile="short") as bench:
        leaf = bench.finish(bench.request("www.example.com")).chain.leaf
    assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days < 7
    unknown = pytest.raises(Misconfigured, match=r"no profile 'long' \(known: default, short\)")
    with bench_of(server, profile="long") as bench, unknown:
        bench.finish(bench.request("www.example.com"))


def test_wildcard_needs_a_dns_solver(bench: AcmeBench) -> None:
    with pytest.raises(Rejected, match=r"http-01 cannot prove control of the wildcard \*\.example\.com"):
        bench.finish(bench.request("*.example.com"))


def test_twenty_orders_succeed_at_60_percent_refused_nonces() -> None:
    with pebble(nonce_reject=60) as server, bench_of(server) as bench:
        for number in range(20):
            bench.finish(bench.request(f"n{number}.example.com"))


def test_external_account_is_bound() -> None:
    name = "evercert/credentials/eab"
    external = {"external-account": {"key-id": EAB_KEY_ID, "hmac-key": {"aws-secret": name}}}
    with pebble(eab=True) as server:
        with bench_of(server, **external) as bench:
            bench.vault.store(name, {"address": server.directory, "hmac-key": EAB_HMAC_KEY})
            bench.finish(bench.request("www.example.com"))
            bench.vault.store(name, {"address": server.directory, "hmac-key": EAB_HMAC_KEY[::-1]})
            bench.accounts.accounts.clear()
            with pytest.raises(Misconfigured, match="cannot register an account at"):
                bench.process().issue(bench.request("www.example.com"))
        with bench_of(server) as bench, pytest.raises(Misconfigured, match="externalAccountRequired"):
            bench.finish(bench.request("www.example.com"))


class TestWholeServer(WholeServer):
    """The tests for any server."""


# -- changes of the account -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("algorithm", ["EC_prime256v1", "EC_secp384r1", "RSA_2048"])
def test_account_keys_in_kms_work(server: Pebble, algorithm: str) -> None:
    with bench_of(server) as bench:
        key = bench.kms.add(algorithm)
        bench.settings = bench.define(
            **{"directory": server.directory, "ca-bundle": server.ca_bundle, "account-key": key}
        )
        bench.process()
        bench.finish(bench.request("www.example.com"))
        bench.issuer.account.deactivate()


# -- renewal information ----------------------------------------------------------------------------------------------
def test_renewal_window_of_an_incident_is_in_the_past(bench: AcmeBench, server: Pebble) -> None:
    issued = bench.finish(bench.request("www.example.com"))
    past = {"suggestedWindow": {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}}
    server.set_renewal_info(issued.chain.leaf_pem, {**past, "explanationURL": "https://ca.example/incident"})
    window = bench.issuer.advise(delivered(issued), clock()).window
    assert (window.end.day, window.explanation) == (2, "https://ca.example/incident")
