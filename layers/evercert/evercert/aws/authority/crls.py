"""DynamoDB: numbers and contents of CRLs, and the reads that the authority's state shares."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from cryptography import x509

from evercert.aws.authority import certificate_items as items
from evercert.aws.clients import code, translated
from evercert.aws.dynamodb.items import plain
from evercert.aws.dynamodb.updates import Update
from evercert.errors import Misconfigured, Rejected, Unavailable

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

PART = 390_000  # bytes; an item has at most 400 KB: about 9,000 entries
MOST_PARTS = 10  # more than one API response can contain
KEPT = 86_400  # seconds after a newer list replaced it
IN_MEMORY = 16 * 1_024 * 1_024  # bytes of all CRLs together
PAGES = 1_000
ROUNDS = 10
LAST_NUMBER = 10**15  # numbers are seconds since 1970 or the next ones; a higher one is a manual edit
FARTHEST = 100_000_000  # from one number to a later one, three years in seconds; a higher one is a manual edit
LONGEST_LEASE = timedelta(hours=1)
_PUBLISHED = {"published": LAST_NUMBER, "parts": MOST_PARTS}


class LatestCrls:
    """The latest CRL of each CA in memory, up to a total size. An unknown CA id uses none, because it has no CRL."""

    def __init__(self) -> None:
        self._lists: dict[str, tuple[object, bytes]] = {}

    def get(self, ca_id: str, version: object) -> bytes | None:
        """Return the CRL if it is this version."""
        known = self._lists.get(ca_id)
        return known[1] if known is not None and known[0] == version else None

    def keep(self, ca_id: str, version: object, der: bytes) -> bytes:
        """Keep a CRL instead of its earlier version, and return it; drop the oldest CRLs beyond the total size."""
        self._lists.pop(ca_id, None)
        self._lists[ca_id] = (version, der)
        while sum(len(one) for _, one in self._lists.values()) > IN_MEMORY:
            self._lists.pop(next(iter(self._lists)), None)
        return der


class DynamoDBCrls:
    """One item per CA: the latest number, the latest list and its number."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table
        self._latest = LatestCrls()

    def next_crl_number(self, ca_id: str, *, at_least: int = 1) -> int:
        """Take the next number by a conditional write, retried on conflicts; a spoiled number starts again."""
        for _ in range(ROUNDS):
            item = self._get("crl", ca_id)
            stored = plain(item).get("number")
            number = max((_count(stored, LAST_NUMBER) or 0) + 1, at_least)
            update = Update({"number": number})
            update.require_same("number", stored)
            if self._written(ca_id, update.arguments(), f"number a CRL of CA {ca_id}"):
                return number
        raise Unavailable(f"cannot number a CRL of CA {ca_id}: other calls interfered")

    def lease_crl(self, ca_id: str, now: datetime, until: datetime) -> bool:
        """Reserve the publication of a CA's CRL by a conditional write."""
        update = Update({"leased_until": _milliseconds(until)})
        condition = "NOT attribute_type(#leased_until, :type) OR #leased_until <= :now OR #leased_until > :never"
        bounds = {":now": _milliseconds(now), ":never": _milliseconds(now + LONGEST_LEASE), ":type": "N"}
        update.require(condition, bounds, "leased_until")
        return self._written(ca_id, update.arguments(), f"reserve the CRL of CA {ca_id}")

    def release_crl(self, ca_id: str, until: datetime) -> None:
        """End a lease, unless it expired and another publisher has one."""
        update = Update({"leased_until": None})
        update.require_same("leased_until", _milliseconds(until))
        self._written(ca_id, update.arguments(), f"release the CRL of CA {ca_id}")

    def publish(self, ca_id: str, number: int, der: bytes) -> None:
        """Store the list in parts of at most 400 KB: the parts first, then the item that refers to them."""
        parts = [der[start : start + PART] for start in range(0, len(der), PART)]
        if len(parts) > MOST_PARTS:
            raise Rejected(f"the CRL of CA {ca_id} has {len(der)} bytes; at most {MOST_PARTS * PART} can be stored")
        expires = items.seconds(x509.load_der_x509_crl(der).next_update_utc or datetime.max.replace(tzinfo=UTC))
        for place, part in enumerate(parts):
            key = items.key("crl-part", f"{ca_id}#{number}#{place}")
            item = {**key, "der": {"B": part}, "expires_at": {"N": str(expires + KEPT)}}
            self._keep(item, f"keep CRL {number} of CA {ca_id}")
        update = Update({"published": number, "parts": len(parts)})
        condition = "NOT attribute_type(#published, :type) OR #published <= :at OR #published > :never"
        update.require(condition, {":at": number, ":never": number + FARTHEST, ":type": "N"}, "published")
        self._written(ca_id, update.arguments(), f"publish CRL {number} of CA {ca_id}")

    def published(self, ca_id: str) -> bytes | None:
        """Return the latest CRL: a consistent read for the CA, and one for each part if the CRL is not in memory.

        The CRL with a number never changes, and the latest number is read: a revocation is visible immediately.
        """
        item = self._get("crl", ca_id)
        if "published" not in item:
            return None
        number, count = (_count(plain(item).get(name), most) for name, most in _PUBLISHED.items())
        if (known := self._latest.get(ca_id, (number, count))) is not None:
            return known
        parts = [
            self._get("crl-part", f"{ca_id}#{number}#{place}").get("der", {}).get("B") for place in range(count or 0)
        ]
        if not parts or not all(isinstance(part, bytes) for part in parts):
            raise Misconfigured(f"CRL {number} of CA {ca_id} is incomplete; publish a new one")
        return self._latest.keep(ca_id, (number, count), b"".join(parts))

    def _keep(self, item: dict[str, Any], doing: str) -> None:
        """Store a part unless it exists; without a transaction, which would cost twice as much."""
        with translated(doing):
            try:
                self._client.put_item(TableName=self._table, Item=item, ConditionExpression="attribute_not_exists(pk)")
            except ClientError as error:
                if code(error) != "ConditionalCheckFailedException":
                    raise

    def _written(self, ca_id: str, update: dict[str, Any], doing: str) -> bool:
        """Update the item of a CA; return whether its condition held."""
        with translated(doing):
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key=items.key("crl", ca_id),
                    ConditionExpression=update.pop("ConditionExpression"),
                    **update,
                )
            except ClientError as error:
                if code(error) == "ConditionalCheckFailedException":
                    return False
                raise
        return True

    def _get(self, kind: str, name: str) -> dict[str, Any]:
        with translated(f"read {kind} {name}"):
            answer = self._client.get_item(TableName=self._table, Key=items.key(kind, name), ConsistentRead=True)
        return dict(answer.get("Item", {}))

    def _put(self, item: dict[str, Any]) -> dict[str, Any]:
        return {"Put": {"TableName": self._table, "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}}

    def _absent(self, kind: str, name: str) -> dict[str, Any]:
        keyed = {"TableName": self._table, "Key": items.key(kind, name)}
        return {"ConditionCheck": {**keyed, "ConditionExpression": "attribute_not_exists(pk)"}}

    def _update(self, kind: str, name: str, update: Update) -> dict[str, Any]:
        return {"Update": {"TableName": self._table, "Key": items.key(kind, name), **update.arguments()}}

    def _query(
        self, index: str, condition: str, values: dict[str, Any], *, newest: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield the entries of an index; with `newest` backwards, in pages of this number."""
        backwards: Any = {} if newest is None else {"ScanIndexForward": False, "Limit": newest}
        start: dict[str, Any] = {}
        for _ in range(PAGES):
            with translated(f"read the {index} index"):
                answer = self._client.query(
                    TableName=self._table,
                    IndexName=index,
                    KeyConditionExpression=condition,
                    ExpressionAttributeValues=values,
                    **backwards,
                    **start,
                )
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
        raise Unavailable(f"the {index} index has more than {PAGES} pages")


def _count(value: object, most: int) -> int | None:
    """Return a stored count, or None for any other value (manual edits)."""
    return int(value) if isinstance(value, Decimal) and 0 <= value <= most else None


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
