"""Access tokens: lifetime, uses, renewal, revocation and errors of invalid ones."""

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
    """One identity, which a test may remove."""

    identity_: Identity | None = field(default_factory=lambda: Identity(id="one", name="one"))
    clock: HandClock = field(default_factory=HandClock)
    stored: FakeTokens = field(default_factory=FakeTokens)

    def __post_init__(self) -> None:
        self.tokens = AccessTokens(self.stored, self, self.clock)  # type: ignore[arg-type]

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


def test_issue_returns_login_response(bench: Bench) -> None:
    answer = bench.tokens.issue(Identity(id="one", name="one"))
    text = answer.pop("accessToken")
    assert answer == {"expiresIn": 3_600, "accessTokenMaxTTL": 86_400, "tokenType": "Bearer"}
    assert bench.tokens.identity_of(f"Bearer {text}").id == "one"
    assert bench.tokens.identity_of(f"bearer {text}").id == "one"


def test_token_is_random_and_stored_as_hash(bench: Bench) -> None:
    texts = {bench.issue() for _ in range(100)}
    assert len(texts) == 100
    assert all(text.startswith("eca_") and len(text) == 47 for text in texts)  # 43 characters are 256 bits
    assert set(bench.stored.tokens) == {hashlib.sha256(text.encode()).hexdigest() for text in texts}
    assert not [text for text in texts if text in repr(bench.stored)]


@pytest.mark.parametrize("authorization", [None, "", "Basic eDp5", "Bearertoken", "eca_", "Token x"])
def test_missing_bearer_token_is_401(bench: Bench, authorization: str | None) -> None:
    assert bench.refused(authorization) == (401, "Unauthorized")


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "eca_", "x", f"eca_{'A' * 43}", f"eca_{'A' * 42}", f"eca_{'é' * 43}", "eca_" + "A" * 100_000, "a.b.c",
        f"eca_{'A' * 43}\n", "\ud800",
    ],
)  # fmt: skip
def test_unknown_bearer_token_is_403(bench: Bench, text: str) -> None:
    assert bench.refused(f"Bearer {text}") == (403, "TokenError")


def test_modified_token_is_refused(bench: Bench) -> None:
    text = bench.issue()
    for other in (text[:-1], f"{text}A", f" {text}", f"{text} ", text.swapcase(), text.removeprefix("eca_")):
        assert bench.refused(f"Bearer {other}") == (403, "TokenError")


def test_token_expires(bench: Bench) -> None:
    text = bench.issue()
    bench.clock.advance(seconds=3_599)
    assert bench.tokens.identity_of(f"Bearer {text}")
    bench.clock.advance(seconds=1)
    assert bench.refused(f"Bearer {text}") == (403, "TokenError")
    assert bench.unrenewed(text) == (401, "Failed to renew MI access token due to TTL expiration")


def test_maximum_lifetime_ends_token_without_expiry() -> None:
    bench = made(token_ttl=timedelta(0), token_max_ttl=HOUR)
    text = bench.issue()
    bench.clock.advance(seconds=3_599)
    assert bench.tokens.identity_of(f"Bearer {text}")
    bench.clock.advance(seconds=1)
    assert bench.refused(f"Bearer {text}") == (403, "TokenError")


def test_unlimited_token_does_not_expire() -> None:
    bench = made(token_ttl=timedelta(0), token_max_ttl=timedelta(0))
    text = bench.issue()
    bench.clock.advance(days=36_500)
    assert bench.tokens.identity_of(f"Bearer {text}")
    assert bench.tokens.renew(text)["expiresIn"] == 0


def test_maximum_lifetime_limits_ttl() -> None:
    bench = made(token_ttl=2 * DAY, token_max_ttl=HOUR)
    assert bench.tokens.issue(bench.identity_)["expiresIn"] == 3_600  # type: ignore[arg-type]


def test_token_of_deleted_identity_is_refused(bench: Bench) -> None:
    text = bench.issue()
    bench.identity_ = None
    assert bench.refused(f"Bearer {text}") == (403, "TokenError")
    assert bench.unrenewed(text)[0] == 401
    bench.identity_ = Identity(id="one", name="one")
    assert bench.refused(f"Bearer {text}") == (403, "TokenError")  # the failed renewal revoked it


def test_identity_is_read_at_each_call(bench: Bench) -> None:
    text = bench.issue()
    bench.identity_ = Identity(id="one", name="renamed")
    assert bench.tokens.identity_of(f"Bearer {text}").name == "renamed"


def test_token_uses_are_limited() -> None:
    bench = made(token_uses=2)
    text = bench.issue()
    for _ in range(2):
        assert bench.tokens.identity_of(f"Bearer {text}")
    assert bench.refused(f"Bearer {text}") == (403, "TokenError")
    assert bench.unrenewed(text) == (400, "Unable to renew because access token number of uses limit reached")
    assert bench.stored.tokens == {}


