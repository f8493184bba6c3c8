"""Mistakes of operators and CAs: each gives one line with the CA's words and what to do, and stores no secret."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from evercert.contracts.record import Pending, Record
from evercert.errors import EvercertError, Misconfigured, NotProven, Rejected, Unsuited
from evercert.issuance import answer_check
from tests.contract.issuers.acme.conftest import Benches
from tests.doubles.acme import AcmeBench
from tests.doubles.acme_server import AcmeServer
from tests.doubles.acme_server import certificate_answers as junk
from tests.doubles.acme_server.answers import page, reply
from tests.doubles.fakes import HandClock

NAME = "www.example.com"
NAMES = ("a.example.com", "b.example.com", "c.example.com")
MAC_KEY = b"the MAC key of a test, 32 octets"
MAC_TEXT = base64.urlsafe_b64encode(MAC_KEY).decode()
CREDENTIAL = "evercert/credentials/eab"
EXTERNAL = {"external-account": {"key-id": "kid-1", "hmac-key": {"aws-secret": CREDENTIAL}}}


def require_no_secret(bench: AcmeBench, error: EvercertError) -> None:
    """Fail if a secret is in the message or in the stored account."""
    text = f"{error} {bench.accounts.accounts} {bench.answers}"
    secrets = [MAC_TEXT.rstrip("="), MAC_KEY.decode(), *junk.SECRET.splitlines()[1:-1]]
    assert not [secret for secret in secrets if secret in text]


# -- the directory ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (page(), "is not the directory of an ACME server"),
        (reply([]), "is not the directory of an ACME server (a directory is a JSON object)"),
        (reply({}), "(newNonce is missing or not a URL)"),
        (reply({"newNonce": 5}), "(newNonce is missing or not a URL)"),
        (page(404), "answered 404 without a problem document"),
        (reply({"error": "no such route"}, 404), "answered 404 without a problem document"),
    ],
    ids=["HTML", "list", "empty", "number", "HTML 404", "JSON 404"],
)
def test_address_of_something_else_is_reported(bench: AcmeBench, server: AcmeServer, answer: Any, words: str) -> None:
    server.faults.answer("directory", answer)
    error = bench.refusal(NAME)
    assert type(error) is Misconfigured
    assert words in str(error)
    assert server.directory in str(error)
    assert "check the address" in str(error)
    assert not [entry for entry in bench.accounts.accounts.values() if entry.url]


def test_directory_without_new_order_is_reported(bench: AcmeBench, server: AcmeServer) -> None:
    server.faults.directory = lambda body: {key: value for key, value in body.items() if key != "newOrder"}
    error = bench.refusal(NAME)
    assert type(error) is Misconfigured
    assert str(error).endswith("(newOrder is missing or not a URL); check the address")
    with pytest.raises(Misconfigured, match="newOrder is missing"):
        bench.issuer.reach()


@pytest.mark.parametrize("kind", ["newNonce", "newAccount", "newOrder"])
def test_directory_with_urls_of_another_host_is_reported(bench: AcmeBench, server: AcmeServer, kind: str) -> None:
    server.faults.directory = lambda body: body | {kind: "https://internal.example:8443/acme"}
    error = bench.refusal(NAME)
    assert type(error) is Misconfigured
    assert "gave a URL of another host, which is not contacted: 'https://internal.example:8443/acme'" in str(error)
    assert str(error).endswith("check the address, or the server's configuration of its own address")


@pytest.mark.parametrize("url", ["/acme/new-order", "javascript:alert(1)", "http://a b/", "//evil.example/x"])
def test_directory_with_invalid_urls_is_reported(bench: AcmeBench, server: AcmeServer, url: str) -> None:
    server.faults.directory = lambda body: body | {"newOrder": url}
    error = bench.refusal(NAME)
    assert type(error) is Misconfigured
    assert "check the address" in str(error) or "invalid address" in str(error)


@pytest.mark.parametrize("host", ["ca.example.com", "192.0.2.1"])
def test_directory_over_http_is_refused_by_the_settings(bench: AcmeBench, host: str) -> None:
    with pytest.raises(ValidationError, match="must be https://, because credentials are sent to it"):
        bench.define(directory=f"http://{host}/dir")
    assert bench.define(directory="http://127.0.0.1:14000/dir").directory


def test_directory_may_be_the_root_of_its_host(server: AcmeServer, benches: Benches) -> None:
    error = benches(server, directory=server.address).refusal(NAME)
    assert f"{server.address}/ is not the directory of an ACME server (malformed: Page not found)" in str(error)
    assert [seen.url for seen in server.seen] == [f"{server.address}/"]


def test_reach_reads_the_directory_only(bench: AcmeBench, server: AcmeServer) -> None:
    bench.issuer.reach()
    assert [(seen.kind, seen.method) for seen in server.seen] == [("directory", "GET")]


# -- accounts --------------------------------------------------------------------------------------------------------


@pytest.fixture
def closed(clock: HandClock, benches: Benches) -> Any:
    """Return a function that makes the issuer of a server with external accounts."""
    with AcmeServer(clock, external={"kid-1": MAC_KEY}) as server:

        def make(key: str = MAC_TEXT, key_id: str = "kid-1", **settings: Any) -> AcmeBench:
            external = {"external-account": {**EXTERNAL["external-account"], "key-id": key_id, **settings}}
            bench = benches(server, **external)
            bench.vault.store(CREDENTIAL, {"address": server.directory, "hmac-key": key})
            return bench

        make.server = server  # type: ignore[attr-defined]
        yield make


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_external_account_is_bound(closed: Callable[..., AcmeBench], algorithm: str) -> None:
    bench = closed(algorithm=algorithm)
    bench.finish(bench.request(NAME))
    assert MAC_KEY.decode() not in repr(bench.accounts.accounts)


@pytest.mark.parametrize(
    ("key", "key_id", "words"),
    [
        (base64.urlsafe_b64encode(b"x" + MAC_KEY).decode(), "kid-1", "malformed: [External Account Binding] the MAC"),
        (MAC_TEXT, "kid-2", "malformed: [External Account Binding] unknown key identifier"),
        ("not base64url!", "kid-1", "the HMAC key is not base64url; copy it from the CA again"),
    ],
    ids=["MAC key", "key id", "text"],
)
def test_wrong_external_account_is_reported(
    closed: Callable[..., AcmeBench], key: str, key_id: str, words: str
) -> None:
    bench = closed(key, key_id)
    error = bench.refusal(NAME)
    assert type(error) is Misconfigured  # not Rejected: an operator corrects the issuer, not the certificate
    assert words in str(error)
    assert "copy it from the CA again" in str(error) or str(error).endswith("check external-account of the issuer")
    assert key not in str(error)
    require_no_secret(bench, error)
    bench.vault.store(CREDENTIAL, {"address": bench.settings.directory, "hmac-key": MAC_TEXT})
    bench.settings = bench.define(**{"directory": bench.settings.directory, **EXTERNAL})
    bench.process()
    bench.finish(bench.request(NAME))


def test_missing_external_account_is_reported(closed: Any, benches: Benches) -> None:
    bench = benches(closed.server)
    error = bench.refusal(NAME)
    assert type(error) is Misconfigured
    assert "externalAccountRequired" in str(error)
    assert "set external-account of the issuer to the key id and the HMAC key" in str(error)
    with pytest.raises(Misconfigured, match="needs an external account; set external-account of the issuer"):
        bench.process().reach()


# -- orders ----------------------------------------------------------------------------------------------------------


def test_unknown_profile_is_reported_before_the_order(server: AcmeServer, benches: Benches) -> None:
    error = benches(server, profile="tls-server").refusal(NAME)
    assert type(error) is Misconfigured
    assert "has no profile 'tls-server' (known: classic, shortlived); correct `profile` of the issuer" in str(error)
    assert server.requests("newOrder") == []


def test_profile_that_the_ca_refuses_is_reported(clock: HandClock, benches: Benches) -> None:
    with AcmeServer(clock, profiles={}) as server:
        error = benches(server, profile="tls-server").refusal(NAME)
    assert type(error) is Misconfigured
    assert "invalidProfile: requested certificate profile 'tls-server' is not known" in str(error)
    assert str(error).endswith("correct `profile` of the issuer")


def test_profile_is_ordered(server: AcmeServer, benches: Benches) -> None:
    bench = benches(server, profile="shortlived")
    leaf = bench.finish(bench.request(NAME)).chain.leaf
    assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days == 6


CAA = ("caa", f"CAA record for {NAME} prevents issuance")


@pytest.mark.parametrize("moment", ["newOrder", "validation", "finalize"])
def test_caa_refusal_is_rejected(bench: AcmeBench, server: AcmeServer, moment: str) -> None:
    match moment:
        case "newOrder":
            server.faults.refused = {NAME: CAA}
        case "validation":
            server.faults.failing = {NAME: CAA}
        case "finalize":
            server.faults.failing_orders = CAA
    error = bench.refusal(NAME)
    assert type(error) is Rejected
    assert f"caa: {CAA[1]}" in str(error)
    assert bench.answers.left == []


def test_refused_name_among_three_is_named(bench: AcmeBench, server: AcmeServer) -> None:
    server.faults.refused = {NAMES[1]: ("rejectedIdentifier", "The ACME server refuses this name by policy")}
    error = bench.refusal(*NAMES)
    assert type(error) is Rejected
    assert f"({NAMES[1]}: rejectedIdentifier: The ACME server refuses this name by policy)" in str(error)
    assert NAMES[0] not in str(error) and NAMES[2] not in str(error)


def test_each_refused_name_has_its_reason(bench: AcmeBench, server: AcmeServer) -> None:
    server.faults.refused = {
        NAMES[0]: ("rejectedIdentifier", "on the block list"),
        NAMES[2]: ("caa", "CAA forbids it"),
    }
    error = bench.refusal(*NAMES)
    assert type(error) is Rejected
    assert f"({NAMES[0]}: rejectedIdentifier: on the block list; {NAMES[2]}: caa: CAA forbids it)" in str(error)


def test_each_failed_name_has_its_reason(bench: AcmeBench, server: AcmeServer) -> None:
    server.faults.failing = {NAMES[0]: ("dns", "NXDOMAIN"), NAMES[2]: ("connection", "timed out")}
    error = bench.refusal(*NAMES)
    assert type(error) is NotProven
    assert f"2 name(s): {NAMES[0]}: dns: NXDOMAIN; {NAMES[2]}: connection: timed out" in str(error)
    assert str(error).endswith("check DNS, web host and solver")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("ops@example.com", NAME), "ACME has DNS names and IP addresses only, not email:ops@example.com; remove them"),
        (("*.example.com",), "http-01 cannot prove control of the wildcard *.example.com: choose a DNS solver for it"),
    ],
    ids=["e-mail", "wildcard"],
)
def test_impossible_name_is_rejected_before_the_order(
    bench: AcmeBench, server: AcmeServer, names: tuple[str, ...], words: str
) -> None:
    error = bench.refusal(*names)
    assert type(error) is Unsuited
    assert words in str(error)
    assert server.seen == []


def test_name_without_a_solver_is_rejected(server: AcmeServer, benches: Benches) -> None:
    error = benches(server, solvers=[{"type": "http-01", "zones": ["example.net"]}]).refusal(NAME)
    assert type(error) is Unsuited
    assert f"no solver matches {NAME}: add one for it, or one without names and zones" in str(error)
    assert server.seen == []


# -- certificates ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        junk.with_private_key,
        junk.with_private_key_first,
        junk.truncated,
        junk.truncated_leaf,
        junk.truncated_in_the_chain,
        junk.empty,
    ],
    ids=lambda function: function.__name__,
)
def test_junk_in_the_certificate_answer_is_refused(
    bench: AcmeBench, server: AcmeServer, answer: Callable[[list[str]], str]
) -> None:
    server.faults.certificate = answer
    error = bench.refusal(NAME)
    assert type(error) is Misconfigured
    assert "did not answer with a certificate chain" in str(error)
    assert str(error).endswith("ask the CA")
    require_no_secret(bench, error)


@pytest.mark.parametrize("answer", [junk.with_text, junk.duplicated], ids=lambda function: function.__name__)
def test_unusual_certificate_answer_is_read(
    bench: AcmeBench, server: AcmeServer, answer: Callable[[list[str]], str]
) -> None:
    server.faults.certificate = answer
    issued = bench.finish(bench.request(NAME))
    assert issued.chain.leaf == server.issued[0]


@pytest.mark.parametrize("answer", [junk.for_another_key, junk.leaf_last], ids=["another key", "leaf last"])
def test_certificate_for_another_key_is_refused(
    bench: AcmeBench, server: AcmeServer, answer: Callable[[list[str]], str]
) -> None:
    """It is not revoked: it may be that of another certificate, to which the CA gave the same order."""
    server.faults.certificate = answer
    error = bench.refusal(NAME)
    assert type(error) is Rejected
    assert "a certificate for another key than that of the CSR; ask it" in str(error)
    assert (len(server.orders), server.revoked) == (2, set())


def test_chain_of_the_double_passes_the_check(bench: AcmeBench, clock: HandClock) -> None:
    request = bench.request(NAME)
    verdict = answer_check.check(*_stored(request), bench.finish(request), clock.now)
    assert (verdict.mismatches, verdict.chain_faults) == ([], [])


def _stored(request: Any) -> tuple[Record, Pending]:
    """Return the record and the revision of a request, as a run has them."""
    record = Record(name="web", uid="8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44", spec=request.spec, generation=1)
    pending = Pending(
        revision=1, reason="missing", generation=1, issuer="main", request_hash="", issuer_hash="", csr=request.csr
    )
    return record, pending
