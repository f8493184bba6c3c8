"""Kept revisions in memory, in the dictionary of a fake table; passes the contract tests of the adapter."""

from __future__ import annotations

from typing import Any

from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.revision_store import SORT, kept_update, read_kept
from evercert.contracts.revisions import KeptRevision, KeptRevisions
from tests.doubles.item_size import LIMIT, size


class FakeRevisions:
    """Kept revisions as items of the table; `log` has the writes."""

    def __init__(self, stored: dict[tuple[str, str], dict[str, Any]]) -> None:
        self.items = stored
        self.log: list[str] = []

    def read(self, name: str, uid: str) -> KeptRevisions:
        return read_kept(self.items.get((items.pk(name), SORT)), uid)

    def write(self, name: str, uid: str, seen: KeptRevisions, revisions: tuple[KeptRevision, ...]) -> bool:
        self.log.append(f"write {[kept.revision for kept in revisions]}")
        stored = items.plain(self.items.get((items.pk(name), SORT), {}))
        record = self.items.get((items.pk(name), items.SK), {})
        if record.get("uid") != {"S": uid} or stored.get("version") != seen.version:
            return False
        changes = kept_update(uid, seen, revisions).changes
        item = {**items.key(name, SORT), **{key: items.attribute(value) for key, value in changes.items()}}
        if size(item) > LIMIT:
            return False
        self.items[items.pk(name), SORT] = item
        return True

    def delete(self, name: str, uid: str) -> None:
        item = self.items.get((items.pk(name), SORT), {})
        if "S" not in item.get("uid", {}) or item["uid"] == {"S": uid}:
            self.items.pop((items.pk(name), SORT), None)
