"""Reading the table from outside: which certificates have something to do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.storm.records import unrested


def text(value: str) -> dict[str, str]:
    return {"S": value}


def moment(**later: int) -> dict[str, str]:
    return text((datetime.now(UTC) + timedelta(**later)).isoformat())


def record(state: str = "ready", **more: Any) -> dict[str, Any]:
    facts = {"M": {"not_after": moment(minutes=2)}}
    return {"pk": text("certificate#a"), "sk": text("record"), "state": text(state), "facts": facts, **more}


def outcome(**more: Any) -> dict[str, Any]:
    return {"pk": text("certificate#a"), "sk": text("outcome#uid#00000001#00000001"), **more}


FAILED = {"last_error": {"M": {"kind": text("unavailable"), "message": text("no answer")}}}
BUGGY = {"last_error": {"M": {"kind": text("unexpected"), "message": text("KeyError")}}}
RESTED = {
    "ready": [record()],
    "published": [record(), outcome(published_at=text("x"))],
    "waits for its issuer": [record("failing", due_at=moment(minutes=20), pending={"M": {}}, **FAILED)],
}
BUSY = {
    "no record": [],
    "an outcome to publish": [record(), outcome()],
    "a claim": [record(claim={"M": {}})],
    "a revision in progress": [record(pending={"M": {}})],
    "stopped: no error": [record("stopped")],
    "failing: KeyError": [record("failing", due_at=moment(minutes=20), **BUGGY)],
    "failing: no answer": [record("failing", **FAILED)],
}


@pytest.mark.parametrize("name", RESTED)
def test_unrested_is_empty_for_a_certificate_at_rest(name: str) -> None:
    assert unrested(RESTED[name], ["a"], longer=False) == {}


@pytest.mark.parametrize("why", BUSY)
def test_unrested_says_what_is_left_to_do(why: str) -> None:
    assert unrested(BUSY[why], ["a"], longer=False) == {"a": why}


@pytest.mark.parametrize("why", [*BUSY, "waits for its issuer"])
def test_unrested_with_a_longer_lifetime_accepts_only_ready(why: str) -> None:
    assert "a" in unrested({**BUSY, **RESTED}[why], ["a"], longer=True)


def test_unrested_with_a_longer_lifetime_reads_the_end() -> None:
    assert unrested([record()], ["a"], longer=True) == {"a": "a short lifetime"}
    assert unrested([record(facts={"M": {"not_after": moment(days=30)}})], ["a"], longer=True) == {}
