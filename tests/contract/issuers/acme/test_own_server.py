"""evercert's ACME issuer against evercert's ACME server: what test_pebble_peers.py requires of Pebble."""

from __future__ import annotations

import random
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.x509.oid import ExtensionOID

from evercert.acme.renewal_info import certificate_id
from evercert.authority.acme.nonces import Nonces
from evercert.authority.acme.problems import Refused
from evercert.authority.policy.policy import Policy
from evercert.contracts.record import Facts
from evercert.errors import Misconfigured, NotProven, Rejected
from evercert.solvers import SOLVERS
from tests.doubles.authority.authority import ANYTHING
from tests.doubles.authority.cross_signing import cross_sign
from tests.doubles.authority.server import Authority
from tests.doubles.own_server import Bench


def names_of(issued: Any) -> set[str]:
    return {str(name.value) for name in issued.chain.leaf.extensions.get_extension_for_oid(SAN).value}


SAN = ExtensionOID.SUBJECT_ALTERNATIVE_NAME


@pytest.mark.parametrize("restart", [False, True])
def test_certificate_for_several_names_is_issued(own_bench: Bench, restart: bool) -> None:
    issued = own_bench.finish(own_bench.request("a.example.com", "b.example.com"), restart=restart)
    assert names_of(issued) == {"a.example.com", "b.example.com"}
    assert len(own_bench.setting.certificates.certificates) == 1
    assert own_bench.answers.answers == {}


@pytest.mark.parametrize("algorithm", ["RSA_2048", "EC_secp384r1"])
def test_keys_of_other_algorithms_are_certified(own_bench: Bench, algorithm: str) -> None:
    assert own_bench.finish(own_bench.request("www.example.com", algorithm=algorithm))


def test_renewal_replaces_its_predecessor(own_bench: Bench) -> None:
    issued = own_bench.finish(own_bench.request("www.example.com"))
    facts = Facts.of(issued.chain, 1, own_bench.clock(), issued.reference)
    assert issued.reference == certificate_id(issued.chain.leaf)
    renewed = own_bench.finish(replace(own_bench.request("www.example.com"), revision=2, previous=facts))
    assert renewed.chain.leaf.serial_number != issued.chain.leaf.serial_number
    assert issued.reference in own_bench.setting.acme_orders.held
    advice = own_bench.issuer.advise(facts, own_bench.clock())
    assert advice is not None and advice.window is not None
    assert facts.not_before < advice.window.start < advice.window.end < facts.not_after


def test_certificate_is_revoked_once(own_bench: Bench) -> None:
    issued = own_bench.finish(own_bench.request("www.example.com"))
    own_bench.issuer.revoke(issued.chain, None)
    own_bench.issuer.revoke(issued.chain, None)  # a repetition succeeds
    (record,) = own_bench.setting.certificates.certificates.values()
    assert record.revoked_at is not None


def test_name_that_the_policy_refuses_names_it(own_server: Authority) -> None:
    only = {**ANYTHING, "sans": [{"type": "dns_name", "allowed": ["*.example.com"]}]}
    with closing(Bench(own_server, {})) as bench:
        bench.profile = bench.setting.profile(acme={"eab": "optional"}, policy=Policy.model_validate(only))
        with pytest.raises(Rejected, match=r"rejectedIdentifier.*www\.other\.example"):
            bench.finish(bench.request("www.other.example"))


def test_missing_answer_names_each_name(own_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evercert.authority.validation.validator.DELAYS", ())
    monkeypatch.setattr(own_bench.answers, "put", lambda *_: None)
    with pytest.raises(NotProven, match=r"control of \d name\(s\): .*a\.example\.com: incorrectResponse"):
        own_bench.finish(own_bench.request("a.example.com", "b.example.com"))


def test_wildcard_is_proven_by_dns_only(own_server: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SOLVERS.entries, "fake-dns", "tests.doubles.acme:FakeDNS")
    monkeypatch.setattr("tests.doubles.acme.PROPAGATION", timedelta(0))
    with (
        closing(Bench(own_server, {})) as bench,
        pytest.raises(Rejected, match=r"http-01 cannot prove control of the wild"),
    ):
        bench.finish(bench.request("*.example.com"))
    with closing(Bench(own_server, {}, solvers=[{"type": "fake-dns"}])) as bench:
        assert names_of(bench.finish(bench.request("*.example.com", "example.com"))) == {"*.example.com", "example.com"}
        assert bench.answers.left == []


def test_profile_is_ordered_and_an_unknown_one_refused(own_server: Authority) -> None:
    with closing(Bench(own_server, {}, profile="tls-server")) as bench:
        bench.finish(bench.request("www.example.com"))
        (order,) = bench.setting.acme_orders.stored.values()
        assert order.named_profile == "tls-server"
    unknown = pytest.raises(Misconfigured, match=r"no profile 'long' \(known: tls-server\)")
    with closing(Bench(own_server, {}, profile="long")) as bench, unknown:
        bench.finish(bench.request("www.example.com"))


def test_preferred_chain_is_chosen(own_server: Authority) -> None:
    cross = cross_sign(own_server.setting)
    with closing(Bench(own_server, {}, **{"preferred-chain": "old root"})) as bench:
        assert bench.finish(bench.request("www.example.com")).chain.certificates[-1] == cross
    with closing(Bench(own_server, {})) as bench:
        assert bench.finish(bench.request("www.example.com")).chain.certificates[-1] != cross


def test_twenty_orders_succeed_at_60_percent_refused_nonces(own_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    chance, redeem = random.Random(16), Nonces.redeem

    def refusing(nonces: Nonces, nonce: object) -> None:
        redeem(nonces, nonce)
        if chance.random() < 0.6:
            raise Refused("badNonce", "refused by chance")

    monkeypatch.setattr(Nonces, "redeem", refusing)
    for number in range(20):
        own_bench.finish(own_bench.request(f"n{number}.example.com"))
    assert len(own_bench.setting.certificates.certificates) == 20
