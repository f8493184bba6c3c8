"""Keys of issuers: cached, fetched again when they rotate, kept for a while during an outage."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from evercert.authority.logins import key_sets
from evercert.authority.logins.bounds import matches_path
from evercert.authority.logins.key_sets import KeySets, read_certificates, read_jwks, read_public_key
from evercert.errors import Misconfigured, Unavailable
from tests.doubles.authority.token_issuers import PROVIDER, TokenIssuers, jwk_set
from tests.doubles.fakes import HandClock
from tests.doubles.infisical.ca import new_key
from tests.doubles.infisical.identity_providers import shared_key

URL = f"{PROVIDER}/keys"


class Bench:
    """Keys of a provider, at a clock that tests set."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.issuers = TokenIssuers(self.clock)
        self.keys = KeySets(self.issuers, self.clock)

    def ids(self, wanted: str = "one") -> set[str]:
        return {one.id for one in self.keys.discovered(PROVIDER, "", wanted)}

    @property
    def fetches(self) -> int:
        return len([url for url, _ in self.issuers.fetched if url == URL])


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_keys_are_fetched_once(bench: Bench) -> None:
    for _ in range(5):
        assert bench.ids() == {"one"}
    assert bench.fetches == 1
    bench.clock.advance(minutes=11)
    bench.ids()
    assert bench.fetches == 2


def test_new_key_is_found_at_once(bench: Bench) -> None:
    bench.ids()
    bench.clock.advance(seconds=31)
    bench.issuers.provider.keys = {"two": shared_key(2)}
    assert bench.ids("two") == {"two"}
    assert bench.ids("one") == {"two"}  # withdrawn
    assert bench.fetches == 2


def test_unknown_key_ids_cause_few_fetches(bench: Bench) -> None:
    for number in range(100):
        assert bench.ids(f"unknown-{number}") == {"one"}
    assert bench.fetches == 1
    bench.clock.advance(seconds=31)
    for number in range(100):
        bench.ids(f"unknown-{number}")
    assert bench.fetches == 2


def test_outage_does_not_matter_for_an_hour(bench: Bench) -> None:
    bench.ids()
    bench.issuers.down = True
    bench.clock.advance(minutes=59)
    assert bench.ids() == {"one"}
    bench.clock.advance(minutes=2)
    with pytest.raises(Unavailable):
        bench.ids()


def test_lost_document_does_not_matter_for_an_hour(bench: Bench) -> None:
    url = f"{PROVIDER}/moved"
    bench.issuers.changed[url] = jwk_set({"one": shared_key(3)})
    assert bench.keys.at(url, "", "one")
    del bench.issuers.changed[url]
    bench.clock.advance(minutes=59)
    assert bench.keys.at(url, "", "one")
    bench.clock.advance(minutes=2)
    with pytest.raises(Misconfigured):
        bench.keys.at(url, "", "one")


def test_clock_that_goes_back_fetches_again(bench: Bench) -> None:
    bench.ids()
    bench.clock.now -= timedelta(hours=2)
    bench.ids()
    assert bench.fetches == 2


def test_cache_is_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_sets, "MOST_DOCUMENTS", 3)
    for number in range(10):
        url = f"{PROVIDER}/{number}"
        bench.issuers.changed[url] = jwk_set({"one": shared_key(3)})
        bench.keys.at(url, "", "one")
    assert len(bench.keys._cache) == 3


def test_certificates_are_part_of_the_cache(bench: Bench) -> None:
    bench.keys.at(URL, "", "one")
    bench.keys.at(URL, "private", "one")
    assert bench.issuers.fetched == [(URL, ""), (URL, "private")]


@pytest.mark.parametrize("document", [None, [], {}, {"keys": None}, {"keys": []}, {"keys": [1, {"kty": "RSA"}]}])
def test_set_without_keys_is_a_fault_of_the_address(bench: Bench, document: Any) -> None:
    bench.issuers.changed[URL] = document
    with pytest.raises(Misconfigured, match="no usable keys"):
        bench.ids()


@pytest.mark.parametrize("document", [None, [], {}, {"jwks_uri": 1}])
def test_provider_without_a_set_is_a_fault_of_the_address(bench: Bench, document: Any) -> None:
    bench.issuers.changed[f"{PROVIDER}/.well-known/openid-configuration"] = document
    with pytest.raises(Misconfigured, match="no jwks_uri"):
        bench.ids()


def test_other_kinds_of_keys_are_left_out() -> None:
    rsa, ec = shared_key(), new_key("EC_prime256v1")
    listed = jwk_set({"rsa": rsa, "ec": ec})["keys"]
    listed += [
        {**listed[0], "kid": "enc", "use": "enc"},
        {"kty": "oct", "k": "AAAA", "kid": "mac"},
        {**listed[0], "kid": "private", "d": "AAAA"},
        {**listed[0], "kid": 5},
        {**listed[0], "n": 7},
    ]
    assert [one.id for one in read_jwks({"keys": listed})] == ["rsa", "ec"]


@pytest.mark.parametrize("document", [None, [], {"a": "x"}, {"a": 1}])
def test_invalid_certificates_are_left_out(document: Any) -> None:
    assert read_certificates(document) == ()


@pytest.mark.parametrize("text", ["", "x", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"])
def test_invalid_public_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a public key in PEM"):
        read_public_key(text)


@pytest.mark.parametrize(
    ("pattern", "value", "found"),
    [
        ("repo:acme/shop:*", "repo:acme/shop:environment:prod", True),
        ("repo:acme/shop:*", "repo:acme/shop:ref:refs/heads/main", False),
        ("repo:acme/**", "repo:acme/shop:ref:refs/heads/main", True),
        ("repo:acme/*", "repo:acme", False),
        ("**", "a/b/c", True),
        ("**/c", "a/b/c", True),
        ("a/**/c", "a/c", True),
        ("a/**/c", "a/b", False),
        ("*", "", True),
        ("*", "a/b", False),
        ("a*b", "ab", True),
        ("A", "a", False),
        ("a.b", "aXb", False),
        ("**", "/" * 200, False),
    ],
)
def test_patterns(pattern: str, value: str, found: bool) -> None:
    assert matches_path(pattern, value) is found
