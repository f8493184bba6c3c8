"""DynamoDB: the limits of external issuers, in the table of issuer definitions, which no function can write."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from evercert.authority.contracts.external import ExternalCeiling
from evercert.aws.clients import translated
from evercert.aws.dynamodb import items
from evercert.canonical_json import canonical_json
from evercert.errors import Misconfigured
from evercert.schema import first_problem

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

KIND = "external"


class DynamoDBExternalCeilings:
    """One item for each issuer; operators write them."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def ceiling(self, issuer: str) -> ExternalCeiling | None:
        """Return the limits with one consistent read; raise Misconfigured if they do not parse."""
        wanted: Any = {self._table: {"Keys": [_key(issuer)], "ConsistentRead": True}}
        with translated(f"read the ceiling of issuer {issuer}"):
            answer = self._client.batch_get_item(RequestItems=wanted)
        found = answer.get("Responses", {}).get(self._table, [])
        return _parsed(dict(found[0]), issuer) if found else None

    def every(self) -> dict[str, ExternalCeiling]:
        """Return all limits by issuer."""
        return {name: _parsed(item, name) for name, item in sorted(self._items(KIND))}

    def issuers(self) -> list[str]:
        """Return the names of all defined issuers."""
        return sorted(name for name, _ in self._items("issuer"))

    def put(self, issuer: str, ceiling: ExternalCeiling) -> None:
        """Write or replace the limits of an issuer."""
        text = canonical_json(ceiling.model_dump(mode="json", by_alias=True))
        with translated(f"write the ceiling of issuer {issuer}"):
            self._client.put_item(
                TableName=self._table,
                Item={**_key(issuer), "schema": {"N": "1"}, "definition": {"S": text}},
                ConditionExpression="attribute_not_exists(#schema) OR #schema = :known",
                ExpressionAttributeNames={"#schema": "schema"},
                ExpressionAttributeValues={":known": {"N": "1"}},
            )

    def remove(self, issuer: str) -> None:
        """Close an issuer to profiles; idempotent."""
        with translated(f"remove the ceiling of issuer {issuer}"):
            self._client.delete_item(
                TableName=self._table,
                Key=_key(issuer),
                ConditionExpression="attribute_not_exists(#schema) OR #schema = :known",
                ExpressionAttributeNames={"#schema": "schema"},
                ExpressionAttributeValues={":known": {"N": "1"}},
            )

    def _items(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        more: dict[str, Any] = {}
        while True:
            with translated("read the ceilings of issuers"):
                page = self._client.scan(
                    TableName=self._table,
                    FilterExpression="begins_with(pk, :kind)",
                    ExpressionAttributeValues={":kind": {"S": f"{kind}#"}},
                    **more,
                )
            for item in page["Items"]:
                yield item["pk"]["S"].removeprefix(f"{kind}#"), dict(item)
            if not (following := page.get("LastEvaluatedKey")):
                return
            more = {"ExclusiveStartKey": following}


def _key(issuer: str) -> dict[str, Any]:
    return {"pk": {"S": f"{KIND}#{issuer}"}}


def _parsed(item: dict[str, Any], issuer: str) -> ExternalCeiling:
    try:
        return ExternalCeiling.model_validate(json.loads(items.plain(item)["definition"]))
    except ValidationError as error:
        raise Misconfigured(f"the ceiling of issuer {issuer} does not parse: {first_problem(error)}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Misconfigured(f"the ceiling of issuer {issuer} does not parse; set it again") from None
