"""evercert's ACME issuer against evercert's ACME server: changes of the account, and renewal information."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest

from evercert.acme import base64url
from evercert.acme.jwk import to_jwk
from evercert.authority.configuration.profiles import EabCredential
from evercert.contracts.record import Facts
from evercert.errors import Misconfigured
from evercert.issuers.acme.errors import ProblemAnswer
from evercert.pki.keys import PrivateKey
from tests.doubles.acme import clock
from tests.doubles.authority.server import Authority
from tests.doubles.own_server import Bench


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


def test_lost_account_is_registered_again(own_bench: Bench) -> None:
    own_bench.finish(own_bench.request("www.example.com"))
    ((account_id, account),) = own_bench.accounts.accounts.items()
    own_bench.accounts.accounts[account_id] = replace(account, url=f"{account.url}000")
    own_bench.process()
    own_bench.finish(own_bench.request("www.example.com"))
    assert own_bench.accounts.accounts[account_id].url == account.url


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


def keys(own_bench: Bench) -> tuple[str | None, str | None]:
    (account,) = own_bench.accounts.accounts.values()
    return account.sealed_key, account.next_key


def test_rotated_account_key_signs_the_next_order(own_bench: Bench) -> None:
    own_bench.finish(own_bench.request("www.example.com"))
    before, url = keys(own_bench)[0], own_bench.issuer._account.url
    assert own_bench.issuer.account.rotate_key() == f"changed the key of {url}"
    assert keys(own_bench)[0] != before and keys(own_bench)[1] is None
    own_bench.finish(own_bench.request("www.example.com"), restart=True)
    assert own_bench.issuer.account.register() == f"registered {url}"


def test_order_finishes_a_key_change_that_took_effect(own_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command dies before it stores that the CA has the new key."""
    own_bench.finish(own_bench.request("www.example.com"))
    with monkeypatch.context() as patch:
        patch.setattr(own_bench.issuer._account, "finish_key_change", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            own_bench.issuer.account.rotate_key()
    _, new = keys(own_bench)
    own_bench.process()
    own_bench.finish(own_bench.request("www.example.com"))
    assert keys(own_bench) == (new, None)


def test_key_of_another_account_is_a_conflict(own_bench: Bench) -> None:
    own_bench.finish(own_bench.request("www.example.com"))
    ((account_id, account),) = own_bench.accounts.accounts.items()
    new = PrivateKey.generate("EC_prime256v1")
    url, jwk = own_bench.issuer._connection.directory().new_account, to_jwk(new.public_key)
    own_bench.issuer._connection.post(url, {"termsOfServiceAgreed": True}, new, {"jwk": jwk})
    text = own_bench.seal.close(new, own_bench.issuer._account.keys.uid, 0)
    own_bench.accounts.accounts[account_id] = replace(account, next_key=text)
    with pytest.raises(Misconfigured, match=r"another account at .* has the new key"):
        own_bench.issuer.account.rotate_key()
    own_bench.issuer.account.rotate_key()
    own_bench.finish(own_bench.request("www.example.com"))


def test_deactivated_account_is_replaced_on_request_only(own_bench: Bench) -> None:
    own_bench.finish(own_bench.request("www.example.com"))
    first = own_bench.issuer._account.url
    for _ in range(2):
        assert own_bench.issuer.account.deactivate() == f"deactivated {first}"
        with pytest.raises(Misconfigured, match="was deactivated; to register another one, run: evercert issuer"):
            own_bench.process().issue(own_bench.request("www.example.com"))
    assert own_bench.issuer.account.register() != f"registered {first}"
    own_bench.finish(own_bench.request("www.example.com"))


# -- renewal information ----------------------------------------------------------------------------------------------
def test_renewal_window_of_a_revoked_certificate_is_in_the_past(own_bench: Bench) -> None:
    issued = own_bench.finish(own_bench.request("www.example.com"))
    own_bench.issuer.revoke(issued.chain, None)
    advice = own_bench.issuer.advise(Facts.of(issued.chain, 1, own_bench.clock(), issued.reference), own_bench.clock())
    assert advice is not None and advice.window is not None
    assert advice.window.end <= own_bench.clock()


def test_renewal_replaces_its_predecessor_once(own_bench: Bench) -> None:
    """A second order that replaces it is refused, and placed again without `replaces`."""
    issued = own_bench.finish(own_bench.request("www.example.com"))
    facts = Facts.of(issued.chain, 1, own_bench.clock(), issued.reference)
    renewal = replace(own_bench.request("www.example.com"), previous=facts)
    own_bench.finish(renewal)
    account, directory = own_bench.issuer._account, own_bench.issuer._connection.directory()
    order = {"identifiers": [{"type": "dns", "value": "www.example.com"}], "replaces": facts.reference}
    with pytest.raises(ProblemAnswer, match="alreadyReplaced"):
        account.post(directory.new_order, order)
    own_bench.finish(renewal)


def test_certificate_of_another_ca_is_not_replaced(own_bench: Bench) -> None:
    issued = own_bench.finish(own_bench.request("www.example.com"))
    facts = Facts.of(issued.chain, 1, own_bench.clock(), issued.reference)
    foreign = facts.model_copy(update={"reference": "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"})
    own_bench.finish(replace(own_bench.request("www.example.com"), previous=foreign))
    assert own_bench.issuer.advise(foreign, clock()).window is None  # type: ignore[union-attr]
