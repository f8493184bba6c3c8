"""evercert's ACME issuer against evercert's ACME server: changes of the account, and renewal information."""

from __future__ import annotations

from contextlib import closing

import pytest

from evercert.acme import base64url
from evercert.authority.configuration.profiles import EabCredential
from evercert.errors import Misconfigured
from tests.contract.issuers.acme.whole_server import WholeServer, delivered
from tests.doubles.acme import clock
from tests.doubles.authority.server import Authority
from tests.doubles.own_server import Bench


@pytest.fixture
def bench(own_bench: Bench) -> Bench:
    return own_bench


class TestWholeServer(WholeServer):
    """The tests for any server."""


# -- accounts ---------------------------------------------------------------------------------------------------------
def test_external_account_is_bound(own_server: Authority) -> None:
    with closing(Bench(own_server, {"eab": "required"})) as bench, pytest.raises(Misconfigured, match="external"):
        bench.finish(bench.request("www.example.com"))
    name = "evercert/credentials/eab"
    external = {"external-account": {"key-id": "team", "hmac-key": {"aws-secret": name}}}
    mac_key, sealed = own_server.setting.mac_keys.new("team")
    with closing(Bench(own_server, {"eab": "required"}, **external)) as bench:
        values = {"id": "team", "profile": bench.profile.id, "sealed": sealed, "created-at": clock()}
        own_server.setting.configuration.put(EabCredential.model_validate(values))
        stored = {"address": bench.settings.directory, "hmac-key": base64url.encode(mac_key)}
        bench.vault.store(name, stored)
        bench.finish(bench.request("www.example.com"))
        bench.vault.store(name, {**stored, "hmac-key": base64url.encode(mac_key[::-1])})
        bench.accounts.accounts.clear()
        with pytest.raises(Misconfigured, match="cannot register an account at"):
            bench.process().issue(bench.request("www.example.com"))


@pytest.mark.parametrize("algorithm", ["EC_secp384r1", "RSA_2048"])
def test_account_keys_of_other_algorithms_work(own_server: Authority, algorithm: str) -> None:
    with closing(Bench(own_server, {}, **{"account-key": algorithm})) as bench:
        assert bench.finish(bench.request("www.example.com"))


@pytest.mark.parametrize("algorithm", ["EC_prime256v1", "EC_secp384r1", "RSA_2048"])
def test_account_keys_in_kms_work(own_bench: Bench, algorithm: str) -> None:
    key = own_bench.kms.add(algorithm)
    own_bench.settings = own_bench.define(directory=own_bench.settings.directory, **{"account-key": key})
    own_bench.process()
    own_bench.finish(own_bench.request("www.example.com"))
    own_bench.issuer.account.deactivate()


# -- renewal information ----------------------------------------------------------------------------------------------
def test_renewal_window_of_a_revoked_certificate_is_in_the_past(own_bench: Bench) -> None:
    issued = own_bench.finish(own_bench.request("www.example.com"))
    own_bench.issuer.revoke(issued.chain, None)
    advice = own_bench.issuer.advise(delivered(issued), own_bench.clock())
    assert advice is not None and advice.window is not None
    assert advice.window.end <= own_bench.clock()
