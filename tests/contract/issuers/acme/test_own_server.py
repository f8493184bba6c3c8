"""evercert's ACME issuer against evercert's ACME server: both sides of the protocol agree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.x509.oid import ExtensionOID

from evercert.acme.renewal_info import certificate_id
from evercert.authority.validation.ports import Page
from evercert.authority.validation.validator import Validator
from evercert.contracts.record import Facts
from evercert.errors import EvercertError, Misconfigured, NotProven, Rejected
from tests.doubles.acme import AcmeBench
from tests.doubles.authority.acme_client import FakeNetwork
from tests.doubles.authority.server import Authority


def clock() -> datetime:
    return datetime.now(UTC)


class Bench(AcmeBench):
    """An issuer of the authority's directory; each challenge is validated when the client answers it."""

    def __init__(self, server: Authority, options: dict[str, Any], **settings: Any) -> None:
        self.setting = server.setting
        self.profile = self.setting.profile(acme={"eab": "optional", **options}, defaults={"ttlDays": 30})
        directory = f"{server.address}/api/v1/cert-manager/acme/profiles/{self.profile.id}/directory"
        super().__init__(directory=directory, **settings)
        self.network = FakeNetwork()
        self.network.load = self._load  # type: ignore[method-assign]
        self.validator = Validator(
            self.setting.acme_orders, self.setting.validations, self.network, self.network, self.clock
        )

    def _load(self, url: str, within: timedelta, *, private: bool) -> Page:
        found = self.answers.answers.get(url.rpartition("/")[2])
        return Page(404, None, b"") if found is None else Page(200, None, found.encode())

    def sleep(self, span: timedelta) -> None:
        """Validate instead of waiting."""
        waiting, self.setting.validations.sent = self.setting.validations.sent, []
        for message, _ in waiting:
            self.validator.run(*message)


@pytest.fixture
def server() -> Iterator[Authority]:
    with Authority(clock=clock) as server:
        yield server


@pytest.fixture
def bench(server: Authority) -> Iterator[Bench]:
    with closing(Bench(server, {})) as bench:
        yield bench


def names_of(issued: Any) -> set[str]:
    return {str(name.value) for name in issued.chain.leaf.extensions.get_extension_for_oid(SAN).value}


SAN = ExtensionOID.SUBJECT_ALTERNATIVE_NAME


@pytest.mark.parametrize("restart", [False, True])
def test_certificate_for_several_names_is_issued(bench: Bench, restart: bool) -> None:
    issued = bench.finish(bench.request("a.example.com", "b.example.com"), restart=restart)
    assert names_of(issued) == {"a.example.com", "b.example.com"}
    assert len(bench.setting.certificates.certificates) == 1
    assert bench.answers.answers == {}


@pytest.mark.parametrize("algorithm", ["RSA_2048", "EC_secp384r1"])
def test_keys_of_other_algorithms_are_certified(bench: Bench, algorithm: str) -> None:
    assert bench.finish(bench.request("www.example.com", algorithm=algorithm))


def test_handle_returns_the_same_certificate(bench: Bench) -> None:
    request = bench.request("www.example.com")
    issued = bench.finish(request)
    assert bench.finish(replace(request, handle=issued.handle)).chain.leaf == issued.chain.leaf


def test_renewal_replaces_its_predecessor(bench: Bench) -> None:
    issued = bench.finish(bench.request("www.example.com"))
    facts = Facts.of(issued.chain, 1, bench.clock(), issued.reference)
    assert issued.reference == certificate_id(issued.chain.leaf)
    renewed = bench.finish(replace(bench.request("www.example.com"), revision=2, previous=facts))
    assert renewed.chain.leaf.serial_number != issued.chain.leaf.serial_number
    assert issued.reference in bench.setting.acme_orders.held
    advice = bench.issuer.advise(facts, bench.clock())
    assert advice is not None and advice.window is not None
    assert facts.not_before < advice.window.start < advice.window.end < facts.not_after


def test_certificate_is_revoked_once(bench: Bench) -> None:
    issued = bench.finish(bench.request("www.example.com"))
    bench.issuer.revoke(issued.chain, None)
    bench.issuer.revoke(issued.chain, None)  # a repetition succeeds
    (record,) = bench.setting.certificates.certificates.values()
    assert record.revoked_at is not None


def test_name_that_the_policy_refuses_names_it(server: Authority) -> None:
    from evercert.authority.policy.policy import Policy
    from tests.doubles.authority.authority import ANYTHING

    only = {**ANYTHING, "sans": [{"type": "dns_name", "allowed": ["*.example.com"]}]}
    with closing(Bench(server, {})) as bench:
        bench.profile = bench.setting.profile(acme={"eab": "optional"}, policy=Policy.model_validate(only))
        with pytest.raises(Rejected, match=r"rejectedIdentifier.*www\.other\.example"):
            bench.finish(bench.request("www.other.example"))


def test_missing_answer_is_not_proven(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evercert.authority.validation.validator.DELAYS", ())
    monkeypatch.setattr(bench.answers, "put", lambda *_: None)
    with pytest.raises(NotProven, match=r"www\.example\.com"):
        bench.finish(bench.request("www.example.com"))


def test_binding_is_asked_for_and_accepted(server: Authority) -> None:
    with closing(Bench(server, {"eab": "required"})) as bench, pytest.raises(Misconfigured, match="external"):
        bench.finish(bench.request("www.example.com"))


def refusal(bench: Bench) -> EvercertError:
    with pytest.raises(EvercertError) as caught:
        bench.finish(bench.request("www.example.com"))
    return caught.value


def test_account_key_changes(bench: Bench) -> None:
    bench.finish(bench.request("www.example.com"))
    bench.issuer.account.rotate_key()
    assert bench.finish(bench.request("www.example.com"))


def test_deactivated_account_is_refused(bench: Bench) -> None:
    bench.finish(bench.request("www.example.com"))
    bench.issuer.account.deactivate()
    assert "deactivated" in str(refusal(bench))
