"""DynamoDB: accounts of a profile and their orders, for operators; the functions do not list them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from pydantic import ValidationError

from evercert.authority.acme.records import Account, Order
from evercert.aws.authority.acme_items import AcmeItems, S, key, place_of
from evercert.aws.clients import translated
from evercert.aws.dynamodb import items
from evercert.errors import Unavailable

BATCH = 50  # items of one read; orders with many names have 50 KB, and DynamoDB returns 16 MB
ROUNDS = 10  # of a batch that DynamoDB reads in parts


class AcmeReport(AcmeItems):
    """Reads what `evercert authority acme status` shows; leaves out items that do not parse or were deleted."""

    def accounts(self, profile_id: str) -> Iterator[Account]:
        """Return the accounts of a profile, oldest first."""
        ids = (sk.rpartition("#")[2] for sk in self._places(f"acme-accounts#{profile_id}", ""))
        yield from self._documents(Account, "acme-account", ids)

    def orders(self, account_id: str, since: datetime) -> Iterator[Order]:
        """Return the orders that an account has placed since then, oldest first."""
        ids = (sk.rpartition("#")[2] for sk in self._places(f"acme-orders#{account_id}", place_of(since, "")))
        yield from self._documents(Order, "acme-order", ids)

    def _places(self, pk: str, begin: str) -> Iterator[str]:
        """Return the sort keys of a list, from `begin` on; an empty one is no key for DynamoDB."""
        values = {":pk": {"S": pk}, ":begin": {"S": begin or " "}}
        with translated("list ACME accounts and orders"):
            pages = self._client.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression="pk = :pk AND sk >= :begin",
                ExpressionAttributeValues=values,
            )
            for page in pages:
                for item in page["Items"]:
                    yield item["sk"]["S"]

    def _documents(self, model: type[S], kind: str, ids: Iterator[str]) -> Iterator[S]:
        while batch := list(islice(ids, BATCH)):
            found = {}
            for item in self._read([key(kind, one) for one in batch]):
                try:
                    found[item["pk"]["S"]] = model.model_validate_json(str(items.plain(item).get("document")))
                except ValidationError:
                    continue
            yield from (found[f"{kind}#{one}"] for one in batch if f"{kind}#{one}" in found)

    def _read(self, keys: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        wanted: Any = {self._table: {"Keys": keys}}
        for _ in range(ROUNDS):
            with translated("read ACME accounts and orders"):
                answer = self._client.batch_get_item(RequestItems=wanted)
            yield from answer.get("Responses", {}).get(self._table, [])
            if not (wanted := answer.get("UnprocessedKeys", {})):
                return
        raise Unavailable("cannot read ACME accounts and orders: the table is throttled")
