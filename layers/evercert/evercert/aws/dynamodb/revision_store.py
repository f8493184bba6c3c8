"""DynamoDB: the kept revisions of a certificate, one item beside its record."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from evercert.aws.clients import translated
from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.updates import Update
from evercert.aws.dynamodb.writes import ConditionFailed, Writes
from evercert.contracts.record_part import LAST_COUNT
from evercert.contracts.revisions import KeptRevision, KeptRevisions
from evercert.errors import NoRoom
from evercert.pki.certificate import Chain

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

SORT = "revisions"
KEPT_SCHEMA = 1


class DynamoDBRevisions:
    """Kept revisions in the certificates table; DynamoDB deletes the item when the last certificate has expired."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table
        self._writes = Writes(client, table)

    def read(self, name: str, uid: str) -> KeptRevisions:
        """Return the revisions with a consistent read; those that do not parse (manual edits) do not count."""
        with translated(f"read the kept revisions of {name}"):
            answer = self._client.get_item(TableName=self._table, Key=items.key(name, SORT), ConsistentRead=True)
        return read_kept(answer.get("Item"), uid)

    def write(self, name: str, uid: str, seen: KeptRevisions, revisions: tuple[KeptRevision, ...]) -> bool:
        """Replace all revisions with one update, in a transaction with a check of the record."""
        try:
            with translated(f"write the kept revisions of {name}"):
                self._writes.update_kept(name, uid, kept_update(uid, seen, revisions), sort=SORT)
        except (ConditionFailed, NoRoom):
            return False
        return True


def read_kept(item: Mapping[str, Any] | None, uid: str) -> KeptRevisions:
    """Return the revisions of an item that belong to this uid."""
    values = items.plain(item or {})
    schema, listed = values.get("schema"), values.get("revisions")
    if isinstance(schema, Decimal) and schema > KEPT_SCHEMA:
        return KeptRevisions(newer=True)
    found = []
    for value in listed if isinstance(listed, list) and values.get("uid") == uid else ():
        try:
            found.append(KeptRevision.model_validate(value))
        except ValidationError:
            continue
    found.sort(key=lambda kept: kept.revision, reverse=True)
    return KeptRevisions(tuple(found), values.get("version"))


def kept_update(uid: str, seen: KeptRevisions, revisions: tuple[KeptRevision, ...]) -> Update:
    """Return the update that replaces all revisions."""
    counted = isinstance(seen.version, Decimal) and 0 <= seen.version < LAST_COUNT  # else a manual edit set it
    version = int(seen.version) + 1 if counted else 1
    ends = max((Chain.from_pem(kept.chain).ends for kept in revisions), default=None)
    update = Update(
        {
            "schema": KEPT_SCHEMA,
            "uid": uid,
            "version": version,
            "revisions": list(revisions),
            "expires_at": None if ends is None else int(ends.timestamp()),
        }
    )
    update.require_same("version", seen.version)
    return update
