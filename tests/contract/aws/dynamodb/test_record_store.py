"""Contract of the record and spec stores: DynamoDB and the fake."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.record_store import DynamoDBRecordStore
from evercert.aws.dynamodb.spec_store import DynamoDBSpecs
from evercert.contracts.events import Outcome
from evercert.contracts.ports import ClaimedRecord, RecordStore, Unclaimed, Unreadable
from evercert.contracts.record import Claim, Record, RenewalAdvice
from evercert.contracts.record_part import LAST_COUNT
from evercert.contracts.record_schema import ADVISED_SCHEMA, PREVIOUS_SCHEMA, SCHEMA
from evercert.contracts.revisions import RollbackRequest
from evercert.contracts.spec_store import STACK, Change, Pause, PauseTarget, Specs
from evercert.errors import ClaimLost, Misconfigured, NoRoom, Rejected
from tests.doubles.fakes import START, FakeTable, spec
from tests.doubles.item_size import LIMIT, size
from tests.doubles.strict_aws import refuse
from tests.doubles.strict_dynamodb import SizedDynamoDB

UID = "8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44"


@dataclass
class Table:
    """Both stores of one table, with direct access to its items."""

    records: RecordStore
    specs: Specs
    item: Callable[[str, str], dict[str, Any] | None]
    put: Callable[[dict[str, Any]], None]

    def claim(self, mine: str = "mine", at=START) -> tuple[ClaimedRecord, Record]:
        claimed = self.records.claim("web", Claim(id=mine, until=at + timedelta(seconds=90)), at)
        assert not isinstance(claimed, Unclaimed), claimed
        held, record = claimed
        assert isinstance(record, Record), record
        return held, record


@pytest.fixture(params=["fake", "dynamodb"])
def table(request: pytest.FixtureRequest) -> Table:
    if request.param == "fake":
        fake = FakeTable()
        put = lambda item: fake.items.__setitem__((item["pk"]["S"], item["sk"]["S"]), item)  # noqa: E731
        return Table(fake, fake, lambda name, sort: fake.items.get((items.pk(name), sort)), put)
    world = request.getfixturevalue("world")
    client = SizedDynamoDB(world.operator.dynamodb)

    def item(name: str, sort: str) -> dict[str, Any] | None:
        return client.get_item(TableName=world.table, Key=items.key(name, sort), ConsistentRead=True).get("Item")

    return Table(
        DynamoDBRecordStore(client, world.table),
        DynamoDBSpecs(client, world.table, world.issuers_table),
        item,
        lambda item: client.put_item(TableName=world.table, Item=item),
    )


@pytest.fixture
def web(table: Table) -> Record:
    record = Record(name="web", uid=UID, spec=spec(), generation=1)
    table.specs.write([Change(record, None)], START)
    return record


def outcome(number: int = 1) -> Outcome:
    return Outcome(
        name="web", uid=UID, revision=1, number=number, type="certificate.failed", at=START, issuer="main",
        severity="warning", data={"message": "why"},
    )  # fmt: skip


def fill(table: Table, room: int, sort: str = items.SK) -> dict[str, Any]:
    """Leave this much room in an item."""
    stored = table.item("web", sort)
    padding = LIMIT - room - size(stored) - len("request_reason")
    item = {**stored, "request_reason": {"S": "x" * padding}}
    assert size(item) == LIMIT - room
    table.put(item)
    return item


# -- items without room -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("room", [0, 1, 20])
def test_claim_without_room_changes_nothing(table: Table, web: Record, room: int) -> None:
    before = fill(table, room)
    with pytest.raises(NoRoom):
        table.claim()
    assert table.item("web", items.SK) == before


@pytest.mark.parametrize("how", ["update", "release", "conclude"])
def test_write_without_room_changes_nothing(table: Table, web: Record, how: str) -> None:
    held, _ = table.claim()
    before = fill(table, 100)
    changes = {"issuer_hash": "x" * 500}
    write = {
        "update": lambda: table.records.update(held, changes),
        "release": lambda: table.records.release(held, changes, None, START),
        "conclude": lambda: table.records.conclude(held, changes, None, outcome()),
    }[how]
    with pytest.raises(NoRoom):
        write()
    assert table.item("web", items.SK) == before
    assert table.item("web", outcome().key) is None


def read(table: Table, claim: str = "mine") -> ClaimedRecord:
    found = table.records.read_for_stop("web", Claim(id=claim, until=START + timedelta(seconds=90)))
    assert found is not None
    return found[0]


@pytest.mark.parametrize("held", [True, False], ids=["held", "unclaimed"])
@pytest.mark.parametrize("room", [0, 1, 99])
def test_stop_needs_no_room(table: Table, web: Record, held: bool, room: int) -> None:
    if held:
        table.claim("mine")
    fill(table, room)
    stored = table.records.stop(read(table), outcome(), START)
    assert stored == outcome()
    after = table.item("web", items.SK)
    assert (after["state"], after["resting"], after["outcomes"]) == ({"S": "stopped"}, {"BOOL": True}, {"N": "1"})
    assert not {"claim", "due_at", "due_shard"} & set(after)
    assert table.records.outcome("web", stored.key) == stored


def test_stop_rests_without_a_state_if_the_due_time_is_short(table: Table, web: Record) -> None:
    stored = table.item("web", items.SK)
    table.put({**{key: value for key, value in stored.items() if key != "state"}, "due_at": {"S": "0"}})
    fill(table, 0)
    assert table.records.stop(read(table), outcome(), START) is not None
    after = table.item("web", items.SK)
    assert (after.get("state"), after["resting"], "due_at" in after) == (None, {"BOOL": True}, False)


def test_stop_leaves_a_record_that_another_run_holds(table: Table, web: Record) -> None:
    table.claim("another")
    before = fill(table, 0)
    assert table.records.stop(read(table), outcome(), START) is None
    assert table.item("web", items.SK) == before
    assert table.item("web", outcome().key) is None


def test_stop_never_recreates_a_deleted_record(table: Table, web: Record) -> None:
    held = read(table)
    table.specs.remove(web)
    assert table.records.read_for_stop("web", held.claim) is None
    assert table.records.stop(held, outcome(), START) is None
    assert table.item("web", items.SK) is None


@pytest.mark.parametrize("what", ["apply", "request", "wake"])
def test_stop_leaves_a_record_that_an_operator_changed(table: Table, web: Record, what: str) -> None:
    """The shorter document is due; it may have room."""
    held = read(table)
    if what == "apply":
        table.specs.write([Change(web.model_copy(update={"generation": 2}), table.specs.record("web"))], START)
    elif what == "request":
        table.specs.request("web", START)
    else:
        table.specs.wake("web", START, START)
    before = table.item("web", items.SK)
    assert table.records.stop(held, outcome(), START) is None
    assert table.item("web", items.SK) == before
    assert table.item("web", outcome().key) is None


@pytest.mark.parametrize(
    "value", [{"S": "today"}, {"N": "1.50"}, {"NULL": True}, {"SS": ["b", "a"]}, {"L": [{"B": b"x"}]}]
)
@pytest.mark.parametrize("attribute", ["generation", "requested_at", "woken_at"])
def test_stop_requires_the_values_as_stored(table: Table, web: Record, attribute: str, value: dict[str, Any]) -> None:
    """A value of another program neither prevents the stop nor lets it repeat."""
    table.put({**table.item("web", items.SK), attribute: value})
    assert table.records.stop(read(table), outcome(), START) is not None
    assert table.item("web", items.SK)["resting"] == {"BOOL": True}


def test_stop_skips_outcome_numbers_in_use(table: Table, web: Record) -> None:
    numbers = []
    for _ in range(3):
        numbers.append(table.records.stop(read(table), outcome(), START).number)
        assert table.records.stop(read(table), outcome(), START) is None  # it rests already
        table.specs.request("web", START)
    assert numbers == [1, 2, 4]
    assert table.item("web", items.SK)["outcomes"] == {"N": "4"}


@pytest.mark.parametrize("room", [0, 5, 50])
def test_outcome_without_room_is_marked_as_published(table: Table, web: Record, room: int) -> None:
    held, _ = table.claim()
    _, stored = table.records.conclude(held, {"outcomes": 1}, None, outcome())
    fill(table, room, stored.key)
    table.records.published(stored, START)
    after = table.item("web", stored.key)
    assert "published_at" in after
    assert "due_at" not in after
    assert ("expires_at" in after) is (room == 50)


# -- claim ------------------------------------------------------------------------------------------------------------
def test_claim_returns_the_record_and_sets_a_retry_time(table: Table, web: Record) -> None:
    held, record = table.claim()
    assert (record.name, record.spec, record.generation) == ("web", web.spec, 1)
    assert (held.name, held.claim.id) == ("web", "mine")
    stored = table.specs.record("web")
    assert stored.due_at == stored.claim.until == START + timedelta(seconds=90)


def test_claim_is_exclusive(table: Table, web: Record) -> None:
    table.claim("first")
    assert table.records.claim("web", Claim(id="second", until=START), START) is Unclaimed.BUSY


def test_claim_repeated_by_its_holder_succeeds(table: Table, web: Record) -> None:
    """A client that repeats a call after losing the response must not lock itself out."""
    table.claim("mine")
    table.claim("mine")


def test_claim_after_expiry_passes_to_a_new_holder(table: Table, web: Record) -> None:
    old, _ = table.claim("old")
    table.claim("new", START + timedelta(seconds=91))
    with pytest.raises(ClaimLost):
        table.records.update(old, {"revision": 1})
    with pytest.raises(ClaimLost):
        table.records.release(old, {}, None, START)
    with pytest.raises(ClaimLost):
        table.records.conclude(old, {"outcomes": 1}, None, outcome())
    assert table.item("web", outcome().key) is None
    assert table.specs.record("web").revision == 0


def test_claim_holds_until_its_last_moment(table: Table, web: Record) -> None:
    table.claim("old")
    assert table.records.claim("web", Claim(id="new", until=START), START + timedelta(seconds=90)) is Unclaimed.BUSY


def test_claim_never_creates_a_missing_record(table: Table) -> None:
    assert table.records.claim("web", Claim(id="mine", until=START), START) is Unclaimed.GONE
    assert table.item("web", items.SK) is None


def test_claim_refuses_a_newer_schema(table: Table, web: Record) -> None:
    item = table.item("web", items.SK)
    table.put({**item, "schema": {"N": str(SCHEMA + 1)}})
    assert table.records.claim("web", Claim(id="mine", until=START), START) is Unclaimed.NEWER


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("schema", {"S": "one"}),
        ("claim", {"S": "mine"}),
        ("claim", {"M": {}}),
        ("claim", {"M": {"until": {"N": "9"}}}),
        ("claim", {"M": {"id": {"S": "x"}, "until": {"S": "9999-01-01T00:00:00.000Z"}}}),
        ("claim", {"NULL": True}),
    ],
    ids=["schema", "claim as text", "empty claim", "end as a number", "endless", "null"],
)
def test_claim_ignores_invalid_claim_attributes(table: Table, web: Record, attribute: str, value: dict) -> None:
    """A comparison with another type is never true: the record would stay busy indefinitely."""
    table.put({**table.item("web", items.SK), attribute: value})
    held, _ = table.claim()
    assert table.records.claim("web", Claim(id="second", until=START), START) is Unclaimed.BUSY
    table.records.release(held, {}, None, START)
    assert table.specs.record("web").claim is None


@pytest.mark.parametrize("attribute", ["requested_at", "woken_at"])
def test_claim_treats_null_attributes_as_absent(table: Table, web: Record, attribute: str) -> None:
    """Otherwise the final write would find the record changed on every run and retry indefinitely."""
    table.put({**table.item("web", items.SK), attribute: {"NULL": True}})
    held, _ = table.claim()
    assert table.records.release(held, {}, START + timedelta(days=1), START) is False


def test_unreadable_outcome_is_reported_and_remains(table: Table) -> None:
    table.put({"pk": {"S": "certificate#web"}, "sk": {"S": "outcome#x"}, "outcome": {"S": '{"of": "the future"}'}})
    with pytest.raises(Misconfigured, match="is not a valid outcome"):
        table.records.outcome("web", "outcome#x")


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("spec", {"S": "{}"}),
        ("spec", {"S": "not json"}),
        ("uid", {"N": "5"}),
        ("generation", {"S": "one"}),
        ("surprise", {"S": "x"}),
        (
            "spec",
            {
                "S": '{"name":"other","issuer":"main","attributes":{"common-name":"a.example"},"destinations":[{"type":"x"}]}'
            },
        ),
    ],
)
def test_claim_returns_an_unparsable_item_as_unreadable(table: Table, web: Record, attribute: str, value: dict) -> None:
    item = table.item("web", items.SK)
    table.put({**item, attribute: value})
    claimed = table.records.claim("web", Claim(id="mine", until=START), START)
    assert not isinstance(claimed, Unclaimed)
    held, found = claimed
    assert isinstance(found, Unreadable)
    assert found.problem
    table.records.conclude(held, {"state": "stopped", "outcomes": 1}, None, outcome())
    after = table.item("web", items.SK)
    assert "due_at" not in after
    assert "claim" not in after


# -- update -----------------------------------------------------------------------------------------------------------
def test_update_sets_and_removes_attributes(table: Table, web: Record) -> None:
    held, _ = table.claim()
    table.records.update(held, {"revision": 3, "state": "pending", "renew_at": START})
    assert (table.specs.record("web").revision, table.specs.record("web").renew_at) == (3, START)
    table.records.update(held, {"renew_at": None})
    assert table.specs.record("web").renew_at is None


@pytest.mark.parametrize("attribute", ["spec", "generation", "requested_at", "uid", "claim", "due_at"])
def test_update_refuses_attributes_of_the_operator(table: Table, web: Record, attribute: str) -> None:
    held, _ = table.claim()
    with pytest.raises(ValueError, match="attributes that the issuer may not write"):
        table.records.update(held, {attribute: "x"})


def test_update_never_recreates_a_deleted_record(table: Table, web: Record) -> None:
    held, record = table.claim()
    table.specs.remove(record)
    with pytest.raises(ClaimLost):
        table.records.update(held, {"revision": 1})
    assert table.item("web", items.SK) is None


# -- release and conclude ---------------------------------------------------------------------------------------------
def finish(table: Table, how: str, held: ClaimedRecord, due_at) -> bool:
    if how == "release":
        return table.records.release(held, {"state": "ready"}, due_at, START + timedelta(seconds=5))
    made = outcome().model_copy(update={"at": START + timedelta(seconds=5)})
    moved, stored = table.records.conclude(held, {"state": "ready", "outcomes": 1}, due_at, made)
    assert stored == made
    return moved


@pytest.mark.parametrize("how", ["release", "conclude"])
def test_release_ends_the_claim_and_sets_the_next_time(table: Table, web: Record, how: str) -> None:
    held, _ = table.claim()
    later = START + timedelta(days=30)
    assert finish(table, how, held, later) is False
    record = table.specs.record("web")
    assert (record.claim, record.due_at, record.state) == (None, later, "ready")
    assert (table.item("web", outcome().key) is not None) == (how == "conclude")


@pytest.mark.parametrize("how", ["release", "conclude"])
def test_release_without_next_time_leaves_the_due_index(table: Table, web: Record, how: str) -> None:
    held, _ = table.claim()
    finish(table, how, held, None)
    item = table.item("web", items.SK)
    assert "due_at" not in item
    assert "due_shard" not in item


@pytest.mark.parametrize("how", ["release", "conclude"])
@pytest.mark.parametrize("attribute", ["generation", "requested_at", "woken_at"])
@pytest.mark.parametrize(
    "garbage",
    [{"SS": ["a", "b"]}, {"NS": ["1"]}, {"B": b"x"}, {"BS": [b"x"]}, {"L": [{"NS": ["1"]}]}, {"N": "100"}],
    ids=str,
)
def test_garbage_that_a_run_read_does_not_count_as_a_change(
    table: Table, web: Record, how: str, attribute: str, garbage: dict[str, Any]
) -> None:
    table.put({**table.item("web", items.SK), attribute: garbage})
    claimed = table.records.claim("web", Claim(id="mine", until=START + timedelta(seconds=90)), START)
    assert not isinstance(claimed, Unclaimed)
    assert finish(table, how, claimed[0], START + timedelta(days=1)) is False
    after = table.item("web", items.SK)
    assert after[attribute] == garbage  # it is reported, and never overwritten silently
    assert "claim" not in after


@pytest.mark.parametrize("how", ["release", "conclude"])
@pytest.mark.parametrize("what", ["edit", "request", "wake"])
def test_release_after_a_concurrent_change_is_due_now(table: Table, web: Record, how: str, what: str) -> None:
    held, record = table.claim()
    if what == "edit":
        changed = record.model_copy(update={"generation": 2})
        table.specs.write([Change(changed, record)], START)
    elif what == "request":
        table.specs.request("web", START + timedelta(seconds=1))
    else:
        table.specs.wake("web", START + timedelta(hours=1), START + timedelta(seconds=1))
    assert finish(table, how, held, START + timedelta(days=30)) is True
    after = table.specs.record("web")
    assert (after.claim, after.due_at) == (None, START + timedelta(seconds=5))
    assert after.generation == (2 if what == "edit" else 1)
    assert (after.requested_at is not None) == (what == "request")


@pytest.mark.parametrize("how", ["release", "conclude"])
def test_release_never_recreates_a_deleted_record(table: Table, web: Record, how: str) -> None:
    held, record = table.claim()
    table.specs.remove(record)
    with pytest.raises(ClaimLost):
        finish(table, how, held, START)
    assert table.item("web", items.SK) is None
    assert table.item("web", outcome().key) is None


def test_release_leaves_a_recreated_record_unchanged(table: Table, web: Record) -> None:
    held, record = table.claim()
    table.specs.remove(record)
    other = Record(name="web", uid=UID.replace("8", "9"), spec=spec(), generation=1)
    table.specs.write([Change(other, None)], START)
    with pytest.raises(ClaimLost):
        finish(table, "conclude", held, START)
    assert table.specs.record("web").revision == 0


# -- outcomes ---------------------------------------------------------------------------------------------------------
def test_outcome_is_readable_until_published(table: Table, web: Record) -> None:
    held, _ = table.claim()
    made = outcome()
    table.records.conclude(held, {"outcomes": 1}, None, made)
    assert table.records.outcome("web", made.key) == made
    assert "due_at" in table.item("web", made.key)
    table.records.published(made, START)
    assert table.records.outcome("web", made.key) is None
    item = table.item("web", made.key)
    assert "due_at" not in item
    assert int(item["expires_at"]["N"]) == int((START + timedelta(days=400)).timestamp())


def test_publish_never_recreates_a_deleted_outcome(table: Table) -> None:
    table.records.published(outcome(), START)
    assert table.item("web", outcome().key) is None


# -- operators --------------------------------------------------------------------------------------------------------
def test_specs_are_written_all_or_none(table: Table, web: Record) -> None:
    new = Record(name="other", uid=UID, spec=spec("other"), generation=1)
    stale = web.model_copy(update={"generation": 7})
    with pytest.raises(Rejected, match="web"):
        table.specs.write([Change(new, None), Change(stale.model_copy(update={"generation": 8}), stale)], START)
    assert table.specs.record("other") is None


def test_create_refuses_an_existing_name(table: Table, web: Record) -> None:
    with pytest.raises(Rejected):
        table.specs.write([Change(web, None)], START)


def test_edit_keeps_the_attributes_of_the_issuer(table: Table, web: Record) -> None:
    held, record = table.claim()
    table.records.update(held, {"revision": 3})
    table.specs.write([Change(record.model_copy(update={"generation": 2}), record)], START)
    after = table.specs.record("web")
    assert (after.revision, after.generation, after.claim.id) == (3, 2, "mine")


def test_wake_never_postpones(table: Table, web: Record) -> None:
    table.specs.wake("web", START + timedelta(hours=1), START)
    assert table.specs.record("web").due_at == START
    table.specs.wake("web", START - timedelta(hours=1), START)
    assert table.specs.record("web").due_at == START - timedelta(hours=1)
    table.specs.wake("unknown", START, START)
    assert table.item("unknown", items.SK) is None


def test_request_for_an_unknown_name_is_refused(table: Table) -> None:
    assert table.specs.request("unknown", START) is False
    assert table.item("unknown", items.SK) is None


def test_request_stores_time_reason_and_spread(table: Table, web: Record) -> None:
    table.records.release(table.claim()[0], {}, START + timedelta(days=60), START)
    assert table.specs.request("web", START, START + timedelta(hours=1), "rotated the CA")
    record = table.specs.record("web")
    assert (record.requested_at, record.request_reason) == (START, "rotated the CA")
    assert record.due_at == START + timedelta(hours=1)
    assert table.specs.request("web", START + timedelta(seconds=1))
    record = table.specs.record("web")
    assert (record.requested_at, record.request_reason) == (START + timedelta(seconds=1), None)
    assert record.due_at == START + timedelta(seconds=1)


def test_request_never_postpones(table: Table, web: Record) -> None:
    assert table.specs.request("web", START, START + timedelta(hours=1))
    assert (table.specs.record("web").requested_at, table.specs.record("web").due_at) == (START, START)


@pytest.mark.parametrize("lost", ["due_at", "due_shard"])
def test_request_restores_a_record_missing_from_the_due_index(table: Table, web: Record, lost: str) -> None:
    item = table.item("web", items.SK)
    table.put({name: value for name, value in item.items() if name != lost})
    assert table.specs.request("web", START, START + timedelta(hours=2))
    assert {"due_at", "due_shard"} <= table.item("web", items.SK).keys()
    assert table.specs.record("web").due_at == START + timedelta(hours=2 if lost == "due_at" else 0)


class _Moving:
    """A client whose condition fails twice: a run ended between two reads and moved the due time."""

    def __init__(self, exists: bool) -> None:
        self.exists = exists
        self.updates: list[dict[str, Any]] = []

    def update_item(self, **update: Any) -> dict[str, Any]:
        self.updates.append(update)
        if len(self.updates) < 3 or not self.exists:
            raise refuse("ConditionalCheckFailedException", "UpdateItem")
        return {}


def test_request_during_the_end_of_a_run_is_due_at_once() -> None:
    client = _Moving(exists=True)
    specs = DynamoDBSpecs(client, "t", "i")  # type: ignore[arg-type]
    assert specs.request("web", START, START + timedelta(hours=1), "why")
    values = list(client.updates[2]["ExpressionAttributeValues"].values())
    assert values.count(items.attribute(START)) == 2  # requested and due
    unknown = DynamoDBSpecs(_Moving(exists=False), "t", "i")  # type: ignore[arg-type]
    assert unknown.request("web", START, START + timedelta(hours=1)) is False


@pytest.mark.parametrize("uid", [{"N": "1"}, {"S": "x"}, {"S": ""}, {"S": UID.upper()}], ids=str)
def test_remove_deletes_an_unreadable_record(table: Table, web: Record, uid: dict[str, str]) -> None:
    table.put({**table.item("web", items.SK), "uid": uid, "spec": {"S": "{"}})
    unreadable = table.specs.record("web")
    assert isinstance(unreadable, Unreadable)
    table.specs.remove(unreadable)
    assert table.specs.record("web") is None


def test_remove_keeps_a_recreated_record(table: Table, web: Record) -> None:
    seen = Unreadable("web", UID.replace("8", "9"), 0, "does not parse")
    with pytest.raises(Rejected):
        table.specs.remove(seen)
    assert table.specs.record("web") is not None


def test_remove_deletes_only_the_record_that_was_read(table: Table, web: Record) -> None:
    with pytest.raises(Rejected):
        table.specs.remove(web.model_copy(update={"uid": UID.replace("8", "9")}))
    assert table.specs.record("web") is not None
    table.specs.remove(web)
    table.specs.remove(web)
    assert table.specs.record("web") is None


def test_history_is_separate_from_records(table: Table, web: Record) -> None:
    held, _ = table.claim()
    table.records.conclude(held, {"outcomes": 1}, None, outcome())
    assert [record.name for record in table.specs.records()] == ["web"]
    assert table.specs.history("web") == [outcome()]
    assert table.specs.history("unknown") == []


def test_issuer_definition_round_trip(table: Table) -> None:
    from evercert.documents.spec import Component

    definition = Component.model_validate({"type": "self-signed", "note": "x"})
    table.specs.write_issuer("main", definition)
    table.specs.write_issuer("main", definition)
    assert table.specs.issuers() == {"main": definition}


TARGETS = {
    "stack": STACK,
    "issuer": PauseTarget("main"),
    "issuer-named-stack": PauseTarget("stack"),
    "certificate": PauseTarget(certificate="main"),
    "certificate-with-hash": PauseTarget(certificate="issuer#main"),
}


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_pause_remains_until_it_is_removed(table: Table, target: PauseTarget) -> None:
    later = START + timedelta(hours=1)
    assert table.specs.pause(target, Pause(START, "the CA moves"), START) is True
    assert table.specs.pause(target, Pause(later, "again"), later) is False
    assert table.specs.pauses(later) == {target: Pause(START, "the CA moves")}
    assert table.specs.issuers() == {}
    assert table.specs.resume(target) is True
    assert table.specs.resume(target) is False
    assert table.specs.pauses(START) == {}


def test_pause_ends_at_its_time_and_another_one_can_follow(table: Table) -> None:
    end = START + timedelta(hours=1)
    before, ended = end - timedelta(seconds=1), Pause(START, until=end)
    assert table.specs.pause(STACK, ended, START) is True
    assert table.specs.pause(STACK, Pause(before), before) is False
    assert table.specs.pauses(before) == {STACK: ended}
    assert table.specs.pauses(end) == {}
    assert table.specs.pause(STACK, Pause(end), end) is True
    assert table.specs.pauses(end) == {STACK: Pause(end)}


@pytest.mark.parametrize("until", ["2020-01-01T06:00Z", "2020-12-01", ""])
def test_end_that_does_not_parse_ends_no_pause(world, until: str) -> None:
    client, table = world.operator.dynamodb, world.issuers_table
    client.put_item(TableName=table, Item={"pk": {"S": "pause#stack"}, "paused_until": {"S": until}})
    specs = DynamoDBSpecs(client, world.table, table)
    assert specs.pause(STACK, Pause(START), START) is False
    assert specs.pauses(START) == {STACK: Pause(None)}


def test_pauses_of_an_issuer_and_of_the_stack_are_independent(table: Table) -> None:
    table.specs.pause(STACK, Pause(START), START)
    table.specs.pause(PauseTarget("main"), Pause(START), START)
    table.specs.resume(PauseTarget("main"))
    assert table.specs.pauses(START) == {STACK: Pause(START)}


def test_pause_set_by_a_manual_edit_counts(world) -> None:
    client = world.operator.dynamodb
    client.put_item(TableName=world.issuers_table, Item={"pk": {"S": "pause#stack"}, "paused_at": {"N": "1"}})
    assert DynamoDBSpecs(client, world.table, world.issuers_table).pauses(START) == {STACK: Pause(None)}


def test_conclude_skips_outcome_numbers_in_use(table: Table, web: Record) -> None:
    """A restored record may be older than the outcomes beside it."""
    for number in (1, 2, 3):
        made = outcome().model_copy(update={"number": number})
        table.put({**items.outcome_item(made)})
    held, _ = table.claim()
    made = outcome().model_copy(update={"at": START + timedelta(seconds=5)})
    moved, stored = table.records.conclude(held, {"state": "ready", "outcomes": 1}, START, made)
    assert (moved, stored.number) == (False, 4)
    assert table.specs.record("web").outcomes == 4
    assert table.item("web", stored.key) is not None


@pytest.mark.parametrize("count", [LAST_COUNT - 1, LAST_COUNT])
def test_conclude_restarts_numbers_after_the_last(table: Table, web: Record, count: int) -> None:
    """A manual edit set the count: it must not make the record unreadable."""
    table.put(items.outcome_item(outcome()))
    held, _ = table.claim()
    made = outcome().model_copy(update={"number": count + 1, "at": START + timedelta(seconds=5)})
    _, stored = table.records.conclude(held, {"state": "ready"}, START, made)
    assert stored.number == (LAST_COUNT if count < LAST_COUNT else 2)
    assert table.specs.record("web").outcomes == stored.number


def test_record_at_rest_is_marked_and_a_due_one_is_not(table: Table, web: Record) -> None:
    held, _ = table.claim()
    table.records.release(held, {}, None, START)
    assert table.specs.record("web").resting is True
    table.specs.request("web", START)
    held, _ = table.claim()
    table.records.release(held, {}, START + timedelta(days=1), START)
    assert table.specs.record("web").resting is False


def test_look_changes_nothing(table: Table, web: Record) -> None:
    before = table.item("web", items.SK)
    assert table.records.look("web") == table.specs.record("web")
    assert table.records.look("unknown") is None
    assert table.item("web", items.SK) == before


ADVICE = RenewalAdvice(revision=1, start=START, end=START)


@pytest.mark.parametrize("advice", [None, ADVICE], ids=["no-advice", "advice"])
@pytest.mark.parametrize("how", ["update", "release", "write"])
def test_write_stores_the_schema_version(table: Table, web: Record, how: str, advice: RenewalAdvice | None) -> None:
    """An older evercert leaves the item alone after a rollback, if it cannot read one of its attributes."""
    if advice is not None:
        held, _ = table.claim()
        table.records.release(held, {"advice": advice}, START, START)
    item = table.item("web", items.SK)
    table.put({**item, "schema": {"N": "1"}})
    if how == "write":
        changed = web.model_copy(update={"generation": 2})
        table.specs.write([Change(changed, table.specs.record("web"))], START)
    else:
        held, _ = table.claim()
        if how == "update":
            table.records.update(held, {"state": "pending"})
        else:
            table.records.release(held, {}, START, START)
    assert table.item("web", items.SK)["schema"] == {"N": str(ADVISED_SCHEMA if advice else PREVIOUS_SCHEMA)}


# -- rollbacks --------------------------------------------------------------------------------------------------------
ROLLBACK = RollbackRequest(to=1, requested_at=START, reason="it breaks the proxy")


def test_rollback_request_makes_the_record_due(table: Table, web: Record) -> None:
    held, _ = table.claim()
    table.records.release(held, {}, START + timedelta(days=9), START)
    table.specs.request_rollback(web, ROLLBACK)
    record = table.specs.record("web")
    assert isinstance(record, Record)
    assert (record.rollback, record.due_at) == (ROLLBACK, START)
    assert table.item("web", items.SK)["schema"] == {"N": str(SCHEMA)}


def test_rollback_request_of_another_certificate_is_refused(table: Table, web: Record) -> None:
    with pytest.raises(Rejected, match=r"created again|recreated"):
        table.specs.request_rollback(web.model_copy(update={"uid": UID[:-1] + "5"}), ROLLBACK)
    assert table.specs.record("web").rollback is None


@pytest.mark.parametrize("how", ["release", "conclude"])
@pytest.mark.parametrize("woken", [False, True], ids=["quiet", "woken"])
def test_end_of_a_run_removes_its_rollback(table: Table, web: Record, how: str, woken: bool) -> None:
    table.specs.request_rollback(web, ROLLBACK)
    held, _ = table.claim()
    if woken:
        table.specs.wake("web", START, START)
    moved = end(table, held, how, {"rollback": None})
    record = table.specs.record("web")
    assert (moved, record.rollback, record.claim) == (woken, None, None)


@pytest.mark.parametrize("how", ["release", "conclude"])
@pytest.mark.parametrize("before", [False, True], ids=["first", "second"])
def test_rollback_requested_during_a_run_remains(table: Table, web: Record, how: str, before: bool) -> None:
    if before:
        table.specs.request_rollback(web, ROLLBACK)
    held, _ = table.claim()
    later = ROLLBACK.model_copy(update={"requested_at": START + timedelta(seconds=1)})
    table.specs.request_rollback(web, later)
    assert end(table, held, how, {"rollback": None, "state": "ready"})
    record = table.specs.record("web")
    assert (record.rollback, record.state, record.claim, record.due_at) == (later, "ready", None, START)
    assert table.item("web", items.SK)["schema"] == {"N": str(SCHEMA)}


def end(table: Table, held: ClaimedRecord, how: str, changes: dict[str, Any]) -> bool:
    if how == "release":
        return table.records.release(held, changes, START + timedelta(days=1), START)
    return table.records.conclude(held, changes, START + timedelta(days=1), outcome())[0]


def test_edit_of_a_record_with_a_rollback_keeps_its_schema(table: Table, web: Record) -> None:
    table.specs.request_rollback(web, ROLLBACK)
    table.specs.write([Change(web.model_copy(update={"generation": 2}), table.specs.record("web"))], START)
    assert table.item("web", items.SK)["schema"] == {"N": str(SCHEMA)}


@pytest.mark.parametrize("how", ["create", "edit"])
def test_keep_revisions_needs_the_newest_schema(table: Table, how: str) -> None:
    record = Record(name="web", uid=UID, spec=spec(lifecycle={"keep-revisions": 1}), generation=1)
    if how == "edit":
        table.specs.write([Change(record.model_copy(update={"spec": spec()}), None)], START)
        assert table.item("web", items.SK)["schema"] == {"N": str(PREVIOUS_SCHEMA)}
    table.specs.write([Change(record, table.specs.record("web"))], START)
    assert table.item("web", items.SK)["schema"] == {"N": str(SCHEMA)}
    held, _ = table.claim()
    table.records.release(held, {}, START, START)
    assert table.item("web", items.SK)["schema"] == {"N": str(SCHEMA)}


def test_remove_deletes_the_kept_revisions(table: Table, web: Record) -> None:
    item = {**items.key("web", "revisions"), "uid": {"S": UID}}
    table.put(item)
    table.specs.forget(web.model_copy(update={"uid": UID[:-1] + "5"}))
    assert table.item("web", "revisions") == item
    table.specs.remove(web)
    assert table.item("web", "revisions") is None
