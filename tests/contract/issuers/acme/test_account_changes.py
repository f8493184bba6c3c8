"""Changes of an account: another key (RFC 8555 §7.3.5), deactivation (§7.3.6), contacts, keys in KMS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from evercert.acme import base64url, jws
from evercert.acme.jwk import from_jwk, thumbprint, to_jwk
from evercert.contracts.accounts import StoredAccount
from evercert.contracts.issuer import HasAccount, Request
from evercert.errors import EvercertError, Misconfigured, NotProven, Unavailable
from evercert.issuers.acme.account import MOST_CONTACTS
from evercert.pki.keys import PrivateKey
from tests.contract.issuers.acme.conftest import Benches
from tests.doubles.acme import AcmeBench
from tests.doubles.acme_server import AcmeServer
from tests.doubles.acme_server.answers import problem, reply

NAME = "www.example.com"


def stored(bench: AcmeBench) -> StoredAccount:
    (account,) = bench.accounts.accounts.values()
    return account


def store(bench: AcmeBench, **changes: Any) -> None:
    ((account_id, account),) = bench.accounts.accounts.items()
    bench.accounts.accounts[account_id] = replace(account, **changes)


def sealed(bench: AcmeBench) -> tuple[str, PrivateKey]:
    """Return a new key of the account, sealed and open."""
    key, uid = PrivateKey.generate("EC_prime256v1"), bench.issuer._account.keys.uid
    return bench.seal.close(key, uid, 0), key


def refusal(change: Any) -> EvercertError:
    with pytest.raises(EvercertError) as refused:
        change()
    assert str(refused.value).isprintable()
    return refused.value


@pytest.fixture
def registered(bench: AcmeBench) -> AcmeBench:
    bench.finish(bench.request(NAME))
    bench.process()
    return bench


@pytest.fixture
def other(benches: Benches, server: AcmeServer, bench: AcmeBench) -> AcmeBench:
    """Return another issuer of the same account, in a process of its own."""
    made = benches(server, name="other", email="other@example.com")
    made.accounts, made.seal, made.answers = bench.accounts, bench.seal, bench.answers
    made.process()
    server.use(bench.answers)
    return made


@pytest.fixture(autouse=True)
def _stored_key_is_that_of_the_account(server: AcmeServer, bench: AcmeBench) -> Iterator[None]:
    """After each test, the CA has one active account, by the stored key: or by the next one, if a change is unfinished."""
    yield
    active = [account for account in server.accounts if account.status == "valid"]
    if bench.accounts.accounts and active and stored(bench).kms_key is None and not stored(bench).deactivated:
        keys = [text for text in (stored(bench).sealed_key, stored(bench).next_key) if text]
        known = [to_jwk(bench.seal.open(text, bench.issuer._account.keys.uid, 0).public_key) for text in keys]
        assert any(account.jwk in known for account in active)


# -- key change ------------------------------------------------------------------------------------------------------


def test_issuer_has_an_account(bench: AcmeBench) -> None:
    assert isinstance(bench.issuer, HasAccount)


def test_rotated_key_signs_the_next_order(registered: AcmeBench, server: AcmeServer) -> None:
    before, url = stored(registered), server.accounts[0].url
    assert registered.issuer.account.rotate_key() == f"changed the key of {url}"
    assert stored(registered) == replace(before, sealed_key=stored(registered).sealed_key)
    assert stored(registered).sealed_key != before.sealed_key
    registered.finish(registered.request(NAME))
    registered.process()
    registered.finish(registered.request(NAME))
    assert (len(server.accounts), server.key_changes) == (1, 1)
    assert server.accounts[0].url == url


def test_key_change_is_signed_by_both_keys(registered: AcmeBench, server: AcmeServer) -> None:
    account = server.accounts[0]
    old = account.jwk
    registered.issuer.account.rotate_key()
    (seen,) = server.requests("keyChange")
    assert (seen.protected["kid"], "jwk" in seen.protected) == (account.url, False)
    inner = jws.of_members(json.loads(seen.payload))
    jws.verify(inner, from_jwk(inner.protected["jwk"]))
    assert set(inner.protected) == {"alg", "jwk", "url"}
    assert inner.protected["url"] == seen.url == seen.protected["url"]
    assert json.loads(inner.payload) == {"account": account.url, "oldKey": old}
    assert thumbprint(account.jwk) == thumbprint(inner.protected["jwk"]) != thumbprint(old)


def test_each_rotation_makes_another_key(registered: AcmeBench, server: AcmeServer) -> None:
    keys = set()
    for _ in range(6):
        registered.issuer.account.rotate_key()
        keys.add(thumbprint(server.accounts[0].jwk))
    registered.finish(registered.request(NAME))
    assert (len(keys), server.key_changes, len(server.accounts)) == (6, 6, 1)


def test_rotation_needs_a_registered_account(bench: AcmeBench, server: AcmeServer) -> None:
    error = refusal(bench.issuer.account.rotate_key)
    assert type(error) is Misconfigured
    assert str(error) == f"no account is registered at {server.directory}: nothing to change"
    assert bench.accounts.accounts == {}


def test_rotation_needs_key_change_in_the_directory(registered: AcmeBench, server: AcmeServer) -> None:
    before = stored(registered)
    server.faults.directory = lambda body: {name: value for name, value in body.items() if name != "keyChange"}
    error = refusal(registered.issuer.account.rotate_key)
    assert type(error) is Misconfigured and "has no keyChange: the CA cannot change account keys" in str(error)
    assert stored(registered) == before


def test_next_key_is_stored_before_it_is_sent(registered: AcmeBench, server: AcmeServer) -> None:
    server.faults.answer("keyChange", problem("serverInternal", "try later", 500), times=9)
    before = stored(registered)
    assert type(refusal(registered.issuer.account.rotate_key)) is Unavailable
    assert stored(registered) == replace(before, next_key=stored(registered).next_key)
    assert stored(registered).next_key is not None
    assert registered.issuer.check_account().endswith("; a key change is not finished: run rotate-key again")


def test_unfinished_rotation_continues_with_its_key(registered: AcmeBench, server: AcmeServer) -> None:
    text, key = sealed(registered)
    store(registered, next_key=text)
    registered.issuer.account.rotate_key()
    assert stored(registered).sealed_key == text
    assert server.accounts[0].jwk == to_jwk(key.public_key)


def test_rotation_finishes_a_change_that_took_effect(registered: AcmeBench, server: AcmeServer) -> None:
    text, key = sealed(registered)
    store(registered, next_key=text)
    server.accounts[0].jwk = to_jwk(key.public_key)
    assert registered.issuer.account.rotate_key().startswith("finished the change of the key of ")
    assert (stored(registered).sealed_key, stored(registered).next_key) == (text, None)
    assert server.requests("keyChange") == []


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_lost_answer_of_key_change_is_survived(registered: AcmeBench, server: AcmeServer, after: bool) -> None:
    """The repeated request is refused, because the first one took effect."""
    server.faults.drop("keyChange", after=after)
    registered.issuer.account.rotate_key()
    assert stored(registered).next_key is None
    registered.finish(registered.request(NAME))
    assert (len(server.accounts), server.key_changes) == (1, 1)


def test_refused_key_change_keeps_both_keys(registered: AcmeBench, server: AcmeServer) -> None:
    server.faults.answer("keyChange", problem("badPublicKey", "not this one", 400))
    before = stored(registered)
    error = refusal(registered.issuer.account.rotate_key)
    assert "cannot change the key of the account at" in str(error) and "badPublicKey: not this one" in str(error)
    assert (stored(registered).sealed_key, stored(registered).next_key is None) == (before.sealed_key, False)
    registered.finish(registered.request(NAME))


def test_old_key_stays_until_the_ca_knows_the_new_one(registered: AcmeBench, server: AcmeServer) -> None:
    """A CA that accepts the change, and ignores it."""
    server.faults.answer("keyChange", reply({}))
    before = stored(registered)
    error = refusal(registered.issuer.account.rotate_key)
    assert type(error) is Unavailable and "run the command again" in str(error)
    assert stored(registered).sealed_key == before.sealed_key
    registered.process().account.rotate_key()
    registered.finish(registered.request(NAME))
    assert len(server.accounts) == 1


@pytest.mark.parametrize("answer", [None, reply({})], ids=["409", "200"])
def test_key_of_another_account_is_a_conflict(registered: AcmeBench, server: AcmeServer, answer: Any) -> None:
    """Pebble answers with 200."""
    if answer is not None:
        server.faults.answer("keyChange", answer)
    text, key = sealed(registered)
    store(registered, next_key=text)
    url, jwk = server.directory.replace("/dir", "/sign-me%2Fup"), to_jwk(key.public_key)
    registered.issuer._connection.post(url, {"termsOfServiceAgreed": True}, key, {"jwk": jwk})
    assert len(server.accounts) == 2
    error = refusal(registered.issuer.account.rotate_key)
    assert type(error) is Misconfigured
    assert "another account at" in str(error) and "run the command again, which makes another key" in str(error)
    assert stored(registered).next_key is None
    registered.issuer.account.rotate_key()
    registered.finish(registered.request(NAME))
    assert (len(server.accounts), server.key_changes) == (2, 1)


# -- key change and other runs ---------------------------------------------------------------------------------------


def test_process_with_the_old_key_takes_the_new_one(
    registered: AcmeBench, other: AcmeBench, server: AcmeServer
) -> None:
    other.finish(other.request(NAME))
    registered.issuer.account.rotate_key()
    other.finish(other.request(NAME))
    assert (len(server.accounts), server.key_changes) == (1, 1)
    assert {seen.kind for seen in server.seen if seen.status == 400} == {"newAccount", "newOrder"}


@pytest.mark.parametrize("kind", ["accountDoesNotExist", "unauthorized", "malformed"])
def test_order_finishes_a_change_that_took_effect(registered: AcmeBench, server: AcmeServer, kind: str) -> None:
    """Servers answer a request of the old key in three ways."""
    text, key = sealed(registered)
    store(registered, next_key=text)
    server.accounts[0].jwk = to_jwk(key.public_key)
    server.faults.answer("newOrder", problem(kind, "wrong key", 401 if kind == "unauthorized" else 400))
    registered.finish(registered.request(NAME))
    assert (stored(registered).sealed_key, stored(registered).next_key) == (text, None)
    assert len(server.accounts) == 1


def test_order_uses_the_old_key_before_the_change(registered: AcmeBench, server: AcmeServer) -> None:
    before = stored(registered)
    text, _ = sealed(registered)
    store(registered, next_key=text)
    registered.finish(registered.request(NAME))
    assert stored(registered) == replace(before, next_key=text)
    assert len(server.accounts) == 1


def test_lost_account_with_a_next_key_is_registered_with_the_key(registered: AcmeBench, server: AcmeServer) -> None:
    before = stored(registered)
    text, _ = sealed(registered)
    store(registered, next_key=text)
    server.delete_accounts()
    registered.finish(registered.request(NAME))
    assert (stored(registered).sealed_key, stored(registered).next_key) == (before.sealed_key, text)
    registered.issuer.account.rotate_key()
    assert (len(server.accounts), stored(registered).sealed_key) == (1, text)


def test_other_refusals_ask_for_no_account(registered: AcmeBench, server: AcmeServer) -> None:
    server.faults.answer("newOrder", problem("malformed", "no identifiers", 400), times=2)
    registered.refusal(NAME)
    assert [seen.status for seen in server.requests("newAccount")] == [201]


def test_rotations_at_once_use_one_key(registered: AcmeBench, other: AcmeBench, server: AcmeServer) -> None:
    begin = registered.accounts.begin_key_change

    def late(*given: Any) -> bool:
        registered.accounts.begin_key_change = begin  # type: ignore[method-assign]
        other.issuer.account.rotate_key()
        return begin(*given)

    registered.accounts.begin_key_change = late  # type: ignore[method-assign]
    error = refusal(registered.issuer.account.rotate_key)
    assert type(error) is Unavailable and "was changed by another run meanwhile" in str(error)
    assert (server.key_changes, stored(registered).next_key) == (1, None)


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_order_in_progress_survives_a_key_change(registered: AcmeBench, server: AcmeServer, steps: int) -> None:
    """Answers that are published for the old key are removed; the CA refuses them, and the order is placed again."""
    request = registered.request("a.example.com", "b.example.com")
    for _ in range(steps):
        answer = registered.step(request)
        assert isinstance(answer, Request)
        request = answer
    registered.process().account.rotate_key()
    try:
        registered.finish(request)
    except NotProven:
        registered.finish(registered.request("a.example.com", "b.example.com"))
    assert registered.answers.left == []
    assert len(server.accounts) == 1


def test_published_answers_of_the_old_key_are_removed(benches: Benches, server: AcmeServer) -> None:
    bench = benches(server)
    request = bench.request(NAME)
    while not bench.answers.answers:
        answer = bench.step(request)
        assert isinstance(answer, Request)
        request = answer
    bench.process().account.rotate_key()
    bench.issuer.cancel(request.handle or "")
    assert bench.answers.left == []


# -- deactivation ----------------------------------------------------------------------------------------------------
DEACTIVATED = "was deactivated; to register another one, run: evercert issuer register-account letsencrypt"


def test_deactivated_account_is_not_registered_again(registered: AcmeBench, server: AcmeServer) -> None:
    assert registered.issuer.account.deactivate() == f"deactivated {server.accounts[0].url}"
    assert server.accounts[0].status == "deactivated"
    for _ in range(2):
        error = registered.refusal(NAME)
        assert type(error) is Misconfigured and str(error).endswith(DEACTIVATED)
        registered.process()
    assert len(server.accounts) == 1
    assert DEACTIVATED in str(refusal(registered.issuer.check_account))
    assert DEACTIVATED in str(refusal(registered.issuer.account.rotate_key))
    assert stored(registered).next_key is None


def test_other_process_notices_the_deactivation(registered: AcmeBench, other: AcmeBench, server: AcmeServer) -> None:
    other.finish(other.request(NAME))
    registered.issuer.account.deactivate()
    assert str(other.refusal(NAME)).endswith(DEACTIVATED.replace("letsencrypt", "other"))
    assert len(server.accounts) == 1


def test_forgotten_account_stays_deactivated(registered: AcmeBench, server: AcmeServer) -> None:
    registered.issuer.account.deactivate()
    server.delete_accounts()
    assert str(registered.refusal(NAME)).endswith(DEACTIVATED)
    assert server.accounts == []


def test_deactivation_is_marked_before_it_is_sent(registered: AcmeBench, server: AcmeServer) -> None:
    server.faults.drop("account", times=99, after=True)
    assert type(refusal(registered.issuer.account.deactivate)) is Unavailable
    assert (stored(registered).deactivated, server.accounts[0].status) == (True, "deactivated")
    assert str(registered.refusal(NAME)).endswith(DEACTIVATED)


@pytest.mark.parametrize("kind", ["unauthorized", "accountDoesNotExist"])
def test_deactivation_is_repeatable(registered: AcmeBench, server: AcmeServer, kind: str) -> None:
    registered.issuer.account.deactivate()
    server.faults.answer("account", problem(kind, "no valid account", 401))
    assert registered.process().account.deactivate() == f"deactivated {server.accounts[0].url}"
    assert stored(registered).deactivated


@pytest.mark.parametrize(
    "answer", [problem("malformed", "not possible", 400), reply({"status": "valid"})], ids=["refused", "ignored"]
)
def test_refused_deactivation_removes_the_mark(registered: AcmeBench, server: AcmeServer, answer: Any) -> None:
    before = stored(registered)
    server.faults.answer("account", answer)
    error = refusal(registered.issuer.account.deactivate)
    assert type(error) is Misconfigured and "cannot deactivate the account at" in str(error)
    assert stored(registered) == before
    registered.finish(registered.request(NAME))


@pytest.mark.parametrize("switched", [False, True], ids=["old key", "new key"])
def test_deactivation_during_a_key_change(registered: AcmeBench, server: AcmeServer, switched: bool) -> None:
    text, key = sealed(registered)
    store(registered, next_key=text)
    if switched:
        server.accounts[0].jwk = to_jwk(key.public_key)
    registered.issuer.account.deactivate()
    assert server.accounts[0].status == "deactivated"


def test_registration_after_a_deactivation_has_another_key(registered: AcmeBench, server: AcmeServer) -> None:
    registered.issuer.account.deactivate()
    assert registered.issuer.account.register() == f"registered {server.accounts[1].url}"
    assert stored(registered).url == server.accounts[1].url
    registered.finish(registered.request(NAME))
    assert len(server.accounts) == 2
    assert server.accounts[0].jwk != server.accounts[1].jwk


def test_registration_first_finishes_the_deactivation(registered: AcmeBench, server: AcmeServer) -> None:
    store(registered, deactivated=True)
    registered.issuer.account.register()
    assert [account.status for account in server.accounts] == ["deactivated", "valid"]


def test_registration_keeps_an_active_account(registered: AcmeBench, server: AcmeServer) -> None:
    before = stored(registered)
    assert registered.issuer.account.register() == f"registered {before.url}"
    assert (stored(registered), len(server.accounts)) == (before, 1)


def test_registration_needs_no_certificate(bench: AcmeBench, server: AcmeServer) -> None:
    assert bench.issuer.account.register() == f"registered {server.accounts[0].url}"
    bench.finish(bench.request(NAME))
    assert len(server.accounts) == 1


def test_deactivation_needs_a_registered_account(bench: AcmeBench) -> None:
    assert "no account is registered at" in str(refusal(bench.issuer.account.deactivate))


# -- contacts --------------------------------------------------------------------------------------------------------


def test_contacts_of_two_issuers_do_not_alternate(registered: AcmeBench, other: AcmeBench, server: AcmeServer) -> None:
    """The email that changed last is the contact."""
    for bench in (registered, other) * 3:
        bench.process()
        bench.finish(bench.request(NAME))
    assert (len(server.requests("account")), len(server.accounts)) == (1, 1)
    assert server.accounts[0].contact == ["mailto:other@example.com"]
    for email in ("new@example.com", "ops@example.com"):
        registered.settings = registered.define(directory=server.directory, email=email)
        for bench in (registered, other, registered):
            bench.process()
            bench.finish(bench.request(NAME))
        assert server.accounts[0].contact == [f"mailto:{email}"]
    assert len(server.requests("account")) == 3


def test_issuer_without_email_changes_no_contact(registered: AcmeBench, other: AcmeBench, server: AcmeServer) -> None:
    other.settings = other.define("other", directory=server.directory)
    other.process()
    other.finish(other.request(NAME))
    assert server.accounts[0].contact == ["mailto:ops@example.com"]
    registered.settings = registered.define(directory=server.directory)
    registered.process()
    registered.finish(registered.request(NAME))
    assert (server.accounts[0].contact, len(server.requests("account"))) == ([], 1)


def test_contact_of_a_known_account_is_sent(registered: AcmeBench, server: AcmeServer) -> None:
    """The answer of the registration was lost: a CA ignores the contacts of a known key (§7.3)."""
    store(registered, url=None, contact=(), contacts={})
    registered.settings = registered.define(directory=server.directory, email="new@example.com")
    registered.process()
    registered.finish(registered.request(NAME))
    assert [seen.status for seen in server.requests("newAccount")] == [201, 200]
    assert server.accounts[0].contact == ["mailto:new@example.com"]
    assert stored(registered).contact == ("mailto:new@example.com",)


def test_contact_is_changed_by_the_new_key(registered: AcmeBench, server: AcmeServer) -> None:
    text, key = sealed(registered)
    store(registered, next_key=text)
    server.accounts[0].jwk = to_jwk(key.public_key)
    registered.settings = registered.define(directory=server.directory, email="new@example.com")
    registered.process()
    registered.finish(registered.request(NAME))
    assert (server.accounts[0].contact, stored(registered).sealed_key) == (["mailto:new@example.com"], text)


def test_contacts_of_issuers_are_bounded(registered: AcmeBench, other: AcmeBench) -> None:
    store(registered, contacts={f"issuer-{number}": "" for number in range(MOST_CONTACTS)})
    other.finish(other.request(NAME))
    assert stored(registered).contacts == {"other": "mailto:other@example.com"}


# -- keys in KMS -----------------------------------------------------------------------------------------------------


def kms_bench(benches: Benches, server: AcmeServer, algorithm: str = "EC_prime256v1") -> AcmeBench:
    bench = benches(server)
    key = bench.kms.add(algorithm)
    bench.settings = bench.define(**{"directory": server.directory, "email": "ops@example.com", "account-key": key})
    bench.process()
    return bench


@pytest.mark.parametrize(
    ("algorithm", "word"),
    [("EC_prime256v1", "ES256"), ("EC_secp384r1", "ES384"), ("RSA_2048", "RS256"), ("RSA_4096", "RS256")],
)
def test_kms_key_signs_for_the_account(benches: Benches, server: AcmeServer, algorithm: str, word: str) -> None:
    bench = kms_bench(benches, server, algorithm)
    assert bench.issuer.check_account() == "not registered: the first certificate registers it"
    bench.finish(bench.request(NAME), restart=True)
    posts = [seen for seen in server.seen if seen.method == "POST"]
    assert {seen.protected["alg"] for seen in posts} == {word}
    expected = StoredAccount(
        None, server.accounts[0].url, ("mailto:ops@example.com",), {"letsencrypt": "mailto:ops@example.com"},
        bench.settings.kms_key,
    )  # fmt: skip
    assert (stored(bench), len(server.accounts)) == (expected, 1)


def test_kms_key_is_not_rotated(benches: Benches, server: AcmeServer) -> None:
    bench = kms_bench(benches, server)
    bench.finish(bench.request(NAME))
    error = refusal(bench.issuer.account.rotate_key)
    assert type(error) is Misconfigured
    assert "which evercert cannot replace; set account-key of the issuer to another key" in str(error)


def test_account_of_a_kms_key_is_deactivated_for_good(benches: Benches, server: AcmeServer) -> None:
    bench = kms_bench(benches, server)
    bench.finish(bench.request(NAME))
    bench.issuer.account.deactivate()
    assert str(bench.refusal(NAME)).endswith(DEACTIVATED)
    assert "set account-key of the issuer to another key" in str(refusal(bench.issuer.account.register))


def test_disabled_kms_key_is_reported(benches: Benches, server: AcmeServer) -> None:
    bench = kms_bench(benches, server)
    bench.kms.disabled.update(bench.kms.keys)
    for error in (refusal(bench.issuer.check_account), bench.refusal(NAME)):
        assert type(error) is Misconfigured and "stack's parameter AccountKeys" in str(error)


def test_kms_signature_is_as_long_as_its_algorithm_says(benches: Benches, server: AcmeServer) -> None:
    """KMS returns ECDSA signatures as DER, JWS has two numbers of fixed length."""
    bench = kms_bench(benches, server)
    signer = bench.issuer._account.keys.ports.kms_key(str(bench.settings.kms_key))
    for number in range(50):
        signed = jws.signed(b"{}", {"nonce": str(number)}, signer)
        assert len(base64url.decode(signed["signature"])) == 64
