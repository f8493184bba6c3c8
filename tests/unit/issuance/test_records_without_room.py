"""Records near the 400 KB of an item: one announcement, a stop, and no other certificate is late."""

from __future__ import annotations

import json
from typing import Any

import pytest

from evercert.aws.dynamodb import items
from evercert.aws.sns import SNSAnnouncer
from evercert.contracts.record import Record
from evercert.errors import NoRoom, Unavailable
from evercert.pki.attributes import MOST_NAMES
from tests.doubles.fakes import Bench, spec
from tests.doubles.item_size import LIMIT, size
from tests.doubles.loop import Loop
from tests.doubles.strict_aws import StrictSNS

KEY = (items.pk("web"), items.SK)
ROOMS = [0, 1, 40, 60, 80, 99, 120, 150, 200, 300, 500, 800, 1_200, 2_000, 3_000, 5_000]


def fill(bench: Bench, room: int) -> dict[str, Any]:
    item = bench.table.items[KEY]
    item["request_reason"] = {"S": ""}
    item["request_reason"] = {"S": "x" * (LIMIT - room - size(item))}
    return item


def loop_with(room: int, state: str) -> Loop:
    loop = Loop()
    bench = loop.bench
    bench.want(spec())
    if state == "delivered":
        bench.run()
        bench.announcer.announced.clear()
        bench.table.request("web", bench.clock())
    elif state == "unreadable":
        bench.table.items[KEY]["spec"] = {"S": "{"}
    fill(bench, room)
    bench.want(spec("healthy"))
    return loop


@pytest.mark.parametrize("state", ["new", "delivered", "unreadable"])
@pytest.mark.parametrize("room", ROOMS)
def test_record_without_room_is_announced_once_and_stops(room: int, state: str) -> None:
    loop = loop_with(room, state)
    loop.run()
    bench, item = loop.bench, loop.bench.table.items[KEY]
    assert not loop.raised
    assert bench.record("healthy").state == "ready"
    assert loop.runs["web"] <= 6
    events = [outcome for outcome in bench.announcer.announced if outcome.name == "web"]
    assert "claim" not in item
    if state != "unreadable" and item["state"] == {"S": "ready"}:
        assert room >= 800
        return
    assert len(events) == 1, [(event.type, event.data) for event in events]
    assert events[0].type == ("spec.rejected" if state == "unreadable" else "certificate.failed")
    if events[0].data["kind"] == "rejected" and state != "unreadable":
        assert item["state"] == {"S": "stopped"}
    assert len(bench.table.history("web")) == (2 if state == "delivered" else 1)


def test_conclusion_without_room_names_what_is_lost() -> None:
    loop = loop_with(200, "new")
    bench = loop.bench
    assert bench.run() == "certificate.failed"
    (outcome,) = bench.announcer.announced
    assert (outcome.severity, outcome.data["kind"]) == ("critical", "rejected")
    assert "no room left under the table's 400 KB; the result of this run is not in it (certificate.failed)" in str(
        outcome.data["message"]
    )


def test_shorter_document_restarts_a_stopped_record() -> None:
    loop = loop_with(0, "new")
    bench = loop.bench
    loop.run()
    del bench.table.items[KEY]["request_reason"]
    bench.edit(spec(labels={"team": "web"}))
    assert bench.run() == "certificate.issued"


def test_stop_survives_a_crash_before_its_event() -> None:
    loop = loop_with(0, "new")
    bench = loop.bench
    bench.announcer.error = Unavailable("killed")
    bench.run()
    assert bench.announcer.announced == []
    assert bench.run() == "busy"  # the message is delivered twice
    bench.announcer.error = None
    loop.run()
    assert [outcome.name for outcome in bench.announcer.announced].count("web") == 1


def test_stop_that_died_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run dies between the refused claim and the stop: the due time remains."""
    loop = loop_with(0, "new")
    bench = loop.bench
    with monkeypatch.context() as patched:
        patched.setattr(bench.table, "stop", lambda *_: (_ for _ in ()).throw(Unavailable("killed")))
        with pytest.raises(Unavailable):
            bench.run()
    loop.run()
    assert [outcome.name for outcome in bench.announcer.announced].count("web") == 1


def test_record_deleted_before_its_stop_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = loop_with(0, "new").bench
    monkeypatch.setattr(bench.table, "read_for_stop", lambda *_: None)
    assert bench.run() == "gone"


def test_record_deleted_during_a_run_without_room_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = loop_with(200, "new").bench
    monkeypatch.setattr(bench.table, "look", lambda _: None)
    assert bench.run() == "gone"


@pytest.mark.parametrize(("room", "reads"), [(0, "read_for_stop"), (200, "look")], ids=["unclaimed", "claimed"])
def test_document_applied_before_the_stop_is_not_lost(monkeypatch: pytest.MonkeyPatch, room: int, reads: str) -> None:
    loop = loop_with(room, "new")
    bench = loop.bench
    found = getattr(bench.table, reads)

    def read_then_apply(*arguments: Any) -> object:
        seen = found(*arguments)
        del bench.table.items[KEY]["request_reason"]
        bench.edit(spec(labels={"team": "web"}))
        return seen

    with monkeypatch.context() as patched:
        patched.setattr(bench.table, reads, read_then_apply)
        assert bench.run() == "busy"
    loop.run()
    assert bench.record("web").state == "ready"
    assert [outcome.type for outcome in bench.announcer.announced if outcome.name == "web"] == ["certificate.issued"]


def test_record_claimed_before_its_stop_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = loop_with(0, "new").bench
    monkeypatch.setattr(bench.table, "stop", lambda *_: None)
    assert bench.run() == "busy"


def test_event_of_many_names_fits_into_a_message(bench: Bench) -> None:
    names = [f"a-rather-long-name-{number:06d}.of-a-rather-long-domain.example.com" for number in range(MOST_NAMES)]
    bench.want(spec(attributes={"common-name": names[0], "alt-names": names[:1]}))
    item = bench.table.items[KEY]
    document = json.loads(item["spec"]["S"])
    document["attributes"]["alt-names"] = names
    item["spec"] = {"S": json.dumps(document)}
    strict = StrictSNS()
    bench.announcer.announce = SNSAnnouncer(strict, "topic", "arn:stack").announce  # type: ignore[method-assign]
    assert isinstance(bench.table.record("web"), Record)
    report = bench.issuance.run("web")
    assert "unannounced" not in report.details
    (message,) = strict.published
    data = json.loads(message["bodies"]["default"])["data"]
    assert data["names_total"] == MOST_NAMES
    assert data["names"] == [f"dns:{name}" for name in names[: len(data["names"])]]
    assert len(data["names"]) > 500


def test_no_room_is_a_rejection() -> None:
    assert (NoRoom.kind, NoRoom.stops) == ("rejected", True)
