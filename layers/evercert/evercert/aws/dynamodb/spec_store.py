"""DynamoDB: specs and renewal requests, as operators write them, always with a condition."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from evercert.aws.clients import code, translated
from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.issuer_store import DynamoDBOperating
from evercert.aws.dynamodb.record_index import DynamoDBRecordIndex
from evercert.aws.dynamodb.retries import ConditionsFailed, transact
from evercert.aws.dynamodb.revision_store import SORT as REVISIONS
from evercert.aws.dynamodb.revision_store import DynamoDBRevisions
from evercert.aws.dynamodb.updates import Update
from evercert.canonical_json import canonical_json
from evercert.contracts.events import Outcome
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Record
from evercert.contracts.record_schema import SCHEMA, schema_of
from evercert.contracts.revisions import KeptRevisions, RollbackRequest
from evercert.contracts.spec_store import Change
from evercert.errors import Rejected

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

_KNOWN_SCHEMA = {":schema": SCHEMA, ":number": "N"}


class DynamoDBSpecs(DynamoDBOperating):
    """Specs and issuers of a stack, with the operator's permissions."""

    def __init__(
        self, client: DynamoDBClient, table: str, issuers_table: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        super().__init__(client, issuers_table)
        self._table = table
        self._index = DynamoDBRecordIndex(client, table, sleep)
        self._revisions = DynamoDBRevisions(client, table)

    def records(self, after: str | None = None) -> Iterator[Record | Unreadable]:
        """Yield the records by name; outcomes are not read."""
        return self._index.records(after)

    def named(self, names: Sequence[str]) -> Iterator[Record | Unreadable]:
        """Yield the records with these names with consistent reads."""
        return self._index.named(names)

    def record(self, name: str) -> Record | Unreadable | None:
        """Return the record with a consistent read."""
        with translated(f"read the record of {name}"):
            answer = self._client.get_item(TableName=self._table, Key=items.key(name), ConsistentRead=True)
        return items.read_record(answer["Item"]) if "Item" in answer else None

    def write(self, changes: Sequence[Change], due_at: datetime) -> None:
        """Write all changes in one transaction; every certificate in it is due at once."""
        writes: Any = [self._write(change, due_at) for change in changes]
        try:
            with translated("write specs"):
                transact(self._client, writes)
        except ConditionsFailed as error:
            names = [change.record.name for change, failed in zip(changes, error.failed, strict=False) if failed]
            raise Rejected(
                f"{', '.join(names)} was changed by another operator meanwhile, and nothing of this part was written; "
                "run the command again"
            ) from error

    def request(self, name: str, at: datetime, due_at: datetime | None = None, reason: str | None = None) -> bool:
        """Request a renewal; requests in the same millisecond count once, and a later request replaces the reason."""
        fields = {"requested_at": at, "request_reason": reason}
        if due_at is None or due_at <= at:
            return self._update(name, Update({**fields, **items.due(name, at)}), "attribute_exists(#pk)", {}, "pk")
        return self._request_by(name, fields, due_at, at)

    def request_rollback(self, record: Record, rollback: RollbackRequest) -> None:
        """Request a rollback of this record, due now; a later request replaces an earlier one."""
        update = Update({"rollback": rollback, "schema": SCHEMA, **items.due(record.name, rollback.requested_at)})
        update.require("NOT attribute_type(#schema, :number) OR #schema <= :schema", _KNOWN_SCHEMA, "schema")
        if not self._update(record.name, update, "#uid = :uid", {":uid": record.uid}, "uid"):
            raise Rejected(f"{record.name} was deleted and created again meanwhile; run the command again")

    def kept(self, record: Record) -> KeptRevisions:
        """Return the kept revisions of the certificate with a consistent read."""
        return self._revisions.read(record.name, record.uid)

    def forget(self, record: Record | Unreadable) -> None:
        """Delete the kept revisions of this uid, with their sealed keys. Idempotent."""
        with translated(f"delete the kept revisions of {record.name}"):
            try:
                self._client.delete_item(
                    TableName=self._table,
                    Key=items.key(record.name, REVISIONS),
                    ConditionExpression="attribute_not_exists(pk) OR uid = :uid OR NOT attribute_type(uid, :text)",
                    ExpressionAttributeValues={":uid": {"S": record.uid}, ":text": {"S": "S"}},
                )
            except ClientError as error:
                if code(error) != "ConditionalCheckFailedException":
                    raise

    def wake(self, name: str, at: datetime, now: datetime) -> None:
        """Make a record due; a run in progress notices by `woken_at`."""
        self._request_by(name, {"woken_at": now}, at, now)

    def _request_by(self, name: str, fields: dict[str, Any], at: datetime, now: datetime) -> bool:
        """Write a request, due by `at` and never later than before; return False if the record does not exist.

        If a run ends between the two attempts and moves the due time, the record is due at once.
        """
        later = "attribute_exists(#pk) AND (NOT attribute_type(#due_at, :text) OR #due_at > :at)"
        if self._update(name, Update({**fields, **items.due(name, at)}), later, {":at": at, ":text": "S"}, "pk due_at"):
            return True
        sooner = "attribute_exists(#pk) AND attribute_exists(#due_shard) AND #due_at <= :at"
        if self._update(name, Update(fields), sooner, {":at": at}, "pk due_at due_shard"):
            return True
        return self._update(name, Update({**fields, **items.due(name, now)}), "attribute_exists(#pk)", {}, "pk")

    def remove(self, record: Record | Unreadable) -> None:
        """Delete the record with this uid, and what is kept of it; a later certificate of this name remains."""
        unreadable = " OR NOT attribute_type(uid, :text)" if isinstance(record, Unreadable) else ""
        uid = record.uid if isinstance(record, Record) or record.stored_uid is None else record.stored_uid
        text = {":text": {"S": "S"}} if unreadable else {}
        with translated(f"delete certificate {record.name}"):
            try:
                self._client.delete_item(
                    TableName=self._table,
                    Key=items.key(record.name),
                    ConditionExpression=f"attribute_not_exists(pk) OR uid = :uid{unreadable}",
                    ExpressionAttributeValues={":uid": {"S": uid}, **text},
                )
            except ClientError as error:
                if code(error) == "ConditionalCheckFailedException":
                    raise Rejected(
                        f"{record.name} was deleted and created again meanwhile; run the command again"
                    ) from error
                raise
        self.forget(record)

    def history(self, name: str) -> list[Outcome]:
        """Return the outcomes by time, including those of deleted certificates with this name."""
        with translated(f"read the history of {name}"):
            pages = self._client.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression="pk = :pk AND begins_with(sk, :outcome)",
                ExpressionAttributeValues={":pk": {"S": items.pk(name)}, ":outcome": {"S": "outcome#"}},
            )
            outcomes = [items.read_outcome(item) for page in pages for item in page["Items"]]
        return sorted((o for o in outcomes if o is not None), key=lambda outcome: (outcome.at, outcome.number))

    def _write(self, change: Change, due_at: datetime) -> dict[str, Any]:
        record, seen = change.record, change.seen
        if seen is None:
            put = {"TableName": self._table, "Item": items.new_record(record, due_at)}
            return {"Put": {**put, "ConditionExpression": "attribute_not_exists(pk)"}}
        if isinstance(seen, Unreadable):
            put = {"TableName": self._table, "Item": items.new_record(record, due_at)}
            names, values = {"#schema": "schema"}, {":schema": {"N": str(SCHEMA)}, ":number": {"S": "N"}}
            condition = "attribute_exists(pk) AND (NOT attribute_type(#schema, :number) OR #schema <= :schema)"
            named = {"ExpressionAttributeNames": names, "ExpressionAttributeValues": values}
            return {"Put": {**put, "ConditionExpression": condition, **named}}
        update = Update(
            {
                "spec": canonical_json(record.spec.document()),
                "generation": record.generation,
                "schema": schema_of(
                    advised=seen.advice is not None,
                    several_issuers=bool(record.spec.issuers),
                    rolls_back=seen.rolls_back or items.sets_kept_revisions(record.spec),
                    probed=record.spec.probe is not None or (seen.probed or seen.behind) is not None,
                ),
                **items.due(record.name, due_at),
            }
        )
        update.require("#uid = :uid", {":uid": seen.uid}, "uid")
        update.require_same("generation", seen.generation)
        update.require("NOT attribute_type(#schema, :number) OR #schema <= :schema", _KNOWN_SCHEMA, "schema")
        return {"Update": {"TableName": self._table, "Key": items.key(record.name), **update.arguments()}}

    def _update(self, name: str, update: Update, condition: str, values: dict[str, Any], names: str) -> bool:
        update.require(condition, values, names)
        with translated(f"write the record of {name}"):
            try:
                self._client.update_item(TableName=self._table, Key=items.key(name), **update.arguments())
            except ClientError as error:
                if code(error) == "ConditionalCheckFailedException":
                    return False
                raise
        return True
