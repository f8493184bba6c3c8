"""Pitfalls of single requests to an ACME server: nonces, signatures, accounts, problems, limits (RFC 8555 §6, §7.3)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from evercert.contracts.issuer import Request
from evercert.errors import EvercertError, GaveUp, Misconfigured, NotYet, Rejected, Unavailable
from evercert.pki.keys import PrivateKey
from tests.contract.issuers.acme.conftest import Benches
from tests.doubles.acme import AcmeBench
from tests.doubles.acme_server import AcmeServer
from tests.doubles.acme_server.answers import page, problem, reply
from tests.doubles.acme_server.server import TERMS
from tests.doubles.fakes import START, HandClock
from tests.doubles.infisical.http_server import Answer

NAME = "www.example.com"
NAMES = ("a.example.com", "b.example.com")
HOUR = timedelta(hours=1)


# -- nonces ----------------------------------------------------------------------------------------------------------


def test_bad_nonce_is_retried_with_that_of_the_refusal(bench: AcmeBench, server: AcmeServer) -> None:
    server.faults.refused_nonces = 3
    bench.finish(bench.request(NAME))
    posts = [seen for seen in server.seen if seen.method == "POST"]
    refused = [(first, second) for first, second in pairwise(posts) if first.status == 400]
    assert len(refused) == 3
    assert all(second.protected["nonce"] == first.nonce and second.url == first.url for first, second in refused)
    assert len(server.requests("newNonce")) == 1


def test_refused_nonces_are_bounded(bench: AcmeBench, server: AcmeServer) -> None:
    server.faults.refused_nonces = 1_000
    error = bench.refusal(NAME)
    assert type(error) is Unavailable
    assert "refused 30 nonces in a row" in str(error)
    assert len(server.requests("newAccount")) == 30


def test_refused_nonces_are_retried_ever_slower(bench: AcmeBench, server: AcmeServer) -> None:
    server.faults.refused_nonces = 10
    bench.finish(bench.request(NAME))
    times = [seen.at for seen in server.requests("newAccount")]
    gaps = [(second - first).total_seconds() for first, second in pairwise(times)]
    assert gaps[0] == 0 < gaps[1] < gaps[-1] <= 0.25
    assert sum(gaps) > 0.5


def test_each_nonce_is_used_once(bench: AcmeBench, server: AcmeServer) -> None:
    bench.finish(bench.request(*NAMES))
    nonces = [seen.protected["nonce"] for seen in server.seen if seen.method == "POST"]
    assert len(nonces) == len(set(nonces))
    assert {seen.status for seen in server.seen} <= {200, 201}


def test_old_nonces_are_dropped(bench: AcmeBench, server: AcmeServer, clock: HandClock) -> None:
    request = bench.step(bench.request(NAME))
    assert isinstance(request, Request)
    server.nonces.forget()
    clock.advance(minutes=3)
    bench.finish(request)
    assert len(server.requests("newNonce")) == 2
    assert 400 not in {seen.status for seen in server.seen}


def test_issuers_of_one_directory_share_their_nonces(bench: AcmeBench, server: AcmeServer) -> None:
    bench.finish(bench.request(NAME))
    bench.settings = bench.define(directory=server.directory, email="ops@example.com", profile="shortlived")
    bench.open()
    bench.finish(bench.request(NAME))
    assert (len(server.requests("directory")), len(server.requests("newNonce")), len(server.accounts)) == (1, 1, 1)


def test_directory_is_read_again_after_an_hour(bench: AcmeBench, server: AcmeServer, clock: HandClock) -> None:
    for minutes, reads in ((0, 1), (59, 1), (2, 2)):
        clock.advance(minutes=minutes)
        bench.finish(bench.request(NAME))
        assert len(server.requests("directory")) == reads


def test_process_begins_with_a_nonce_of_its_own(bench: AcmeBench, server: AcmeServer) -> None:
    request = bench.step(bench.request(NAME))
    assert isinstance(request, Request)
    server.nonces.forget()
    bench.process()
    bench.finish(request)
    assert len(server.requests("newNonce")) == 2
    assert 400 not in {seen.status for seen in server.seen}


@pytest.mark.parametrize("answer", [reply({}), page(), page(404)], ids=["no header", "HTML", "HTML 404"])
def test_answer_without_a_nonce_is_an_outage(bench: AcmeBench, server: AcmeServer, answer: Answer) -> None:
    server.faults.answer("newNonce", answer)
    error = bench.refusal(NAME)
    assert type(error) is Unavailable
    assert "answered newNonce without a nonce" in str(error)


# -- signatures and URLs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["order", "authorization", "certificate"])
def test_post_as_get_has_an_empty_payload(bench: AcmeBench, server: AcmeServer, kind: str) -> None:
    bench.finish(bench.request(*NAMES))
    assert {(seen.method, seen.payload) for seen in server.requests(kind)} == {("POST", b"")}


def test_challenge_is_answered_with_an_empty_object(bench: AcmeBench, server: AcmeServer) -> None:
    bench.finish(bench.request(*NAMES))
    assert [seen.payload for seen in server.requests("challenge")] == [b"{}", b"{}"]


def test_url_header_is_exactly_the_url_of_the_server(bench: AcmeBench, server: AcmeServer) -> None:
    bench.finish(bench.request(*NAMES))
    posts = [seen for seen in server.seen if seen.method == "POST"]
    assert all(seen.protected["url"] == seen.url for seen in posts)
    for unusual in ("%2F", "%7E", "~", "?via=a%2Fb&x=~"):
        assert any(unusual in seen.url for seen in posts)


def test_only_new_account_is_signed_with_jwk(bench: AcmeBench, server: AcmeServer) -> None:
    bench.finish(bench.request(NAME))
    for seen in server.seen:
        if seen.method == "POST":
            assert ("jwk" in seen.protected, "kid" in seen.protected) == (
                seen.kind == "newAccount",
                seen.kind != "newAccount",
            )


def test_requests_have_user_agent_and_content_type(bench: AcmeBench, server: AcmeServer) -> None:
    bench.finish(bench.request(NAME))
    assert all(seen.headers["User-Agent"].startswith("evercert/") for seen in server.seen)
    types = {(seen.method, seen.headers.get("Content-Type")) for seen in server.seen}
    assert types == {("GET", None), ("HEAD", None), ("POST", "application/jose+json")}


def test_certificate_is_requested_as_a_pem_chain(bench: AcmeBench, server: AcmeServer) -> None:
    bench.finish(bench.request(NAME))
    assert {seen.headers["Accept"] for seen in server.requests("certificate")} == {"application/pem-certificate-chain"}


@pytest.mark.parametrize("kind", ["directory", "newAccount", "newOrder", "order"])
def test_redirects_are_not_followed(bench: AcmeBench, server: AcmeServer, kind: str) -> None:
    server.faults.answer(kind, (307, {"Location": "https://evil.example/collect"}, b""))
    error = bench.refusal(NAME)
    assert type(error) is Misconfigured
    assert "a redirect, which is not followed; it points to https://evil.example" in str(error)


# -- accounts --------------------------------------------------------------------------------------------------------


def test_known_account_key_gets_its_account_back(bench: AcmeBench, server: AcmeServer) -> None:
    bench.finish(bench.request(NAME))
    ((account_id, account),) = bench.accounts.accounts.items()
    bench.accounts.accounts[account_id] = replace(account, url=None)
    bench.process()
    bench.finish(bench.request(NAME))
    assert [seen.status for seen in server.requests("newAccount")] == [201, 200]
    assert bench.accounts.accounts[account_id] == account


def test_account_of_another_run_is_used(bench: AcmeBench, server: AcmeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs begin at once: the other one stores its key first."""
    create = bench.accounts.create
    other = bench.seal.close(PrivateKey.generate("EC_prime256v1"), bench.issuer._account.keys.uid, 0)

    def late(account_id: str, sealed_key: str, kms_key: str | None = None) -> bool:
        create(account_id, other)
        return create(account_id, sealed_key, kms_key)

    monkeypatch.setattr(bench.accounts, "create", late)
    bench.finish(bench.request(NAME))
    assert [entry.sealed_key for entry in bench.accounts.accounts.values()] == [other]
    assert len(server.accounts) == 1