def test_unlimited_token_costs_no_write(bench: Bench) -> None:
    bench.tokens.identity_of(f"Bearer {bench.issue()}")
    assert bench.stored.calls == ["keep", "find"]


# -- renewal ----------------------------------------------------------------------------------------------------------
def test_renew_extends_token_from_now(bench: Bench) -> None:
    text = bench.issue()
    bench.clock.advance(minutes=50)
    assert bench.tokens.renew(text) == {
        "accessToken": text, "expiresIn": 3_600, "accessTokenMaxTTL": 86_400, "tokenType": "Bearer",
    }  # fmt: skip
    bench.clock.advance(minutes=59)
    assert bench.tokens.identity_of(f"Bearer {text}")
    bench.clock.advance(minutes=1)
    assert bench.refused(f"Bearer {text}") == (403, "TokenError")


def test_last_renewal_is_shortened_to_the_maximum(bench: Bench) -> None:
    """The Infisical API refuses it and revokes the token, and its agent waits for the end without one."""
    text = bench.issue()
    for _ in range(46):
        bench.clock.advance(minutes=30)
        bench.tokens.renew(text)
    assert bench.clock() == START + 23 * HOUR
    bench.clock.advance(seconds=1)
    assert bench.tokens.renew(text)["expiresIn"] == 3_599
    bench.clock.advance(seconds=3_598)
    assert bench.tokens.renew(text) == {
        "accessToken": text, "expiresIn": 1, "accessTokenMaxTTL": 86_400, "tokenType": "Bearer",
    }  # fmt: skip
    bench.clock.advance(milliseconds=500)
    assert bench.tokens.renew(text)["expiresIn"] == 1  # 0 would mean unlimited
    assert bench.tokens.identity_of(f"Bearer {text}")
    bench.clock.advance(milliseconds=500)
    assert bench.refused(f"Bearer {text}") == (403, "TokenError")
    assert bench.unrenewed(text)[0] == 401
    assert bench.stored.tokens == {}


@pytest.mark.parametrize(("ttl", "longest"), [(36, 80), (3_600, 86_400), (50, 50), (7, 1_000)])
def test_token_renewed_at_any_time_never_lapses(ttl: int, longest: int) -> None:
    """Renew at two thirds of each lifetime, as the agent does, until five seconds before the maximum."""
    bench = made(token_ttl=timedelta(seconds=ttl), token_max_ttl=timedelta(seconds=longest))
    text, rest = bench.issue(), float(ttl)
    while bench.clock() < START + timedelta(seconds=longest - 5):
        bench.clock.advance(seconds=rest * 2 / 3)
        assert bench.tokens.identity_of(f"Bearer {text}")
        rest = bench.tokens.renew(text)["expiresIn"]


def test_renew_ends_token_without_expiry_at_maximum() -> None:
    bench = made(token_ttl=timedelta(0), token_max_ttl=HOUR)
    text = bench.issue()
    bench.clock.advance(seconds=3_599)
    assert bench.tokens.renew(text)["expiresIn"] == 0
    bench.clock.advance(seconds=1)
    assert bench.unrenewed(text) == (401, "Failed to renew MI access token due to Max TTL expiration")
    assert bench.stored.tokens == {}


def test_renew_does_not_restore_uses() -> None:
    bench = made(token_uses=2)
    text = bench.issue()
    bench.tokens.identity_of(f"Bearer {text}")
    bench.tokens.renew(text)
    bench.tokens.identity_of(f"Bearer {text}")
    assert bench.refused(f"Bearer {text}") == (403, "TokenError")


def test_renew_does_not_restore_revoked_token(bench: Bench) -> None:
    text = bench.issue()
    find = bench.stored.find

    def late(digest: str) -> Any:
        found = find(digest)
        bench.stored.forget(digest)
        return found

    bench.stored.find = late  # type: ignore[method-assign]
    assert bench.unrenewed(text) == (401, "No identity access token found")
    assert bench.stored.tokens == {}


# -- revocation -------------------------------------------------------------------------------------------------------
def test_revoked_token_is_refused(bench: Bench) -> None:
    text, other = bench.issue(), bench.issue()
    assert bench.tokens.revoke(text) == {"message": "Successfully revoked access token"}
    assert bench.refused(f"Bearer {text}") == (403, "TokenError")
    assert bench.unrenewed(text) == (401, "No identity access token found")
    with pytest.raises(Refusal, match="No identity access token found"):
        bench.tokens.revoke(text)
    assert bench.tokens.identity_of(f"Bearer {other}")


def test_renew_respects_manually_shortened_lifetime(bench: Bench) -> None:
    text = bench.issue()
    (digest,) = bench.stored.tokens
    bench.stored.tokens[digest] = replace(bench.stored.tokens[digest], latest_at=START)
    assert bench.unrenewed(text)[0] == 401
