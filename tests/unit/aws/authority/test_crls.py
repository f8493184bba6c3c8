"""The latest CRLs in memory: parts are read once, a newer list is seen at once, memory is bounded."""

from __future__ import annotations

from typing import Any

import pytest

from evercert.aws.authority import crls
from evercert.aws.authority.crls import DynamoDBCrls, LatestCrls
from evercert.errors import Misconfigured


class Table:
    """GetItem on a table with CRLs; `read` are the kinds of the items that were read."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {}
        self.read: list[str] = []

    def publish(self, ca: str, number: int, *parts: bytes) -> None:
        for place, part in enumerate(parts):
            self.items[f"crl-part#{ca}#{number}#{place}"] = {"der": {"B": part}}
        self.items[f"crl#{ca}"] = {"published": {"N": str(number)}, "parts": {"N": str(len(parts))}}

    def get_item(self, *, Key: dict[str, Any], **more: Any) -> dict[str, Any]:
        assert more["ConsistentRead"]
        name = Key["pk"]["S"]
        self.read.append(name.partition("#")[0])
        return {"Item": self.items[name]} if name in self.items else {}


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def stored(table: Table) -> DynamoDBCrls:
    return DynamoDBCrls(table, "table")  # type: ignore[arg-type]


def test_published_reads_parts_once(table: Table, stored: DynamoDBCrls) -> None:
    table.publish("ca", 1, b"a", b"b")
    assert [stored.published("ca") for _ in range(3)] == [b"ab"] * 3
    assert table.read == ["crl", "crl-part", "crl-part", "crl", "crl"]


def test_published_sees_a_newer_list_at_once(table: Table, stored: DynamoDBCrls) -> None:
    for number, part in ((1, b"old"), (2, b"new"), (3, b"newest")):
        table.publish("ca", number, part)
        assert stored.published("ca") == part


def test_published_keeps_lists_of_several_cas_apart(table: Table, stored: DynamoDBCrls) -> None:
    table.publish("one", 1, b"1")
    table.publish("two", 1, b"2")
    assert [stored.published(ca) for ca in ("one", "two") * 2] == [b"1", b"2"] * 2
    assert table.read.count("crl-part") == 2


def test_published_keeps_no_incomplete_list(table: Table, stored: DynamoDBCrls) -> None:
    table.publish("ca", 1, b"a", b"b")
    part = table.items.pop("crl-part#ca#1#1")
    with pytest.raises(Misconfigured, match="is incomplete"):
        stored.published("ca")
    table.items["crl-part#ca#1#1"] = part
    assert stored.published("ca") == b"ab"


def test_unknown_cas_use_no_memory(stored: DynamoDBCrls) -> None:
    assert [stored.published(str(number)) for number in range(9)] == [None] * 9
    assert stored._latest._lists == {}


def test_lists_in_memory_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crls, "IN_MEMORY", 10)
    lists = LatestCrls()
    for number in range(20):
        assert lists.keep(str(number), 1, b"1234") == b"1234"
        assert sum(len(der) for _, der in lists._lists.values()) <= 10
    assert (lists.get("19", 1), lists.get("0", 1)) == (b"1234", None)
    assert lists.keep("large", 1, b"x" * 11) == b"x" * 11
    assert lists._lists == {}
