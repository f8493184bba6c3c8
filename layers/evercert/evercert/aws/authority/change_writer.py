"""DynamoDB: one change of a caller of the management API, with its audit entry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from evercert.authority.contracts.management import Change, ChangedMeanwhile
from evercert.aws.authority import audit_trail
from evercert.aws.authority.configuration_writer import ConfigurationWriter

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


class ChangeWriter(ConfigurationWriter):
    """Configuration during one attempt of a change.

    The change rests on the first read of each object. Another read that finds something else raises ChangedMeanwhile.
    """

    def __init__(self, client: DynamoDBClient, table: str, audit_table: str) -> None:
        super().__init__(client, table)
        self._audit_table = audit_table
        self._listed: set[str] = set()  # kinds

    def apply(self, change: Change) -> None:
        """Write a change and its audit entries in one transaction; raise ChangedMeanwhile."""
        writes = [write for thing in change.puts for write in self._puts(thing)]
        writes += [write for thing in change.removals for write in self._deletes(thing)]
        writes += [audit_trail.put(self._audit_table, entry) for entry in change.entries]
        self._transact(writes, change.entries[0].action, (*change.puts, *change.removals))

    def _items(self, kind: str) -> Iterator[dict[str, Any]]:
        items = list(super()._items(kind))
        found = {item["sk"]["S"] for item in items}
        for key in [key for seen, key in self._seen if seen == kind and key not in found]:
            self._remember(kind, key, None)
        self._listed.add(kind)
        yield from items

    def _remember(self, kind: str, key: str, text: str | None) -> None:
        first = None if kind in self._listed else text  # a full list has shown which objects are absent
        if self._seen.setdefault((kind, key), first) != text:
            raise ChangedMeanwhile(f"{kind} {key}: changed by another call")