def test_account_key_of_another_stack_is_reported(bench: AcmeBench, server: AcmeServer) -> None:
    bench.finish(bench.request(NAME))
    ((account_id, account),) = bench.accounts.accounts.items()
    bench.accounts.accounts[account_id] = replace(account, sealed_key="sealed:elsewhere")
    bench.process()
    error = bench.refusal(NAME)
    assert type(error) is Misconfigured
    assert f"delete the item acme-account#{account_id} of the table to register a new account" in str(error)


def test_deleted_account_is_registered_again(bench: AcmeBench, server: AcmeServer) -> None:
    bench.finish(bench.request(NAME))
    server.delete_accounts()
    bench.finish(bench.request(NAME))
    ((_, account),) = bench.accounts.accounts.items()
    assert [known.url for known in server.accounts] == [account.url]


def test_order_of_a_deleted_account_is_placed_again(bench: AcmeBench, server: AcmeServer) -> None:
    request = bench.step(bench.request(NAME))
    assert isinstance(request, Request)
    server.delete_accounts()
    bench.finish(request)
    assert (len(server.orders), len(server.issued), bench.answers.left) == (2, 1, [])


def test_deactivated_account_is_reported(bench: AcmeBench, server: AcmeServer) -> None:
    bench.finish(bench.request(NAME))
    server.accounts[0].status = "deactivated"
    error = bench.refusal(NAME)
    assert type(error) is Misconfigured
    assert "unauthorized: Account is not valid, has status 'deactivated'; check the account at the CA" in str(error)


