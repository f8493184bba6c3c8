"""Dry run of an ACME issuer: it reads credentials, account and solvers, and registers and orders nothing."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from evercert.contracts.accounts import StoredAccount
from evercert.contracts.issuer import DryRun
from evercert.errors import EvercertError, Misconfigured, Rejected
from evercert.issuers import ISSUERS
from evercert.pki.keys import PrivateKey
from evercert.solvers.context import RegisteredSolvers, SolverContext
from tests.contract.issuers.acme.conftest import Benches
from tests.doubles.acme import AcmeBench
from tests.doubles.acme_server import AcmeServer

NAME = "www.example.com"
MAC_TEXT = base64.urlsafe_b64encode(b"the MAC key of a test, 32 octets").decode()
CREDENTIAL = "evercert/credentials/eab"
EXTERNAL = {"external-account": {"key-id": "kid-1", "hmac-key": {"aws-secret": CREDENTIAL}}}


@pytest.fixture(autouse=True)
def _nothing_is_ordered(server: AcmeServer, bench: AcmeBench) -> Iterator[None]:
    """After each test, the server has seen no request of an account but those of an order that the test made."""
    yield
    if not bench.waits:
        assert {seen.kind for seen in server.seen} <= {"directory"}
        assert bench.accounts.accounts == {} and bench.answers.left == []


def refusal(bench: AcmeBench, name: str) -> EvercertError:
    with pytest.raises(EvercertError) as refused:
        bench.issuer.check_name(name)
    assert str(refused.value).isprintable()
    return refused.value


def test_only_acme_issuers_check_names() -> None:
    assert [kind for kind in ISSUERS.entries if issubclass(ISSUERS.load(kind), DryRun)] == ["acme"]


# -- the account -----------------------------------------------------------------------------------------------------


def test_check_account_registers_nothing(bench: AcmeBench) -> None:
    assert bench.issuer.check_account() == "not registered: the first certificate registers it"
    assert bench.accounts.accounts == {}


def test_check_account_returns_the_url(bench: AcmeBench, server: AcmeServer) -> None:
    bench.finish(bench.request(NAME))
    (stored,) = bench.accounts.accounts.values()
    before = len(server.seen)
    assert bench.process().check_account() == f"registered: {stored.url}"
    assert len(server.seen) == before


def test_check_account_reads_the_store_each_time(bench: AcmeBench) -> None:
    bench.finish(bench.request(NAME))
    assert bench.issuer.check_account().startswith("registered")
    bench.accounts.accounts.clear()
    assert bench.issuer.check_account().startswith("not registered")


def test_check_account_reports_a_key_of_another_stack(benches: Benches, server: AcmeServer) -> None:
    bench = benches(server)
    account_id = bench.settings.account_id
    bench.accounts.accounts[account_id] = StoredAccount("sealed elsewhere", "https://ca.example/account/1")
    with pytest.raises(Misconfigured, match=f"delete the item acme-account#{account_id} of the table"):
        bench.issuer.check_account()


# -- CAA -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["ca.example", "CA2.example"], ("ca.example", "CA2.example")),
        (None, ()),
        ("ca.example", ()),
        (["a b", 7, "", "x" * 254, 'a"b', "ca.example"], ("ca.example",)),
        (["ca.example"] * 30, ("ca.example",) * 20),
    ],
    ids=["domains", "null", "text", "invalid", "many"],
)
def test_caa_identities_are_those_of_the_directory(
    bench: AcmeBench, server: AcmeServer, value: object, expected: tuple[str, ...]
) -> None:
    def changed(body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "meta": {**body["meta"], "caaIdentities": value}}

    server.faults.directory = changed
    assert bench.issuer.caa_identities() == expected


def test_caa_identities_are_empty_without_a_list(bench: AcmeBench) -> None:
    assert bench.issuer.caa_identities() == ()


# -- credentials -----------------------------------------------------------------------------------------------------


def test_check_credentials_needs_none(bench: AcmeBench) -> None:
    assert bench.issuer.check_credentials() == "none needed"
    assert bench.vault.reads == []


def test_check_credentials_reads_the_external_account(benches: Benches, server: AcmeServer) -> None:
    bench = benches(server, **EXTERNAL)
    bench.vault.store(CREDENTIAL, {"address": server.directory, "hmac-key": MAC_TEXT})
    assert bench.issuer.check_credentials() == f"aws-secret {CREDENTIAL} is readable"
    assert bench.vault.reads == [CREDENTIAL] and bench.accounts.accounts == {}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "does not exist in this region; create it"),
        ({"address": "https://other.example", "hmac-key": MAC_TEXT}, "is for https://other.example, so it is not sent"),
        ({"hmac-key": "not base64url!"}, "the HMAC key is not base64url; copy it from the CA again"),
    ],
    ids=["missing", "address", "text"],
)
def test_check_credentials_reports_problems(
    value: dict[str, str] | None, words: str, benches: Benches, server: AcmeServer
) -> None:
    bench = benches(server, **EXTERNAL)
    if value is not None:
        bench.vault.store(CREDENTIAL, {"address": server.directory, **value})
    with pytest.raises(Misconfigured) as refused:
        bench.issuer.check_credentials()
    assert words in str(refused.value)
    assert MAC_TEXT not in str(refused.value) and "not base64url!" not in str(refused.value)


# -- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [NAME, "192.0.2.1", "2001:db8::1"])
def test_check_name_returns_the_solver(name: str, bench: AcmeBench) -> None:
    assert bench.issuer.check_name(name) == "solver http-01"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("*.example.com", "choose a DNS solver for it"),
        ("ops@example.com", "'ops@example.com' is not a DNS name or IP address; correct it"),
        ("a b\x1b", "is not a DNS name or IP address; correct it"),
        ("", "is not a DNS name or IP address; correct it"),
    ],
    ids=["wildcard", "email", "control", "empty"],
)
def test_check_name_refuses_names(name: str, words: str, bench: AcmeBench) -> None:
    error = refusal(bench, name)
    assert isinstance(error, Rejected) and words in str(error)


def test_check_name_reports_a_name_without_solver(benches: Benches, server: AcmeServer) -> None:
    bench = benches(server, solvers=[{"type": "http-01", "zones": ["example.org"]}])
    assert "no solver matches www.example.com" in str(refusal(bench, NAME))
    assert bench.issuer.check_name("a.example.org") == "solver http-01"


def test_check_name_reports_a_missing_responder(bench: AcmeBench) -> None:
    bench.issuer._challenges._solvers = RegisteredSolvers(SolverContext(None))
    assert "the stack has no responder; deploy it with Responder=yes" in str(refusal(bench, NAME))


def test_sealed_key_of_the_account_is_opened(bench: AcmeBench, benches: Benches, server: AcmeServer) -> None:
    other = benches(server)
    uid = other.issuer._account.keys.uid
    sealed = other.seal.close(PrivateKey.generate("EC_prime256v1"), uid, 0)
    other.accounts.accounts[other.settings.account_id] = StoredAccount(sealed)
    assert other.issuer.check_account() == "not registered: the first certificate registers it"
