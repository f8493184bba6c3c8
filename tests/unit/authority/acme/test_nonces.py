"""Nonces: issued without a write, redeemed once, by any instance with the same key."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from evercert.acme import base64url
from evercert.authority.acme.nonces import LIFETIME, Nonces
from evercert.authority.acme.problems import Refused
from tests.doubles.acme_storage import FakeUsedNonces
from tests.doubles.fakes import HandClock

KEY = b"k" * 32


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def used() -> FakeUsedNonces:
    return FakeUsedNonces()


@pytest.fixture
def nonces(clock: HandClock, used: FakeUsedNonces) -> Nonces:
    return Nonces(lambda: KEY, used, clock)


def refusal(nonces: Nonces, nonce: object) -> str:
    with pytest.raises(Refused) as caught:
        nonces.redeem(nonce)
    assert caught.value.status == 400
    return caught.value.kind


def test_nonce_is_redeemed_once(nonces: Nonces) -> None:
    nonce = nonces.issue()
    nonces.redeem(nonce)
    assert refusal(nonces, nonce) == "badNonce"


def test_every_instance_redeems_it(nonces: Nonces, used: FakeUsedNonces, clock: HandClock) -> None:
    nonce = nonces.issue()
    Nonces(lambda: KEY, used, clock).redeem(nonce)
    assert refusal(nonces, nonce) == "badNonce"


def test_issue_writes_nothing(nonces: Nonces, used: FakeUsedNonces) -> None:
    assert len({nonces.issue() for _ in range(1_000)}) == 1_000
    assert used.taken == {}


def test_nonce_lives_ten_minutes(nonces: Nonces, clock: HandClock) -> None:
    first, second = nonces.issue(), nonces.issue()
    clock.now += LIFETIME
    nonces.redeem(first)
    clock.now += timedelta(seconds=1)
    assert refusal(nonces, second) == "badNonce"


def test_used_nonce_is_kept_longer_than_it_is_valid(nonces: Nonces, used: FakeUsedNonces, clock: HandClock) -> None:
    nonces.redeem(nonces.issue())
    (until,) = used.taken.values()
    assert until > clock() + LIFETIME


def test_nonce_of_another_key_or_the_future_is_refused(nonces: Nonces, used: FakeUsedNonces, clock: HandClock) -> None:
    assert refusal(nonces, Nonces(lambda: b"x" * 32, used, clock).issue()) == "badNonce"
    ahead = Nonces(lambda: KEY, used, lambda: clock() + timedelta(hours=1)).issue()
    assert refusal(nonces, ahead) == "badNonce"
    assert used.taken == {}


def test_every_changed_byte_is_noticed(nonces: Nonces, used: FakeUsedNonces) -> None:
    raw = base64url.decode(nonces.issue())
    for place in range(len(raw)):
        changed = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        assert refusal(nonces, base64url.encode(changed)) == "badNonce"
    assert used.taken == {}


@pytest.mark.parametrize(
    ("nonce", "kind"),
    [
        (None, "badNonce"),
        (7, "badNonce"),
        ("", "badNonce"),
        ("AAAA", "badNonce"),
        ("not base64url!", "malformed"),
        ("AAA=", "malformed"),
        ("A" * 100_000, "badNonce"),
    ],
    ids=["none", "number", "empty", "short", "spaces", "padding", "long"],
)
def test_other_text_is_refused(nonces: Nonces, nonce: object, kind: str) -> None:
    assert refusal(nonces, nonce) == kind


def test_key_is_read_at_the_first_nonce(used: FakeUsedNonces, clock: HandClock) -> None:
    def missing() -> bytes:
        raise AssertionError("read too early")

    made: Callable[[], Nonces] = lambda: Nonces(missing, used, clock)  # noqa: E731
    made()
