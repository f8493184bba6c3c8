"""DynamoDB: write issuer definitions and pauses, in a table that no function can write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from evercert.aws.clients import code, translated
from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.issuer_loader import read_definition
from evercert.aws.dynamodb.pauses import PAUSE, pause_item, pause_key, read_pause, read_target
from evercert.canonical_json import canonical_json
from evercert.contracts.spec_store import Pause, PauseTarget
from evercert.errors import Misconfigured, Rejected
from evercert.registry import Component
from evercert.timestamps import to_text

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

ISSUER = "issuer#"
# A pause whose end has passed; an end of another form is a manual edit, and counts as none.
ENDED = "attribute_exists(#until) AND size(#until) = :length AND #until <= :now"


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

    def pause(self, target: PauseTarget, pause: Pause, now: datetime) -> bool:
        """Write the item. Return False if it is paused already: the first time, reason and end remain."""
        ended = {":now": items.attribute(now), ":length": items.attribute(len(to_text(now)))}
        with translated(f"pause {target}"):
            try:
                self._client.put_item(
                    TableName=self._issuers_table,
                    Item=dict(pause_item(target, pause)),
                    ConditionExpression=f"attribute_not_exists(pk) OR ({ENDED})",
                    ExpressionAttributeNames={"#until": "paused_until"},
                    ExpressionAttributeValues=ended,
                )
            except ClientError as error:
                if code(error) == "ConditionalCheckFailedException":
                    return False
                raise
        return True

    def resume(self, target: PauseTarget) -> bool:
        """Remove the item; return False if there was none."""
        with translated(f"resume {target}"):
            try:
                self._client.delete_item(
                    TableName=self._issuers_table,
                    Key={"pk": {"S": pause_key(target)}},
                    ConditionExpression="attribute_exists(pk)",
                )
            except ClientError as error:
                if code(error) == "ConditionalCheckFailedException":
                    return False
                raise
        return True

    def pauses(self, now: datetime) -> dict[PauseTarget, Pause]:
        """Return the pauses that have not ended; an item that was edited by hand counts too."""
        found: dict[PauseTarget, Pause] = {}
        for name, item in self._named(PAUSE):
            target, pause = read_target(f"{PAUSE}{name}"), read_pause(dict(item))
            if target is not None and not pause.ended(now):
                found[target] = pause
        return found

    def _named(self, prefix: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Scan the items with a prefix; the table holds few items."""
        with translated(f"read table {self._issuers_table}"):
            for page in self._client.get_paginator("scan").paginate(TableName=self._issuers_table, ConsistentRead=True):
                for item in page["Items"]:
                    key = item["pk"]["S"]
                    if key.startswith(prefix):
                        yield key.removeprefix(prefix), item
