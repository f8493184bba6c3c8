"""Choice, order and due times of requested renewals."""

from __future__ import annotations

from datetime import timedelta

import pytest

from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Facts, Failure, Record
from evercert.contracts.spec_store import Change
from evercert.operations.renew import choose, clean_reason, request_renewals
from tests.doubles.fakes import START, FakeTable, spec

UID = "8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44"


def record(name: str, days: int | None = 30, **more) -> Record:
    facts = days and Facts(
        revision=1, serial_number="1", not_before=START, not_after=START + timedelta(days=days),
        fingerprint_sha256="f", names=(),
    )  # fmt: skip
    values = {"name": name, "uid": UID, "spec": spec(name), "generation": 1, "facts": facts or None, **more}
    return Record.model_construct(
        **{**Record(name=name, uid=UID, spec=values["spec"], generation=1).__dict__, **values}
    )


def test_choose_sorts_by_expiry() -> None:
    found = choose([record("late", 60), record("soon", 1), record("b", 30), record("a", 30), record("new", None)])
    assert found.names == ["new", "soon", "a", "b", "late"]


def test_choose_filters_by_issuer() -> None:
    other = record("other", spec=spec("other").model_copy(update={"issuer": "else"}))
    assert choose([record("web"), other], ["else"]).names == ["other"]
    assert choose([record("web"), other], ["unknown"]).names == []


def failure(requested_at) -> Failure:
    return Failure(kind="unavailable", message="x", at=START, generation=1, requested_at=requested_at)


@pytest.mark.parametrize(
    ("state", "asked"),
    [
        ({}, False),
        ({"requested_at": START, "served": START}, False),
        ({"requested_at": START}, True),
        ({"requested_at": START, "served": START - timedelta(1)}, True),
        ({"requested_at": START, "last_error": failure(None)}, True),
        ({"requested_at": START, "last_error": failure(START)}, False),
    ],
    ids=["never", "served", "unserved", "an-earlier-one-served", "failed-before", "failed-since"],
)
def test_choose_skips_pending_requests(state, asked: bool) -> None:
    found = choose([record("web", **state)])
    assert (found.names, found.requested) == ([], ["web"]) if asked else (["web"], [])


def test_choose_lists_unreadable_records() -> None:
    assert choose([Unreadable("web", UID, 0, "no spec")], ["any"]).unreadable == ["web"]


def table(*names: str) -> FakeTable:
    made = FakeTable()
    made.write([Change(record(name), None) for name in names], START + timedelta(days=60))
    return made


def test_due_times_are_spread_evenly() -> None:
    made = table("a", "b", "c", "d")
    assert list(request_renewals(["a", "b", "c", "d"], made, START, timedelta(hours=1), "why")) == ["a", "b", "c", "d"]
    assert [made.record(name).due_at - START for name in "abcd"] == [timedelta(minutes=m) for m in (0, 15, 30, 45)]
    assert {(made.record(name).requested_at, made.record(name).request_reason) for name in "abcd"} == {(START, "why")}


def test_deleted_certificate_stops_no_other() -> None:
    made = table("a", "c")
    assert list(request_renewals(["a", "b", "c"], made, START, timedelta(), None)) == ["a", "c"]


def test_interrupted_renewal_resumes() -> None:
    made = table("a", "b", "c")
    requests = request_renewals(choose(made.records()).names, made, START, timedelta(hours=1), None)
    next(requests)
    assert choose(made.records()).names == ["b", "c"]
    assert choose(made.records()).requested == ["a"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [(None, None), ("", None), (" \n\t ", None), ("a\x1b[31m\nb", "a [31m b"), ("x" * 300, "x" * 199 + "…")],
    ids=["none", "empty", "blank", "control-characters", "long"],
)
def test_reason_is_one_short_line(given, kept) -> None:
    assert clean_reason(given) == kept


def test_choose_filters_lists_by_who_issued() -> None:
    listed = record("listed", spec=spec("listed", issuers=["main", "else"]))
    assert choose([record("web"), listed], ["main"], lambda _: "else").names == ["web"]
    assert choose([record("web"), listed], ["else"], lambda _: "else").names == ["listed"]
    assert choose([listed], ["main"], lambda _: None).names == ["listed"]  # not issued yet
