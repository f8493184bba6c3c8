"""DynamoDB: what consumers have loaded, one item for each consumer and certificate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from evercert.aws.clients import code, translated
from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.updates import Update
from evercert.contracts.consumers import (
    KEPT,
    MOST_CONSUMERS,
    Acknowledgement,
    AcknowledgementRefusal,
    ConsumerList,
)
from evercert.contracts.queue import CERTIFICATE

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

INDEX = "consumers"
_BATCH = 100  # keys of a BatchGetItem
_ROUNDS = 3  # of keys that DynamoDB returns unprocessed
_PAGES = 5  # of keys: one holds all of them
_FIELDS = ("uid", "revision", "fingerprint_sha256", "version", "host", "loaded_at", "seen_at")


class DynamoDBConsumers:
    """Acknowledgements in the table of consumers.

    The partition key is the unique id of the principal, so that a policy can limit each to its own items. The index has
    the reversed key: a consumer has one entry for each certificate there, whatever it writes, and entries are short.
    """

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def acknowledge(self, loaded: Acknowledgement) -> AcknowledgementRefusal | None:
        """Store with one conditional update, of the attributes that docs/policies/consumer.json allows."""
        values = loaded.model_dump(mode="json", include=set(_FIELDS))
        update = Update({**values, "expires_at": int((loaded.seen_at + KEPT).timestamp())})
        update.require(
            "NOT attribute_type(#revision, :number) OR #uid <> :uid OR #revision <= :revision",
            {":number": "N", ":uid": loaded.uid, ":revision": loaded.revision},
            "revision uid",
        )
        with translated(f"acknowledge {loaded.certificate}"):
            try:
                self._client.update_item(TableName=self._table, Key=_key(loaded), **update.arguments())
            except ClientError as error:
                if code(error) != "ConditionalCheckFailedException":
                    raise
                return AcknowledgementRefusal(f"a newer revision of {loaded.certificate} is acknowledged already")
        return None

    def of(self, certificate: str) -> ConsumerList:
        """Return consumers in the order of their ids; what a consumer wrote and does not parse is left out."""
        with translated(f"list the consumers of {certificate}"):
            keys, more = self._keys(certificate)
            known = []
            for start in range(0, len(keys), _BATCH):
                found, unread = self._read(keys[start : start + _BATCH])
                known += [one for item in found if (one := read(item)) is not None]
                more = more or unread
        return ConsumerList(known=tuple(sorted(known, key=lambda one: one.consumer)), more=more)

    def _keys(self, certificate: str) -> tuple[list[dict[str, Any]], bool]:
        found: list[dict[str, Any]] = []
        query: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": INDEX,
            "KeyConditionExpression": "sk = :sk",
            "ExpressionAttributeValues": {":sk": {"S": f"{CERTIFICATE}{certificate}"}},
            "Limit": MOST_CONSUMERS + 1,
        }
        for _ in range(_PAGES):
            page = self._client.query(**query)
            found += [{"pk": item["pk"], "sk": item["sk"]} for item in page["Items"]]
            if "LastEvaluatedKey" not in page:
                return found[:MOST_CONSUMERS], len(found) > MOST_CONSUMERS
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]
        return found[:MOST_CONSUMERS], True

    def _read(self, keys: Sequence[Mapping[str, Any]]) -> tuple[Iterator[dict[str, Any]], bool]:
        """Return the items of some keys, and whether DynamoDB left some of them out."""
        names = {f"#{name}": name for name in ("pk", "sk", *_FIELDS)}

        def request(keys: Sequence[Mapping[str, Any]]) -> Any:  # noqa: ANN401
            wanted = {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}
            return {self._table: {**wanted, "Keys": list(keys)}}

        found: list[dict[str, Any]] = []
        for _ in range(_ROUNDS):
            answer = self._client.batch_get_item(RequestItems=request(keys))
            found += answer["Responses"].get(self._table, [])
            unprocessed = answer.get("UnprocessedKeys", {}).get(self._table)
            keys = [] if unprocessed is None else unprocessed["Keys"]
            if not keys:
                break
        return iter(found), bool(keys)


def read(item: Mapping[str, Any]) -> Acknowledgement | None:
    """Return the acknowledgement of an item, or None if it does not parse: a consumer may write anything."""
    try:
        values = items.plain(item)
        names = {"consumer": values["pk"], "certificate": values["sk"].removeprefix(CERTIFICATE)}
        return Acknowledgement.model_validate({**{name: values[name] for name in _FIELDS if name in values}, **names})
    except Exception:  # noqa: BLE001 (whatever a stored value makes a parser raise)
        return None


def _key(loaded: Acknowledgement) -> dict[str, Any]:
    return {"pk": {"S": loaded.consumer}, "sk": {"S": f"{CERTIFICATE}{loaded.certificate}"}}