def test_contact_is_updated_once(bench: AcmeBench, server: AcmeServer) -> None:
    bench.finish(bench.request(NAME))
    bench.settings = bench.define(directory=server.directory, email="new@example.com")
    for _ in range(2):
        bench.process()
        bench.finish(bench.request(NAME))
    assert [known.contact for known in server.accounts] == [["mailto:new@example.com"]]
    assert len(server.requests("account")) == 1


def test_contact_of_a_deleted_account_is_registered(bench: AcmeBench, server: AcmeServer) -> None:
    bench.finish(bench.request(NAME))
    server.delete_accounts()
    bench.settings = bench.define(directory=server.directory, email="new@example.com")
    bench.process()
    bench.finish(bench.request(NAME))
    assert [known.contact for known in server.accounts] == [["mailto:new@example.com"]]


def test_invalid_contact_is_reported(server: AcmeServer, benches: Benches) -> None:
    error = benches(server, email="ops@example.org").refusal(NAME)
    assert type(error) is Misconfigured
    assert "invalidContact: Invalid contact domain" in str(error)
    assert str(error).endswith("; correct `email` of the issuer")


@pytest.mark.parametrize(
    "instance", [{"instance": "https://ca.example.com/agree?to=v2"}, {}], ids=["instance", "link only"]
)
def test_changed_terms_name_the_page_to_open(bench: AcmeBench, server: AcmeServer, instance: dict[str, str]) -> None:
    link = {"Link": f'<{TERMS}>;rel="terms-of-service"'}
    server.faults.answer(
        "newOrder", problem("userActionRequired", "Terms of service have changed", 403, link, **instance)
    )
    error = bench.refusal(NAME)
    assert type(error) is Misconfigured
    assert f"({instance.get('instance', TERMS)}); open the address that the CA names" in str(error)


def test_refused_account_key_names_the_accepted_ones(server: AcmeServer, benches: Benches) -> None:
    server.faults.algorithms = ("RS256",)
    bench = benches(server)
    error = bench.refusal(NAME)
    assert type(error) is Misconfigured
    assert "JWS alg ES256 is not supported" in str(error)
    assert str(error).endswith("(the CA accepts RS256); choose another account-key for the issuer")
    bench.settings = bench.define(**{"directory": server.directory, "account-key": "RSA_2048"})
    bench.process()
    bench.finish(bench.request(NAME))  # the refused key is not used again


@pytest.mark.parametrize("algorithm", ["EC_secp384r1", "RSA_2048", "Ed25519"])
def test_account_keys_of_other_algorithms_sign(server: AcmeServer, benches: Benches, algorithm: str) -> None:
    bench = benches(server, **{"account-key": algorithm})
    bench.finish(bench.request(NAME))


