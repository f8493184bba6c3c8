"""DynamoDB: the scan of the sweep, with a cursor in the table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from evercert.aws.clients import code, translated
from evercert.contracts.queue import CERTIFICATE, OUTCOME, shard
from evercert.scheduling.sweeper import Entry, Progress
from evercert.timestamps import from_text, to_text

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

CURSOR = {"pk": {"S": "sweep"}, "sk": {"S": "cursor"}}


class DynamoDBPages:
    """Pages of the certificates table; reads keys and due times, no specs and no sealed keys."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def progress(self) -> Progress:
        """Return the stored progress; start from the beginning if the cursor does not parse."""
        with translated("read the cursor of the sweep"):
            item = self._client.get_item(TableName=self._table, Key=CURSOR, ConsistentRead=True).get("Item", {})
        try:
            stored = json.loads(item["progress"]["S"])
            finished = stored["finished_at"]
            return Progress(stored["position"], None if finished is None else from_text(finished))
        except (KeyError, TypeError, ValueError):
            return Progress()

    def save(self, seen: Progress, reached: Progress) -> bool:
        """Save the progress if it is unchanged since it was read, so that two sweeps do not overwrite each other."""
        condition = (
            "progress = :seen" if seen != Progress() else "attribute_not_exists(progress) OR progress <> :reached"
        )
        values = {":reached": {"S": _text(reached)}}
        if seen != Progress():
            values[":seen"] = {"S": _text(seen)}
        return self._write(CURSOR, "SET progress = :reached", condition, values)

    def page(self, position: str | None) -> tuple[Sequence[Entry], str | None]:
        """Return one page of the scan, at most 1 MB."""
        start: dict[str, Any] = {} if position is None else {"ExclusiveStartKey": json.loads(position)}
        with translated("scan the table for the sweep"):
            answer = self._client.scan(
                TableName=self._table,
                ProjectionExpression="pk, sk, due_shard, due_at, resting, published_at",
                **start,
            )
        following = answer.get("LastEvaluatedKey")
        return [_entry(item) for item in answer["Items"]], json.dumps(following) if following else None

    def make_due(self, entry: Entry, now: datetime) -> bool:
        """Make an entry due if its attributes are unchanged since the scan."""
        partition, sort = entry.key
        values: dict[str, Any] = {":now": {"S": to_text(now)}}
        values[":shard"] = {"S": shard(partition.removeprefix(CERTIFICATE))}
        conditions = ["attribute_exists(pk)"]
        for name in ("due_at", "due_shard"):
            seen = getattr(entry, name)
            if seen is None:
                conditions.append(f"attribute_not_exists({name})")
            else:
                conditions.append(f"{name} = :seen_{name}")
                values[f":seen_{name}"] = {"S": seen} if isinstance(seen, str) else seen
        key = {"pk": {"S": partition}, "sk": {"S": sort}}
        return self._write(key, "SET due_at = :now, due_shard = :shard", " AND ".join(conditions), values)

    def _write(self, key: dict[str, Any], change: str, condition: str, values: dict[str, Any]) -> bool:
        with translated(f"write {key['pk']['S']} for the sweep"):
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key=key,
                    UpdateExpression=change,
                    ConditionExpression=condition,
                    ExpressionAttributeValues=values,
                )
            except ClientError as error:
                if code(error) == "ConditionalCheckFailedException":
                    return False
                raise
        return True


def _entry(item: dict[str, Any]) -> Entry:
    """Return the entry of an item; non-text attributes keep their DynamoDB form for the condition."""
    sort = item["sk"]["S"]
    at_rest = "published_at" in item if sort.startswith(OUTCOME) else item.get("resting") == {"BOOL": True}
    found = {name: item[name].get("S", item[name]) for name in ("due_shard", "due_at") if name in item}
    return Entry((item["pk"]["S"], sort), **found, at_rest=at_rest)


def _text(progress: Progress) -> str:
    finished = progress.finished_at
    return json.dumps({"position": progress.position, "finished_at": None if finished is None else to_text(finished)})
