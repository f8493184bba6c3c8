"""DynamoDB: the kept revisions of a certificate, one item beside its record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from evercert.aws.clients import translated
from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.attribute_values import compressed, text_of
from evercert.aws.dynamodb.updates import Update
from evercert.canonical_json import canonical_json
from evercert.contracts.record_part import LAST_COUNT
from evercert.contracts.revisions import KeptRevision, KeptRevisions, RevisionsToKeep
from evercert.pki.certificate import Chain

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

SORT = "revisions"
KEPT_SCHEMA = 2  # 1: not compressed
KEEPS_NONE = '"keep-revisions":0'  # in the JSON text of a spec


class DynamoDBRevisions:
    """Kept revisions in the certificates table; DynamoDB deletes the item when the last certificate has expired."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def read(self, name: str, uid: str) -> KeptRevisions:
        """Return the revisions with a consistent read; those that do not parse (manual edits) do not count."""
        with translated(f"read the kept revisions of {name}"):
            answer = self._client.get_item(TableName=self._table, Key=items.key(name, SORT), ConsistentRead=True)
        return read_kept(answer.get("Item"), uid)


def read_kept(item: Mapping[str, Any] | None, uid: str) -> KeptRevisions:
    """Return the revisions of an item that belong to this uid."""
    values = items.plain(item or {})
    schema = values.get("schema")
    if isinstance(schema, Decimal) and schema > KEPT_SCHEMA:
        return KeptRevisions(newer=True)
    found = []
    for value in _listed(values.get("revisions")) if values.get("uid") == uid else ():
        try:
            found.append(KeptRevision.model_validate(value))
        except ValidationError:
            continue
    found.sort(key=lambda kept: kept.revision, reverse=True)
    return KeptRevisions(tuple(found), values.get("version"))


def keeps_none(record: Mapping[str, Any] | None) -> bool:
    """Whether the spec in this item of a record forbids kept revisions."""
    text = items.plain(record or {}).get("spec")
    return isinstance(text, str) and KEEPS_NONE in text


def _listed(stored: object) -> list[object]:
    """Return the values of the revisions, or none if a manual edit spoiled them."""
    try:
        values = stored if isinstance(stored, list) else json.loads(text_of(stored))
    except (ValueError, RecursionError):
        return []
    return values if isinstance(values, list) else []


def kept_update(kept: RevisionsToKeep) -> Update:
    """Return the update that replaces all revisions, compressed together: most of their chains are alike."""
    seen = kept.seen.version
    counted = isinstance(seen, Decimal) and 0 <= seen < LAST_COUNT  # else a manual edit set it
    ends = max((Chain.from_pem(one.chain).ends for one in kept.revisions), default=None)
    update = Update(
        {
            "schema": KEPT_SCHEMA,
            "uid": kept.uid,
            "version": int(seen) + 1 if counted else 1,
            "revisions": compressed(canonical_json(items.jsonable(kept.revisions))),
            "expires_at": None if ends is None else int(ends.timestamp()),
        }
    )
    update.require_same("version", seen)
    return update