# -- problems and limits ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "expected"),
    [(400, Rejected), (403, Misconfigured), (404, Misconfigured), (409, Rejected), (422, Rejected), (500, Unavailable)],
)
def test_unknown_problem_type_is_reported(
    bench: AcmeBench, server: AcmeServer, status: int, expected: type[EvercertError]
) -> None:
    server.faults.answer("newOrder", problem("somethingNew", "no\x1b[2J way\r\nout", status), times=9)
    error = bench.refusal(NAME)
    assert type(error) is expected
    assert "somethingNew: no [2J way out" in str(error)


def test_problem_without_type_is_reported(bench: AcmeBench, server: AcmeServer) -> None:
    server.faults.answer("newOrder", (403, {"Content-Type": "text/plain"}, b'{"detail": "closed for today"}'))
    assert "the CA answered about:blank: closed for today" in str(bench.refusal(NAME))


@pytest.mark.parametrize("kind", ["newAccount", "newOrder", "order", "authorization"])
def test_page_of_a_proxy_is_reported(bench: AcmeBench, server: AcmeServer, kind: str) -> None:
    server.faults.answer(kind, page(403))
    error = bench.refusal(NAME)
    assert type(error) is Misconfigured
    assert "answered 403 without a problem document" in str(error)
    assert str(error).endswith("check the address, and any proxy in front of it")


@pytest.mark.parametrize("kind", ["newOrder", "order", "authorization", "finalize"])
def test_page_with_status_200_is_an_outage(bench: AcmeBench, server: AcmeServer, kind: str) -> None:
    server.faults.answer(kind, page(200, {"Location": "http://127.0.0.1/x"}))
    error = bench.refusal(NAME)
    assert type(error) is Unavailable
    assert "answered 200 with a body that is not JSON" in str(error)


def test_rate_limit_names_the_time_of_the_ca(bench: AcmeBench, server: AcmeServer) -> None:
    words = "too many certificates (5) already issued"
    server.faults.answer("newOrder", problem("rateLimited", words, 429, {"Retry-After": "3600"}))
    error = bench.refusal(NAME)
    assert type(error) is NotYet
    assert error.until == START + HOUR
    assert f"rateLimited: {words}" in str(error)
    assert len(server.requests("newOrder")) == 1


def test_rate_limit_with_another_status_is_one(bench: AcmeBench, server: AcmeServer) -> None:
    server.faults.answer("newOrder", problem("rateLimited", "slow down", 403, {"Retry-After": "3600"}))
    error = bench.refusal(NAME)
    assert type(error) is NotYet
    assert error.until == START + HOUR


def test_short_rate_limit_is_waited_for(bench: AcmeBench, server: AcmeServer) -> None:
    server.faults.answer("newOrder", problem("rateLimited", "slow down", 429, {"Retry-After": "2"}))
    bench.finish(bench.request(NAME))
    first, second = server.requests("newOrder")
    assert second.at - first.at == timedelta(seconds=2)
    assert first.protected["nonce"] != second.protected["nonce"]


def test_outage_of_a_load_balancer_names_its_time(bench: AcmeBench, server: AcmeServer) -> None:
    server.faults.answer("newOrder", page(503, {"Retry-After": "120"}))
    error = bench.refusal(NAME)
    assert type(error) is Unavailable
    assert error.retry_after == timedelta(minutes=2)
    assert "html" not in str(error)


@pytest.mark.parametrize("words", ["serverInternal", "rateLimited"])
def test_order_that_the_ca_spoils_is_given_up(bench: AcmeBench, server: AcmeServer, words: str) -> None:
    server.faults.failing_orders = (words, "Error finalizing order")
    error = bench.refusal(NAME)
    assert type(error) is GaveUp  # a new revision orders again
    assert f"{words}: Error finalizing order" in str(error)
    assert bench.answers.left == []


@pytest.mark.parametrize(
    "kind", ["newAccount", "newOrder", "order", "authorization", "challenge", "finalize", "certificate"]
)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_dropped_connection_is_survived(bench: AcmeBench, server: AcmeServer, kind: str, after: bool) -> None:
    server.faults.drop(kind, after=after)
    bench.finish(bench.request(*NAMES))
    assert (len(server.accounts), len(server.issued), bench.answers.left) == (1, 1, [])
