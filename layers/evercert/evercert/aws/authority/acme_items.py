"""DynamoDB: items of the ACME server, each with a document and a version."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError
from pydantic import ValidationError

from evercert.authority.acme.records import Account, Order, Stored
from evercert.aws.clients import code, translated
from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.retries import retried
from evercert.aws.dynamodb.updates import Update
from evercert.errors import Misconfigured
from evercert.schema import first_problem

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

S = TypeVar("S", bound=Stored)
NEW = "attribute_not_exists(pk)"
Write = dict[str, Any]


class AcmeItems:
    """Items of one kind with a document each, read consistently."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """Return the attributes of an item; empty if it is missing."""
        with translated(f"read {kind}"):
            answer = self._client.get_item(TableName=self._table, Key=key(kind, name), ConsistentRead=True)
        return items.plain(answer.get("Item", {}))

    def document(self, model: type[S], kind: str, name: str) -> S | None:
        """Return the document of an item, or None; raise Misconfigured if it does not parse."""
        document = self.get(kind, name).get("document")
        if document is None:
            return None
        try:
            return model.model_validate_json(document)
        except (ValidationError, TypeError) as error:
            why = first_problem(error) if isinstance(error, ValidationError) else "not text"
            raise Misconfigured(f"{kind} {name} of the authority's table does not parse: {why}") from error

    def new(self, kind: str, name: str, values: Mapping[str, Any]) -> Write:
        """Return a write of an item that must not exist."""
        written = {attribute: items.attribute(value) for attribute, value in values.items() if value is not None}
        item = {**key(kind, name), **written}
        return {"Put": {"TableName": self._table, "Item": item, "ConditionExpression": NEW}}

    def listed(self, pk: str, place: str, values: Mapping[str, Any] | None = None) -> Write:
        """Return a write of a new entry of a list, at its place."""
        more = {attribute: items.attribute(value) for attribute, value in (values or {}).items()}
        item = {"pk": {"S": pk}, "sk": {"S": place}, **more}
        return {"Put": {"TableName": self._table, "Item": item, "ConditionExpression": NEW}}

    def updated(self, kind: str, name: str, update: Update) -> Write:
        """Return a write of an update."""
        return {"Update": {"TableName": self._table, "Key": key(kind, name), **update.arguments()}}

    def replaced(self, kind: str, changed: Account | Order, doing: str, more: Mapping[str, Any] | None = None) -> bool:
        """Replace the version before, and `more` attributes; return False if another change came between.

        A write whose answer was lost is repeated, and then finds its own document.
        """
        update = _replacement(changed)
        update.change(more or {})
        with translated(doing):
            try:
                retried(
                    lambda: self._client.update_item(
                        TableName=self._table,
                        Key=key(kind, changed.id),
                        ReturnValuesOnConditionCheckFailure="ALL_OLD",
                        **update.arguments(),
                    )
                )
            except ClientError as error:
                if code(error) != "ConditionalCheckFailedException":
                    raise
                found: Any = error.response.get("Item") or {}
                return bool(found.get("document") == {"S": changed.model_dump_json()})
        return True

    def changed(self, kind: str, changed: Account | Order) -> Write:
        """Return a write of a document that replaces the version before."""
        return self.updated(kind, changed.id, _replacement(changed))


def _replacement(changed: Account | Order) -> Update:
    update = Update({"document": changed.model_dump_json(), "version": changed.version})
    update.require_same("version", changed.version - 1)
    return update


def key(kind: str, name: str) -> dict[str, Any]:
    """Return the primary key of an item."""
    return {"pk": {"S": f"{kind}#{name}"}, "sk": {"S": kind}}


def place_of(moment: datetime, name: str) -> str:
    """Return the place of an account or an order in its list, which is in the order of time."""
    return f"{moment:%Y%m%dT%H%M%S%f}#{name}"


def seconds(moment: datetime) -> int:
    """Return a time as the table's TTL attribute has it."""
    return math.ceil(moment.timestamp())
