"""DynamoDB: the audit trail, one item for each change of the configuration through the API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from evercert.authority.contracts.management import AuditEntry
from evercert.aws.clients import translated
from evercert.canonical_json import canonical_json
from evercert.errors import Misconfigured
from evercert.timestamps import from_text, to_text

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

DAYS = "day#"
_TEXTS = ("identity", "identity_name", "action", "kind", "object_id", "object_name")


def put(table: str, entry: AuditEntry) -> dict[str, Any]:
    """Return the write of an entry, which never replaces another one."""
    texts = {name: str(getattr(entry, name)) for name in _TEXTS}
    documents = {"before": entry.before, "after": entry.after}
    item = {
        "pk": {"S": f"{DAYS}{entry.at:%Y-%m-%d}"},
        "sk": {"S": f"{to_text(entry.at)}#{entry.id}"},
        **{name: {"S": text} for name, text in texts.items()},
        **{name: {"S": canonical_json(dict(value))} for name, value in documents.items() if value is not None},
    }
    return {"Put": {"TableName": table, "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}}


class AuditTrail:
    """Read access to the audit trail, with the operator's permissions."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def entries(self, since: datetime, until: datetime) -> Iterator[AuditEntry]:
        """Yield the entries of a period, newest first; one query for each day, and one for each further MiB."""
        day = until
        while day.date() >= since.date():
            for item in self._items(f"{DAYS}{day:%Y-%m-%d}"):
                entry = _entry(item)
                if since <= entry.at <= until:
                    yield entry
            day -= timedelta(days=1)

    def _items(self, day: str) -> Iterator[Mapping[str, Any]]:
        more: dict[str, Any] = {}
        while True:
            with translated(f"read the audit trail of {day.removeprefix(DAYS)}"):
                page = self._client.query(
                    TableName=self._table,
                    KeyConditionExpression="pk = :day",
                    ExpressionAttributeValues={":day": {"S": day}},
                    ScanIndexForward=False,
                    **more,
                )
            yield from page["Items"]
            if not (following := page.get("LastEvaluatedKey")):
                return
            more = {"ExclusiveStartKey": following}


def _entry(item: Mapping[str, Any]) -> AuditEntry:
    """Parse an item; raise Misconfigured for a malformed one (manual edit)."""
    try:
        at, _, entry_id = str(item["sk"]["S"]).partition("#")
        texts = {name: str(item[name]["S"]) for name in _TEXTS}
        documents = {name: json.loads(item[name]["S"]) if name in item else None for name in ("before", "after")}
        found = AuditEntry(id=entry_id, at=from_text(at), **cast("dict[str, Any]", texts | documents))
    except (KeyError, TypeError, ValueError) as error:
        raise Misconfigured(f"an entry of the audit trail does not parse ({error}): restore it from a backup") from None
    return found
