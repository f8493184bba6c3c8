"""DynamoDB: breakers and kept revisions, as part of the call that reads an issuer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.circuit_breakers import DynamoDBBreakers, breaker_key
from evercert.aws.dynamodb.revision_store import SORT, read_kept
from evercert.contracts.read_beside import FoundBeside, Needs

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


class DynamoDBBesideReader:
    """Reads what runs need beside an issuer from the certificates table of the same region."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = table
        self._breakers = DynamoDBBreakers(client, table)

    def request(self, needs: Needs) -> dict[str, Any]:
        """Return the part of a BatchGetItem by the name of the table; empty if nothing is needed.

        Kept revisions need a consistent read. Breakers alone do not: it costs half.
        """
        keys = [breaker_key(service) for service in needs.services]
        if needs.revisions_of is None:
            return {self._table: {"Keys": keys}} if keys else {}
        keys.append(items.key(needs.revisions_of[0], SORT))
        return {self._table: {"Keys": keys, "ConsistentRead": True}}

    def found(self, needs: Needs, answer: Mapping[str, Any]) -> FoundBeside:
        """Return what the answer contains; nothing if DynamoDB left a key out."""
        if self._table in answer.get("UnprocessedKeys", {}) or self._table not in answer.get("Responses", {}):
            return FoundBeside()
        stored = {_place(item): item for item in answer["Responses"][self._table]}
        breakers, kept = {}, None
        for service in needs.services:
            breakers[service] = self._breakers.state(service, stored.get(_place(breaker_key(service)), {}))
        if needs.revisions_of is not None:
            name, uid = needs.revisions_of
            kept = read_kept(stored.get(_place(items.key(name, SORT))), uid)
        return FoundBeside(breakers, kept)


def _place(key: Mapping[str, Any]) -> tuple[str, object]:
    return key["pk"]["S"], key.get("sk", {}).get("S")
