"""DynamoDB: the scan of the sweep, with a cursor in the table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from evercert.aws.clients import code, translated
from evercert.contracts.queue import CERTIFICATE, OUTCOME, shard
from evercert.errors import Rejected
from evercert.scheduling.sweeper import Entry, LostPosition, Progress
from evercert.timestamps import from_text, to_text

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

# Times that a run writes: all are in the past, except the end of a claim, which is near.
_STAMPS = (
    ("facts", "not_before"),
    ("facts", "obtained_at"),
    ("pending", "obtained_at"),
    ("last_error", "at"),
    ("claim", "until"),
)
_READ = ", ".join(["pk", "sk", "due_shard", "due_at", "resting", "published_at", *(f"{a}.#{b}" for a, b in _STAMPS)])
# Published outcomes, most of the table, never need a repair: DynamoDB filters them out.
_UNFINISHED = (
    "attribute_not_exists(published_at) OR attribute_exists(due_at) OR attribute_exists(due_shard) "
    "OR NOT begins_with(sk, :outcome)"
)
CURSOR = {"pk": {"S": "sweep"}, "sk": {"S": "cursor"}}


class DynamoDBPages:
    """Pages of the certificates table; reads keys and due times, no specs and no sealed keys."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def progress(self) -> Progress:
        """Return the stored progress; a cursor that does not parse (manual edit) is a new start."""
        with translated("read the cursor of the sweep"):
            item = self._client.get_item(TableName=self._table, Key=CURSOR, ConsistentRead=True).get("Item", {})
        stored = item.get("progress")
        return Progress() if stored is None else _read_progress(stored)

    def save(self, seen: Progress, reached: Progress) -> bool:
        """Save the progress if it is unchanged since it was read, so that two sweeps do not overwrite each other."""
        stored = seen.stored
        if stored is None and seen != Progress():
            stored = {"S": _text(seen)}
        values = {":reached": {"S": _text(reached)}}
        if stored is None:
            return self._write(CURSOR, "SET progress = :reached", "attribute_not_exists(progress)", values)
        return self._write(CURSOR, "SET progress = :reached", "progress = :seen", {**values, ":seen": stored})

    def page(self, position: str | None) -> tuple[Sequence[Entry], str | None]:
        """Return the unfinished items of one page of the scan, of at most 1 MB."""
        start: dict[str, Any] = {} if position is None else {"ExclusiveStartKey": json.loads(position)}
        with translated("scan the table for the sweep"):
            try:
                answer = self._client.scan(
                    TableName=self._table,
                    Select="SPECIFIC_ATTRIBUTES",  # the checker's role may not scan without it
                    ProjectionExpression=_READ,
                    ExpressionAttributeNames={f"#{name}": name for _, name in _STAMPS},
                    FilterExpression=_UNFINISHED,
                    ExpressionAttributeValues={":outcome": {"S": OUTCOME}},
                    **start,
                )
            except ClientError as error:
                if start and code(error) == "ValidationException":
                    raise LostPosition from error
                raise
        following = answer.get("LastEvaluatedKey")
        return [_entry(item) for item in answer["Items"]], json.dumps(following) if following else None

    def make_due(self, entry: Entry, now: datetime) -> bool:
        """Make an entry due if its attributes are unchanged since the scan.

        Return False too if DynamoDB refuses the item, which may have no room left.
        """
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
        try:
            return self._write(key, "SET due_at = :now, due_shard = :shard", " AND ".join(conditions), values)
        except Rejected:
            return False

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


def _read_progress(stored: Mapping[str, Any]) -> Progress:
    try:
        content = json.loads(stored["S"])
        position, finished = content["position"], content["finished_at"]
        known = position is None or _is_key(json.loads(position))
        progress = Progress(position, None if finished is None else from_text(finished), stored)
    except (KeyError, TypeError, ValueError, RecursionError):
        known = False
    return progress if known else Progress(stored=stored, spoiled=True)


def _is_key(key: object) -> bool:
    """Whether this is a primary key in the form of the client."""
    if not isinstance(key, dict) or set(key) != {"pk", "sk"}:
        return False
    return all(isinstance(v, dict) and set(v) == {"S"} and isinstance(v["S"], str) and v["S"] for v in key.values())


def _entry(item: dict[str, Any]) -> Entry:
    """Return the entry of an item; non-text attributes keep their DynamoDB form for the condition."""
    sort = item["sk"]["S"]
    at_rest = "published_at" in item if sort.startswith(OUTCOME) else item.get("resting") == {"BOOL": True}
    found = {name: item[name].get("S", item[name]) for name in ("due_shard", "due_at") if name in item}
    return Entry((item["pk"]["S"], sort), **found, stamps=_stamps(item), at_rest=at_rest)


def _stamps(item: dict[str, Any]) -> tuple[Any, ...]:
    """Return the stamps of the item; of a manual edit, any value or None."""
    return tuple(item.get(part, {}).get("M", {}).get(name, {}).get("S") for part, name in _STAMPS)


def _text(progress: Progress) -> str:
    finished = progress.finished_at
    return json.dumps({"position": progress.position, "finished_at": None if finished is None else to_text(finished)})
