"""DynamoDB and SQS: requests at external issuers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from evercert.authority.contracts.external import Work
from evercert.aws.authority import certificate_items as rows
from evercert.aws.authority.transactions import refused
from evercert.aws.clients import translated
from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.updates import Update
from evercert.aws.sqs import EXTERNAL_REQUEST, LONGEST_DELAY
from evercert.errors import Misconfigured
from evercert.timestamps import from_text, to_text

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_sqs import SQSClient

KIND = "external"
SHARD = "external"  # index key of the work
BATCH = 10  # messages of one call
_LONGEST_MESSAGE = 1_000
_HASTENED = timedelta(minutes=1)  # between two calls for one request
_TOLERANCE = timedelta(seconds=5)  # between the clocks of two functions


class DynamoDBExternalRequests:
    """Work in the authority's state table; the issuer function is woken by its queue."""

    def __init__(self, client: DynamoDBClient, table: str, sqs: Callable[[], SQSClient], queue: str) -> None:
        self._client = client
        self._table = table
        self._sqs = sqs
        self._queue = queue

    def find(self, request_id: str) -> Work | None:
        """Return the work with one consistent read."""
        with translated(f"read the work of request {request_id}"):
            answer = self._client.get_item(TableName=self._table, Key=rows.key(KIND, request_id), ConsistentRead=True)
        return _read(request_id, answer["Item"]) if "Item" in answer else None

    def begin(self, request_id: str, at: datetime) -> None:
        """Write the item before the message: after a crash in between, the schedule wakes the issuer function."""
        values = {"due_shard": SHARD, "due_at": at, "expires_at": rows.seconds(at + rows.REMEMBERED)}
        item = {**rows.key(KIND, request_id), **rows.attributes(values)}
        put = {"Put": {"TableName": self._table, "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}}
        if not refused(self._client, [put], f"store the work of request {request_id}"):
            self.wake([request_id])

    def hasten(self, request_id: str, now: datetime) -> None:
        """Move the due time, unless a run holds the item; a lost message waits for the schedule."""
        update = Update({"due_at": now, "hastened_at": now})
        update.require("attribute_exists(due_at) AND attribute_not_exists(held_until)", {}, "")
        update.require(
            "attribute_not_exists(#hastened_at) OR #hastened_at <= :ago", {":ago": now - _HASTENED}, "hastened_at"
        )
        if self._updated(request_id, update, "hasten"):
            self.wake([request_id])

    def claim(self, request_id: str, now: datetime, until: datetime) -> Work | None:
        """Reserve the item in one conditional write."""
        update = Update({"held_until": until, "due_at": until})
        update.require("#due_at <= :soon", {":soon": now + _TOLERANCE}, "due_at")
        update.require("attribute_not_exists(#held_until) OR #held_until <= :now", {":now": now}, "held_until")
        return self.find(request_id) if self._updated(request_id, update, "claim") else None

    def keep(self, work: Work) -> None:
        """Write the state, unless the work was ended."""
        self._store(work, {})

    def save(self, work: Work, due_at: datetime) -> None:
        """Write the state, unless the work was ended."""
        self._store(work, {"due_at": due_at, "held_until": None})

    def _store(self, work: Work, changes: dict[str, Any]) -> None:
        state = {
            "handle": work.handle,
            "asked": "yes" if work.asked else None,
            "attempts": work.attempts,
            "revision": work.revision,
            "deadline": work.deadline,
            "message": work.message[:_LONGEST_MESSAGE] or None,
            "validating": "yes" if work.validating else None,
            "issuer": work.issuer or None,
        }
        update = Update({**state, **changes})
        update.require("attribute_exists(due_at)", {}, "")
        self._updated(work.request, update, "store")

    def end(self, request_id: str) -> None:
        """Remove the item from the index and keep its end: a late message must not begin it again."""
        update = Update({"due_shard": None, "due_at": None, "handle": None, "message": None, "ended": "yes"})
        update.require("attribute_exists(pk)", {}, "")
        self._updated(request_id, update, "end")

    def due(self, now: datetime, limit: int) -> Sequence[str]:
        """Return the entries of one query."""
        with translated("read the requests at external issuers"):
            page = self._client.query(
                TableName=self._table,
                IndexName="due",
                KeyConditionExpression="due_shard = :shard AND due_at <= :now",
                ExpressionAttributeValues={":shard": {"S": SHARD}, ":now": {"S": to_text(now)}},
                Limit=limit,
            )
        return [entry["pk"]["S"].removeprefix(f"{KIND}#") for entry in page["Items"]]

    def wake(self, request_ids: Sequence[str]) -> None:
        """Send one batch for each ten requests; SQS may refuse some, which the schedule sends again."""
        for start in range(0, len(request_ids), BATCH):
            entries: Any = [
                {"Id": str(number), "MessageBody": json.dumps({EXTERNAL_REQUEST: name})}
                for number, name in enumerate(request_ids[start : start + BATCH])
            ]
            with translated("wake the issuer function"):
                self._sqs().send_message_batch(QueueUrl=self._queue, Entries=entries)

    def wake_at(self, request_id: str, due_at: datetime, now: datetime) -> None:
        """Send one delayed message; SQS delays by 15 minutes at most."""
        seconds = max(-int(-(due_at - now).total_seconds() // 1), 0)
        if seconds > LONGEST_DELAY:
            return
        body = json.dumps({EXTERNAL_REQUEST: request_id})
        with translated("wake the issuer function"):
            self._sqs().send_message(QueueUrl=self._queue, MessageBody=body, DelaySeconds=seconds)

    def _updated(self, request_id: str, update: Update, doing: str) -> bool:
        write = {"Update": {"TableName": self._table, "Key": rows.key(KIND, request_id), **update.arguments()}}
        return not refused(self._client, [write], f"{doing} the work of request {request_id}")


def _read(request_id: str, item: dict[str, Any]) -> Work | None:
    values = items.plain(item)
    if values.get("ended"):
        return None
    try:
        return Work(
            request_id,
            handle=None if values.get("handle") is None else str(values["handle"]),
            asked=bool(values.get("asked")),
            attempts=int(values.get("attempts") or 0),
            revision=int(values.get("revision") or 1),
            deadline=from_text(values["deadline"]) if values.get("deadline") else None,
            message=str(values.get("message") or ""),
            validating=bool(values.get("validating")),
            issuer=str(values.get("issuer") or ""),
        )
    except (ValueError, TypeError, ArithmeticError):
        raise Misconfigured(f"the work of request {request_id} does not parse; restore it from a backup") from None
