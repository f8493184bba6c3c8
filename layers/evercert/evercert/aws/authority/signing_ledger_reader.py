"""DynamoDB: read the signing ledger; only operators may."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evercert.aws.clients import translated
from evercert.aws.dynamodb.attribute_values import read

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

ORDER, CRL = "order#", "crl:"


@dataclass(frozen=True)
class Entry:
    """One ordered certificate; `sha256` of the signed certificate, or None if it was never signed."""

    order: str
    ca: str
    serial_number: str
    at: str
    says: dict[str, Any]
    sha256: str | None = None

    @property
    def leaf(self) -> str:
        """Return the ordered fields as JSON."""
        return str(self.says.get("leaf", "{}"))

    @property
    def names(self) -> list[str]:
        """Return the names of the certificate."""
        try:
            return [str(name) for name in json.loads(self.leaf)["names"]]
        except (KeyError, TypeError, ValueError, RecursionError):
            return []


class LedgerReading:
    """Reader of the signing ledger; scans the whole table."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def certificates(self) -> list[Entry]:
        """Return all entries by time, without CRLs."""
        intents: dict[str, dict[str, Any]] = {}
        results: dict[str, str] = {}
        for item in self._items():
            kind, order = item.get("sk"), str(item.get("pk", "")).removeprefix(ORDER)
            if order.startswith(CRL):
                continue
            if kind == "intent":
                intents[order] = item
            elif kind == "result":
                results[order] = str(item.get("sha256", ""))
        # A result without an intent should be impossible, so it must be shown.
        found = [_entry(order, intents.get(order, {}), results.get(order)) for order in {**intents, **results}]
        return sorted(found, key=lambda entry: entry.at)

    def signed(self, ca_id: str, serial_number: int) -> tuple[Entry, bytes | None] | None:
        """Return the entry and its DER, if it was signed; None if the serial number was not used."""
        taken = self._item(f"serial#{ca_id}#{serial_number:x}", "serial")
        if "order_id" not in taken:
            return None
        order = str(read(taken["order_id"]))
        intent, result = (self._item(f"{ORDER}{order}", kind) for kind in ("intent", "result"))
        plain = {name: read(value) for name, value in intent.items()}
        der = result.get("der", {}).get("B")
        sha256 = str(read(result["sha256"])) if "sha256" in result else None
        return _entry(order, plain, sha256), bytes(der) if der else None

    def _item(self, pk: str, sk: str) -> dict[str, Any]:
        with translated(f"read {pk} of the ledger"):
            answer = self._client.get_item(
                TableName=self._table, Key={"pk": {"S": pk}, "sk": {"S": sk}}, ConsistentRead=True
            )
        return dict(answer.get("Item", {}))

    def _items(self) -> Iterator[dict[str, Any]]:
        with translated(f"read table {self._table}"):
            pages = self._client.get_paginator("scan").paginate(TableName=self._table, ConsistentRead=True)
            for page in pages:
                for item in page["Items"]:
                    yield {name: read(value) for name, value in item.items() if name != "der"}


def _entry(order: str, intent: dict[str, Any], sha256: str | None) -> Entry:
    text = {name: str(intent.get(name, "")) for name in ("ca", "serial_number", "at")}
    says = intent.get("says")
    return Entry(order, text["ca"], text["serial_number"], text["at"], says if isinstance(says, dict) else {}, sha256)
