"""Access tokens: how long they live, how often they are used, and what is said of those that are none (§A.2, §A.7, §A.8)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from evercert.authority.api_errors import Refusal
from evercert.authority.configuration.identity import Identity
from evercert.authority.logins.access_tokens import AccessTokens
from tests.doubles.authority.access_tokens import FakeTokens
from tests.doubles.fakes import START, HandClock

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass
class Bench:
    """One identity, which may be taken away."""

    identity_: Identity | None = field(default_factory=lambda: Identity(id="one", name="one"))
    clock: HandClock = field(default_factory=HandClock)
    kept: FakeTokens = field(default_factory=FakeTokens)

    def __post_init__(self) -> None:
        self.tokens = AccessTokens(self.kept, self, self.clock)  # type: ignore[arg-type]

    def identity(self, identity_id: str) -> Identity | None:
        return self.identity_ if identity_id == "one" else None

    def issue(self) -> str:
        assert self.identity_ is not None
        text: str = self.tokens.issue(self.identity_)["accessToken"]
        return text

    def refused(self, authorization: str | None) -> tuple[int, str]:
        with pytest.raises(Refusal) as refusal:
            self.tokens.identity_of(authorization)
        assert "eca_" not in str(refusal.value)
        return refusal.value.status, refusal.value.error

    def unrenewed(self, text: str) -> tuple[int, str]:
        with pytest.raises(Refusal) as refusal:
            self.tokens.renew(text)
        assert text not in str(refusal.value)
        return refusal.value.status, str(refusal.value)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def made(**changes: Any) -> Bench:
    return Bench(Identity(id="one", name="one").model_copy(update=changes))


def test_a_login_is_answered_as_the_contract_says(bench: Bench) -> None:
    answer = bench.tokens.issue(Identity(id="one", name="one"))
    text = answer.pop("accessToken")
    assert answer == {"expiresIn": 3_600, "accessTokenMaxTTL": 86_400, "tokenType": "Bearer"}
    assert bench.tokens.identity_of(f"Bearer {text}").id == "one"
    assert bench.tokens.identity_of(f"bearer {text}").id == "one"


def test_a_token_is_random_and_is_kept_by_its_hash_alone(bench: Bench) -> None:
    texts = {bench.issue() for _ in range(100)}
    assert len(texts) == 100
    assert all(text.startswith("eca_") and len(text) == 47 for text in texts)  # 43 characters are 256 bits
    assert set(bench.kept.tokens) == {hashlib.sha256(text.encode()).hexdigest() for text in texts}
    assert not [text for text in texts if text in repr(bench.kept)]


@pytest.mark.parametrize("authorization", [None, "", "Basic eDp5", "Bearertoken", "eca_", "Token x"])
def test_without_a_bearer_token_it_is_401(bench: Bench, authorization: str | None) -> None:
    assert bench.refused(authorization) == (401, "Unauthorized")


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "eca_", "x", f"eca_{'A' * 43}", f"eca_{'A' * 42}", f"eca_{'é' * 43}", "eca_" + "A" * 100_000, "a.b.c",
        f"eca_{'A' * 43}\n", "\ud800",
    ],
)  # fmt: skip
def test_a_bearer_token_that_is_none_of_ours_is_403(bench: Bench, text: str) -> None:
    assert bench.refused(f"Bearer {text}") == (403, "TokenError")


def test_a_token_with_one_character_more_or_less_or_other_is_none(bench: Bench) -> None:
    text = bench.issue()
    for other in (text[:-1], f"{text}A", f" {text}", f"{text} ", text.swapcase(), text.removeprefix("eca_")):
        assert bench.refused(f"Bearer {other}") == (403, "TokenError")


def test_a_token_ends(bench: Bench) -> None:
    text = bench.issue()
    bench.clock.advance(seconds=3_599)
    assert bench.tokens.identity_of(f"Bearer {text}")
    bench.clock.advance(seconds=1)
    assert bench.refused(f"Bearer {text}") == (403, "TokenError")
    assert bench.unrenewed(text) == (401, "Failed to renew MI access token due to TTL expiration")


def test_a_token_without_an_end_of_its_own_does_not_pass_its_longest_life() -> None:
    bench = made(token_ttl=timedelta(0), token_max_ttl=HOUR)
    text = bench.issue()
    bench.clock.advance(seconds=3_599)
    assert bench.tokens.identity_of(f"Bearer {text}")
    bench.clock.advance(seconds=1)
    assert bench.refused(f"Bearer {text}") == (403, "TokenError")


def test_a_token_without_end_does_not_end() -> None:
    bench = made(token_ttl=timedelta(0), token_max_ttl=timedelta(0))
    text = bench.issue()
    bench.clock.advance(days=36_500)
    assert bench.tokens.identity_of(f"Bearer {text}")
    assert bench.tokens.renew(text)["expiresIn"] == 0


def test_no_token_lives_longer_than_the_longest_life() -> None:
    bench = made(token_ttl=2 * DAY, token_max_ttl=HOUR)
    assert bench.tokens.issue(bench.identity_)["expiresIn"] == 3_600  # type: ignore[arg-type]


def test_the_token_of_an_identity_that_is_gone_is_none(bench: Bench) -> None:
    text = bench.issue()
    bench.identity_ = None
    assert bench.refused(f"Bearer {text}") == (403, "TokenError")
    assert bench.unrenewed(text)[0] == 401
    bench.identity_ = Identity(id="one", name="one")
    assert bench.refused(f"Bearer {text}") == (403, "TokenError")  # it was forgotten as it was to be renewed


def test_what_an_identity_may_do_is_read_at_each_call(bench: Bench) -> None:
    text = bench.issue()
    bench.identity_ = Identity(id="one", name="renamed")
    assert bench.tokens.identity_of(f"Bearer {text}").name == "renamed"


def test_uses_are_counted() -> None:
    bench = made(token_uses=2)
    text = bench.issue()
    for _ in range(2):
        assert bench.tokens.identity_of(f"Bearer {text}")
    assert bench.refused(f"Bearer {text}") == (403, "TokenError")
    assert bench.unrenewed(text) == (400, "Unable to renew because access token number of uses limit reached")
    assert bench.kept.tokens == {}


def test_an_identity_without_a_limit_costs_no_write(bench: Bench) -> None:
    bench.tokens.identity_of(f"Bearer {bench.issue()}")
    assert bench.kept.calls == ["keep", "find"]


# -- renewal ----------------------------------------------------------------------------------------------------------
def test_a_renewal_counts_from_now_and_keeps_the_token(bench: Bench) -> None:
    text = bench.issue()
    bench.clock.advance(minutes=50)
    assert bench.tokens.renew(text) == {
        "accessToken": text, "expiresIn": 3_600, "accessTokenMaxTTL": 86_400, "tokenType": "Bearer",
    }  # fmt: skip
    bench.clock.advance(minutes=59)
    assert bench.tokens.identity_of(f"Bearer {text}")
    bench.clock.advance(minutes=1)
    assert bench.refused(f"Bearer {text}") == (403, "TokenError")


def test_no_renewal_passes_the_longest_life_and_the_token_is_gone_then(bench: Bench) -> None:
    text = bench.issue()
    for _ in range(46):
        bench.clock.advance(minutes=30)
        bench.tokens.renew(text)
    assert bench.clock() == START + 23 * HOUR
    bench.clock.advance(seconds=1)
    assert bench.unrenewed(text) == (401, "Failed to renew MI access token past its Max TTL expiration")
    assert bench.refused(f"Bearer {text}") == (403, "TokenError")
    assert bench.kept.tokens == {}


def test_uses_that_are_spent_do_not_come_back_by_a_renewal() -> None:
    bench = made(token_uses=2)
    text = bench.issue()
    bench.tokens.identity_of(f"Bearer {text}")
    bench.tokens.renew(text)
    bench.tokens.identity_of(f"Bearer {text}")
    assert bench.refused(f"Bearer {text}") == (403, "TokenError")


def test_a_token_that_is_revoked_while_it_is_renewed_stays_revoked(bench: Bench) -> None:
    text = bench.issue()
    find = bench.kept.find

    def late(digest: str) -> Any:
        found = find(digest)
        bench.kept.forget(digest)
        return found

    bench.kept.find = late  # type: ignore[method-assign]
    assert bench.unrenewed(text) == (401, "No identity access token found")
    assert bench.kept.tokens == {}


# -- revocation -------------------------------------------------------------------------------------------------------
def test_a_revoked_token_is_none(bench: Bench) -> None:
    text, other = bench.issue(), bench.issue()
    assert bench.tokens.revoke(text) == {"message": "Successfully revoked access token"}
    assert bench.refused(f"Bearer {text}") == (403, "TokenError")
    assert bench.unrenewed(text) == (401, "No identity access token found")
    with pytest.raises(Refusal, match="No identity access token found"):
        bench.tokens.revoke(text)
    assert bench.tokens.identity_of(f"Bearer {other}")


def test_a_token_whose_longest_life_hands_have_shortened_is_not_renewed(bench: Bench) -> None:
    text = bench.issue()
    (digest,) = bench.kept.tokens
    bench.kept.tokens[digest] = replace(bench.kept.tokens[digest], latest_at=START)
    assert bench.unrenewed(text)[0] == 401
