"""Contract of the table of consumers: the emulator's table and the fake; and items that a hostile host writes."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from evercert.aws.dynamodb.consumers import DynamoDBConsumers, read
from evercert.contracts.consumers import KEPT, MOST_CONSUMERS, Acknowledgement
from evercert.errors import Misconfigured
from tests.doubles.fakes import START, FakeConsumers
from tests.doubles.strict_aws import refuse
from tests.doubles.strict_dynamodb import FAILURES
from tests.doubles.world import World

UID, OTHER = "8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44", "6f1c1e9a-3a0e-4c3b-9f0a-2f6d1a7b8c9d"
ME, YOU = "AROAEXAMPLE:i-0123", "AROAEXAMPLE:i-4567"


@pytest.fixture(params=["fake", "dynamodb"])
def consumers(request: pytest.FixtureRequest) -> Any:
    if request.param == "fake":
        return FakeConsumers()
    world: World = request.getfixturevalue("world")
    return DynamoDBConsumers(world.operator.dynamodb, world.authority_table("ConsumersTable"))


@pytest.fixture
def table(world: World) -> tuple[World, str]:
    return world, world.authority_table("ConsumersTable")


def loaded(consumer: str = ME, revision: int = 1, **changes: Any) -> Acknowledgement:
    usual = {
        "consumer": consumer, "certificate": "web", "uid": UID, "revision": revision,
        "fingerprint_sha256": f"{revision:064x}", "version": "v1", "host": "web-1", "loaded_at": START, "seen_at": START,
    }  # fmt: skip
    return Acknowledgement.model_validate({**usual, **changes})


def test_acknowledgement_is_listed_with_its_certificate(consumers: Any) -> None:
    assert consumers.of("web").known == ()
    assert consumers.acknowledge(loaded()) is None
    consumers.acknowledge(loaded(YOU, host="web-2"))
    consumers.acknowledge(loaded(certificate="other"))
    found = consumers.of("web")
    assert (found.known, found.more) == ((loaded(), loaded(YOU, host="web-2")), False)


def test_acknowledgement_is_repeatable(consumers: Any) -> None:
    later = loaded(seen_at=START + timedelta(days=1))
    for one in (loaded(), loaded(), later):
        assert consumers.acknowledge(one) is None
    assert consumers.of("web").known == (later,)


def test_older_revision_replaces_no_newer_one(consumers: Any) -> None:
    consumers.acknowledge(loaded(revision=2))
    assert "newer revision" in consumers.acknowledge(loaded(revision=1)).why
    assert consumers.of("web").known == (loaded(revision=2),)
    assert consumers.acknowledge(loaded(revision=3)) is None


def test_new_certificate_of_the_same_name_replaces_it(consumers: Any) -> None:
    consumers.acknowledge(loaded(revision=9))
    new = loaded(revision=1, uid=OTHER)
    assert consumers.acknowledge(new) is None
    assert consumers.of("web").known == (new,)


def test_consumer_without_revisions_replaces_its_own(consumers: Any) -> None:
    """It knows the secret only."""
    for number in (1, 2):
        one = loaded(revision=0, uid="", fingerprint_sha256=f"{number:064x}")
        assert consumers.acknowledge(one) is None
    assert consumers.of("web").known == (one,)


@pytest.mark.parametrize(
    "change",
    [{"consumer": ""}, {"consumer": "a b"}, {"consumer": "x" * 201}, {"certificate": "a/b"}, {"fingerprint_sha256": "A" * 64},
     {"version": "x" * 129}, {"host": "x" * 254}, {"host": "\x1b[2J"}, {"revision": -1}, {"uid": "mine"}, {"loaded_at": "soon"}],
)  # fmt: skip
def test_other_values_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="1 validation error"):
        loaded(**{"fingerprint_sha256": "f" * 64, **change})


# -- the table --------------------------------------------------------------------------------------------------------
def test_item_expires(table: tuple[World, str]) -> None:
    world, name = table
    DynamoDBConsumers(world.operator.dynamodb, name).acknowledge(loaded())
    (item,) = world.operator.dynamodb.scan(TableName=name)["Items"]
    assert item["expires_at"] == {"N": str(int((START + KEPT).timestamp()))}
    assert (item["pk"], item["sk"]) == ({"S": ME}, {"S": "certificate#web"})


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"fingerprint_sha256": {"S": "f" * 64}},
        {"fingerprint_sha256": {"N": "1"}, "loaded_at": {"S": "x"}, "seen_at": {"NULL": True}},
        {"host": {"S": "x" * 300_000}, "revision": {"S": "x"}},
        {"revision": {"N": "1e100"}, "uid": {"M": {}}},
    ],
)
def test_hostile_item_hides_no_other(table: tuple[World, str], values: dict[str, Any]) -> None:
    world, name = table
    found = DynamoDBConsumers(world.operator.dynamodb, name)
    found.acknowledge(loaded(YOU))
    keys = {"pk": {"S": "AROAEVIL:x"}, "sk": {"S": "certificate#web"}}
    world.operator.dynamodb.put_item(TableName=name, Item={**keys, **values})
    for number in range(30):  # other sort keys are no entries of this certificate
        other = {"pk": keys["pk"], "sk": {"S": f"certificate#web#{number}"}, "certificate": {"S": "web"}}
        world.operator.dynamodb.put_item(TableName=name, Item={**other, **values})
    assert found.of("web").known == (loaded(YOU),)


def test_edited_revision_is_replaced(table: tuple[World, str]) -> None:
    world, name = table
    found = DynamoDBConsumers(world.operator.dynamodb, name)
    keys = {"pk": {"S": ME}, "sk": {"S": "certificate#web"}}
    world.operator.dynamodb.put_item(TableName=name, Item={**keys, "revision": {"S": "9"}, "uid": {"S": UID}})
    assert found.acknowledge(loaded()) is None
    assert found.of("web").known == (loaded(),)


def test_values_of_an_item_are_read_in_full_or_not_at_all() -> None:
    assert read({"pk": {"S": ME}}) is None
    assert read({"pk": {"N": "1"}, "sk": {"S": "certificate#web"}}) is None


class Pages:
    """A client whose index has this many entries, in pages, and which returns some keys unprocessed."""

    def __init__(self, entries: int, page: int = 200, unprocessed: int = 0) -> None:
        self.keys = [{"pk": {"S": f"A:{number:05}"}, "sk": {"S": "certificate#web"}} for number in range(entries)]
        self.page, self.unprocessed, self.reads, self.queries = page, unprocessed, 0, 0

    def query(self, **asked: Any) -> dict[str, Any]:
        self.queries += 1
        start = asked.get("ExclusiveStartKey", 0)
        end = start + min(self.page, asked["Limit"])
        return {"Items": self.keys[start:end], **({"LastEvaluatedKey": end} if end < len(self.keys) else {})}

    def batch_get_item(self, *, RequestItems: dict[str, Any]) -> dict[str, Any]:
        self.reads += 1
        ((table, asked),) = RequestItems.items()
        keys, left = asked["Keys"], []
        assert len(keys) <= 100
        if self.unprocessed:
            keys, left = keys[: -self.unprocessed], keys[-self.unprocessed :]
        fields = {"fingerprint_sha256": {"S": "f" * 64}, "loaded_at": {"S": "2026-01-15T12:00:00.000Z"}}
        found = [{**key, **fields, "seen_at": fields["loaded_at"]} for key in keys]
        return {"Responses": {table: found}, "UnprocessedKeys": {table: {**asked, "Keys": left}} if left else {}}


@pytest.mark.parametrize(
    ("entries", "known", "more"),
    [(0, 0, False), (100, 100, False), (101, 101, False), (500, 500, False), (501, 500, True), (9_000, 500, True)],
)
def test_list_is_bounded(entries: int, known: int, more: bool) -> None:
    client = Pages(entries)
    found = DynamoDBConsumers(client, "consumers").of("web")  # type: ignore[arg-type]
    assert (len(found.known), found.more) == (known, more)
    assert client.reads <= MOST_CONSUMERS / 100
    assert client.queries <= 5


def test_unprocessed_keys_are_read_again_and_then_left_out() -> None:
    client = Pages(100, unprocessed=10)
    found = DynamoDBConsumers(client, "consumers").of("web")  # type: ignore[arg-type]
    assert (client.reads, len(found.known), found.more) == (3, 90, True)


@pytest.mark.parametrize(("code", "kind"), FAILURES)
def test_failures_are_translated(code: str, kind: type[Exception]) -> None:
    def fail(**_: Any) -> Any:
        raise refuse(code, "UpdateItem")

    client: Any = SimpleNamespace(update_item=fail, query=fail)
    with pytest.raises(kind):
        DynamoDBConsumers(client, "consumers").acknowledge(loaded())
    with pytest.raises(kind):
        DynamoDBConsumers(client, "consumers").of("web")


def test_missing_table_is_misconfigured(world: World) -> None:
    with pytest.raises(Misconfigured):
        DynamoDBConsumers(world.operator.dynamodb, "no-such-table").of("web")
