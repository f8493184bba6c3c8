"""Kept revisions in memory, in the dictionary of a fake table; passes the contract tests of the adapter."""

from __future__ import annotations

from typing import Any

from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.revision_store import SORT, kept_update, read_kept
from evercert.contracts.revisions import KeptRevisions, RevisionsNotKept, RevisionsToKeep
from tests.doubles.item_size import LIMIT, size


class FakeRevisions:
    """Kept revisions as items of the table."""

    def __init__(self, stored: dict[tuple[str, str], dict[str, Any]]) -> None:
        self.items = stored

    def read(self, name: str, uid: str) -> KeptRevisions:
        return read_kept(self.items.get((items.pk(name), SORT)), uid)

    def replaced(self, name: str, kept: RevisionsToKeep) -> dict[tuple[str, str], dict[str, Any]]:
        """Return the new item by its key; raise RevisionsNotKept."""
        stored = items.plain(self.items.get((items.pk(name), SORT), {}))
        if stored.get("version") != kept.seen.version:
            raise RevisionsNotKept("the kept revisions were changed or deleted during the run")
        changes = kept_update(kept).changes
        item = {**items.key(name, SORT), **{key: items.attribute(value) for key, value in changes.items()}}
        if size(item) > LIMIT:
            raise RevisionsNotKept("the kept revisions have no room under DynamoDB's 400 KB")
        return {(items.pk(name), SORT): item}

    def delete(self, name: str, uid: str) -> None:
        item = self.items.get((items.pk(name), SORT), {})
        if "S" not in item.get("uid", {}) or item["uid"] == {"S": uid}:
            self.items.pop((items.pk(name), SORT), None)
