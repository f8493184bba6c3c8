"""Tests of evercert's ACME issuer for any server that implements RFC 8555 and RFC 9773 as a whole.

A test module with a fixture `bench` inherits the class.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from evercert.acme.jwk import to_jwk
from evercert.contracts.issuer import Issued
from evercert.contracts.record import Facts
from evercert.errors import Misconfigured
from evercert.issuers.acme.errors import ProblemAnswer
from evercert.pki.keys import PrivateKey
from tests.doubles.acme import AcmeBench, clock


def keys(bench: AcmeBench) -> tuple[str | None, str | None]:
    (account,) = bench.accounts.accounts.values()
    return account.sealed_key, account.next_key


def delivered(issued: Issued) -> Facts:
    return Facts.of(issued.chain, 1, clock(), issued.reference)


class WholeServer:
    """Orders, changes of the account, and renewal information."""

    def test_handle_returns_the_same_certificate(self, bench: AcmeBench) -> None:
        request = bench.request("www.example.com")
        issued = bench.finish(request)
        again = bench.finish(replace(request, handle=issued.handle))
        assert again.chain.leaf == issued.chain.leaf

    def test_lost_account_is_registered_again(self, bench: AcmeBench) -> None:
        bench.finish(bench.request("www.example.com"))
        ((account_id, account),) = bench.accounts.accounts.items()
        bench.accounts.accounts[account_id] = replace(account, url=f"{account.url}000")
        bench.process()
        bench.finish(bench.request("www.example.com"))
        assert bench.accounts.accounts[account_id].url == account.url

    def test_rotated_account_key_signs_the_next_order(self, bench: AcmeBench) -> None:
        bench.finish(bench.request("www.example.com"))
        before, _ = keys(bench)
        url = bench.issuer._account.url
        assert bench.issuer.account.rotate_key() == f"changed the key of {url}"
        assert keys(bench)[0] != before and keys(bench)[1] is None
        bench.finish(bench.request("www.example.com"), restart=True)
        assert bench.issuer.account.register() == f"registered {url}"

    def test_order_finishes_a_key_change_that_took_effect(
        self, bench: AcmeBench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The command dies before it stores that the CA has the new key."""
        bench.finish(bench.request("www.example.com"))
        with monkeypatch.context() as patch:
            patch.setattr(bench.issuer._account, "finish_key_change", lambda: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                bench.issuer.account.rotate_key()
        _, new = keys(bench)
        bench.process()
        bench.finish(bench.request("www.example.com"))
        assert keys(bench) == (new, None)

    def test_key_of_another_account_is_a_conflict(self, bench: AcmeBench) -> None:
        bench.finish(bench.request("www.example.com"))
        ((account_id, account),) = bench.accounts.accounts.items()
        new = PrivateKey.generate("EC_prime256v1")
        url, jwk = bench.issuer._connection.directory().new_account, to_jwk(new.public_key)
        bench.issuer._connection.post(url, {"termsOfServiceAgreed": True}, new, {"jwk": jwk})
        text = bench.seal.close(new, bench.issuer._account.keys.uid, 0)
        bench.accounts.accounts[account_id] = replace(account, next_key=text)
        with pytest.raises(Misconfigured, match=r"another account at .* has the new key"):
            bench.issuer.account.rotate_key()
        bench.issuer.account.rotate_key()
        bench.finish(bench.request("www.example.com"))

    def test_deactivated_account_is_replaced_on_request_only(self, bench: AcmeBench) -> None:
        bench.finish(bench.request("www.example.com"))
        first = bench.issuer._account.url
        for _ in range(2):
            assert bench.issuer.account.deactivate() == f"deactivated {first}"
            with pytest.raises(Misconfigured, match="was deactivated; to register another one, run: evercert issuer"):
                bench.process().issue(bench.request("www.example.com"))
        assert bench.issuer.account.register() != f"registered {first}"
        bench.finish(bench.request("www.example.com"))

    def test_renewal_window_is_read(self, bench: AcmeBench) -> None:
        facts = delivered(bench.finish(bench.request("www.example.com")))
        advice = bench.issuer.advise(facts, clock())
        assert facts.not_before < advice.window.start < advice.window.end < facts.not_after
        assert timedelta(minutes=1) <= advice.again_at - clock() <= timedelta(days=1)

    def test_renewal_replaces_its_predecessor_once(self, bench: AcmeBench) -> None:
        """A second order that replaces it is refused, and placed again without `replaces`."""
        facts = delivered(bench.finish(bench.request("www.example.com")))
        renewal = replace(bench.request("www.example.com"), previous=facts)
        bench.finish(renewal)
        account, directory = bench.issuer._account, bench.issuer._connection.directory()
        order = {"identifiers": [{"type": "dns", "value": "www.example.com"}], "replaces": facts.reference}
        with pytest.raises(ProblemAnswer, match="alreadyReplaced"):
            account.post(directory.new_order, order)
        bench.finish(renewal)

    def test_certificate_of_another_ca_is_not_replaced(self, bench: AcmeBench) -> None:
        facts = delivered(bench.finish(bench.request("www.example.com")))
        foreign = facts.model_copy(update={"reference": "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"})
        bench.finish(replace(bench.request("www.example.com"), previous=foreign))
        assert bench.issuer.advise(foreign, clock()).window is None
