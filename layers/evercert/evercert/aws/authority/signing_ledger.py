"""DynamoDB: the signing ledger: intents and results; the signer may only put new items."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from evercert.authority.ca.signing_orders import Intent
from evercert.aws.clients import code, translated
from evercert.aws.dynamodb.attribute_values import read, written
from evercert.aws.dynamodb.retries import ConditionsFailed, transact
from evercert.errors import Busy, Misconfigured
from evercert.schema import printable
from evercert.timestamps import from_text, to_text

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

LARGEST = 350_000  # bytes of a stored result; an item has at most 400 KB
_NEW = "attribute_not_exists(pk)"


class DynamoDBLedger:
    """Items `order#<id>` (`intent`, `result`) and `serial#<ca>#<hexadecimal>`, each written once.

    A refused write returns the earlier item, so the signer needs no permission to read.
    """

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def intend(self, intent: Intent) -> Intent | None:
        """Write intent and serial number in one transaction."""
        try:
            with translated(f"record the intent of order {intent.id}"):
                transact(self._client, [self._put(_serial(intent)), self._put(_item(intent))])
        except ConditionsFailed as error:
            is_order_known = error.failed[1]
            return _read(error.items[1] or {}, intent.id) if is_order_known else None
        return intent

    def conclude(self, intent: Intent, der: bytes) -> bytes:
        """Write the result, above 350,000 bytes only its SHA-256; raise Busy if such a result was written before."""
        item = {**_key(intent, "result"), "ca": intent.ca, "sha256": hashlib.sha256(der).hexdigest()}
        kept: dict[str, Any] = {"der": {"B": der}} if len(der) <= LARGEST else {}
        with translated(f"record the result of order {intent.id}"):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item={name: written(value) for name, value in item.items()} | kept,
                    ConditionExpression=_NEW,
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                if code(error) != "ConditionalCheckFailedException":
                    raise
                return _result(intent, cast("dict[str, Any]", error.response.get("Item", {})))
        return der

    def _put(self, item: dict[str, Any]) -> Any:  # noqa: ANN401 (typed where it is used)
        return {
            "Put": {
                "TableName": self._table,
                "Item": {name: written(value) for name, value in item.items()},
                "ConditionExpression": _NEW,
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }


def _key(intent: Intent, kind: str) -> dict[str, Any]:
    return {"pk": f"order#{intent.id}", "sk": kind}


def _item(intent: Intent) -> dict[str, Any]:
    return {
        **_key(intent, "intent"),
        "schema": 1,
        "ca": intent.ca,
        "serial_number": f"{intent.serial_number:x}",
        "order": intent.order,
        "at": to_text(intent.at),
        "says": intent.says,
    }


def _serial(intent: Intent) -> dict[str, Any]:
    pk = f"serial#{intent.ca}#{intent.serial_number:x}"
    return {"pk": pk, "sk": "serial", "order_id": intent.id, "at": to_text(intent.at)}


def _read(item: dict[str, Any], order_id: str) -> Intent:
    try:
        values = {name: read(value) for name, value in item.items()}
        at: datetime = from_text(values["at"])
        serial = int(values["serial_number"], 16)
        return Intent(order_id, str(values["ca"]), serial, str(values["order"]), at, dict(values["says"]))
    except (KeyError, TypeError, ValueError) as error:
        raise Misconfigured(f"the ledger's intent of order {printable(order_id)} cannot be read") from error


def _result(intent: Intent, item: dict[str, Any]) -> bytes:
    if isinstance(der := item.get("der", {}).get("B"), bytes):
        return der
    raise Busy(f"order {intent.id}: another result is recorded, too long to store; request another number")
