"""Rows of the report: next steps for what needs attention, no secrets, and no record that stops all others."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Facts, Failure, KeptKey, Pending, Record
from evercert.contracts.spec_store import Pause, PauseTarget
from evercert.operations.report.page import Report, render
from evercert.operations.report.rows import rows
from tests.doubles.fakes import START, spec

UID = "8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44"
NO_PAUSES: dict[PauseTarget, Pause] = {}


def record(name: str = "web", days: float = 30, **values: Any) -> Record:
    facts = Facts(
        revision=1, serial_number="01", not_before=START - timedelta(days=60), not_after=START + timedelta(days=days),
        fingerprint_sha256="f", names=(),
    )  # fmt: skip
    known = {"state": "ready", "facts": facts, "renew_at": START + timedelta(days=1), "spec": spec(name)}
    return Record(name=name, uid=UID, generation=1, **{**known, **values})


FAILURE = Failure(kind="rejected", message="the CA refused it", at=START, generation=1)


def test_rows_have_next_steps_only_where_attention_is_needed() -> None:
    failing = record("failing", state="failing", last_error=FAILURE)
    fine, found = rows([record("fine"), failing], NO_PAUSES, START)
    assert "next_steps" not in fine
    assert found["next_steps"] == ["fix the error; to try now, run: evercert renew failing"]
    assert found["error"] == "the CA refused it"


@pytest.mark.parametrize(
    ("newer", "step"), [(False, "apply its document again"), (True, "use the version of evercert")]
)
def test_unreadable_record_has_a_next_step(newer: bool, step: str) -> None:
    (found,) = rows([Unreadable("web", UID, 0, "its spec is not JSON", newer=newer)], NO_PAUSES, START)
    assert found["next_steps"][0].startswith(step)


def test_record_whose_next_step_fails_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evercert.operations.report.rows.next_steps", lambda *_: 1 / 0)
    found = list(rows([record("a", state="stopped"), record("b")], NO_PAUSES, START))
    assert [row["name"] for row in found] == ["a", "b"]
    assert found[0]["next_steps"] == ["unknown (ZeroDivisionError): evercert doctor a"]


def test_paused_certificate_names_the_pause() -> None:
    pauses = {PauseTarget(issuer="main"): Pause(START, "maintenance")}
    (found,) = rows([record(days=3, spec=spec("web", issuer="main"))], pauses, START)
    assert found["paused"] and "issuer main is paused" in found["next_steps"][0]


def test_page_holds_no_secret_of_a_record() -> None:
    hooks = {"post-hooks": {"on-issuance": {"command": "curl -H 'Authorization: SECRET-hook'"}}}
    pending = Pending(
        revision=2, reason="near-expiry", generation=1, issuer="main", request_hash="h", issuer_hash="h", sealed_key="SECRET-key",
        csr="SECRET-csr", nonce="SECRET-nonce", handle="SECRET-handle", chain="SECRET-chain",
    )  # fmt: skip
    values = {
        "pending": pending,
        "kept_key": KeptKey(sealed_key="SECRET-kept", revision=1, algorithm="EC"),
        "request_hash": "SECRET-hash",
    }
    for state in ("pending", "failing", "stopped", "undelivered", "paused"):
        document = spec("web", labels={"team": "SECRET-label"}).model_copy(update={"agent": hooks})
        found = list(rows([record(days=1, state=state, spec=document, last_error=FAILURE, **values)], NO_PAUSES, START))
        page = "".join(render(Report("evercert", "eu-central-1", START, found)))
        assert "SECRET" not in page and "the CA refused it" in page
