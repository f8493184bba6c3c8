"""DynamoDB: write issuer definitions and pauses, in a table that no function can write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from evercert.aws.clients import code, translated
from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.issuer_loader import read_definition
from evercert.canonical_json import canonical_json
from evercert.contracts.spec_store import Pause
from evercert.errors import Misconfigured, Rejected
from evercert.registry import Component
from evercert.timestamps import from_text

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

ISSUER, PAUSE = "issuer#", "pause#"
_STACK = f"{PAUSE}stack"


class DynamoDBOperating:
    """Issuer definitions and pauses of a stack, with the operator's permissions."""

    def __init__(self, client: DynamoDBClient, issuers_table: str) -> None:
        self._client = client
        self._issuers_table = issuers_table

    def issuers(self) -> dict[str, Component]:
        """Return all definitions that parse; the next apply replaces the others."""
        return {name: found for name, found in self.definitions().items() if isinstance(found, Component)}

    def definitions(self) -> dict[str, Component | Misconfigured]:
        """Return all definitions by name; for one that does not parse, the error."""
        found: dict[str, Component | Misconfigured] = {}
        for name, item in self._named(ISSUER):
            try:
                found[name] = read_definition(dict(item), name)
            except Misconfigured as error:
                found[name] = error
        return found

    def write_issuer(self, name: str, definition: Component) -> None:
        """Write or remove the item; idempotent."""
        text = canonical_json(definition.model_dump(mode="json"))
        with translated(f"write issuer {name}"):
            try:
                self._client.put_item(
                    TableName=self._issuers_table,
                    Item={"pk": {"S": f"{ISSUER}{name}"}, "schema": {"N": "1"}, "definition": {"S": text}},
                    ConditionExpression="attribute_not_exists(#schema) OR #schema = :known",
                    ExpressionAttributeNames={"#schema": "schema"},
                    ExpressionAttributeValues={":known": {"N": "1"}},
                )
            except ClientError as error:
                if code(error) == "ConditionalCheckFailedException":
                    raise Rejected(f"issuer {name} was written by a newer evercert; use that one") from error
                raise

    def pause(self, issuer: str | None, at: datetime, reason: str | None = None) -> bool:
        """Pause an issuer or the stack. Return False if it is paused already: the first time and reason remain."""
        values = {"pk": pause_key(issuer), "schema": 1, "paused_at": at, **({"reason": reason} if reason else {})}
        with translated(f"pause {paused(issuer)}"):
            try:
                self._client.put_item(
                    TableName=self._issuers_table,
                    Item={name: items.attribute(value) for name, value in values.items()},
                    ConditionExpression="attribute_not_exists(pk)",
                )
            except ClientError as error:
                if code(error) == "ConditionalCheckFailedException":
                    return False
                raise
        return True

    def resume(self, issuer: str | None) -> bool:
        """Write or remove the item; idempotent."""
        with translated(f"resume {paused(issuer)}"):
            try:
                self._client.delete_item(
                    TableName=self._issuers_table,
                    Key={"pk": {"S": pause_key(issuer)}},
                    ConditionExpression="attribute_exists(pk)",
                )
            except ClientError as error:
                if code(error) == "ConditionalCheckFailedException":
                    return False
                raise
        return True

    def pauses(self) -> dict[str | None, Pause]:
        """Return the pauses by issuer (None: the whole stack); an item that was edited by hand counts too."""
        found: dict[str | None, Pause] = {}
        for what, item in self._named(PAUSE):
            issuer = None if what == "stack" else what.removeprefix(ISSUER)
            found[issuer] = _pause(items.plain(item))
        return found

    def _named(self, prefix: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Scan the items with a prefix; the table holds few items."""
        with translated(f"read table {self._issuers_table}"):
            for page in self._client.get_paginator("scan").paginate(TableName=self._issuers_table, ConsistentRead=True):
                for item in page["Items"]:
                    key = item["pk"]["S"]
                    if key.startswith(prefix):
                        yield key.removeprefix(prefix), item


def pause_key(issuer: str | None) -> str:
    """Return the key of a pause flag; None means the whole stack."""
    return _STACK if issuer is None else f"{PAUSE}{ISSUER}{issuer}"


def paused(issuer: str | None) -> str:
    """Return a description of the paused issuer or stack."""
    return "the stack" if issuer is None else f"issuer {issuer}"


def _pause(values: Mapping[str, Any]) -> Pause:
    reason = values.get("reason")
    try:
        since = from_text(str(values.get("paused_at")))
    except ValueError:
        since = None
    return Pause(since, reason if isinstance(reason, str) else None)
