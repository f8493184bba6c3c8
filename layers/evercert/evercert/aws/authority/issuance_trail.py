"""DynamoDB: entries of the issuance trail, in the table of the audit trail."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from evercert.authority.contracts.issuance_trail import IssuanceEntry
from evercert.aws.dynamodb.items import attribute, plain
from evercert.errors import Misconfigured
from evercert.timestamps import from_text, to_text

ISSUANCE = "issuance#"
SHARDS = 4  # of a day; they spread the writes
_EMPTY: tuple[object, ...] = (None, "", 0, ())


def put(table: str, entry: IssuanceEntry) -> dict[str, Any]:
    """Return the write of an entry, which never replaces another one."""
    return {"Put": {"TableName": table, "Item": item(entry), "ConditionExpression": "attribute_not_exists(pk)"}}


def item(entry: IssuanceEntry) -> dict[str, Any]:
    """Return the item of an entry, without what is empty."""
    shard = int(hashlib.sha256(entry.id.encode()).hexdigest()[:8], 16) % SHARDS
    values = {name: value for name, value in asdict(entry).items() if name not in ("id", "at") and value not in _EMPTY}
    return {
        "pk": {"S": f"{ISSUANCE}{day_of(entry.at)}#{shard}"},
        "sk": {"S": f"{to_text(entry.at)}#{entry.id}"},
        **{name: attribute(list(value) if isinstance(value, tuple) else value) for name, value in values.items()},
    }


def read(stored: Mapping[str, Any]) -> IssuanceEntry:
    """Parse an item; raise Misconfigured for a malformed one (manual edit)."""
    try:
        at, _, entry_id = str(stored["sk"]["S"]).partition("#")
        values = {name: value for name, value in plain(stored).items() if name not in ("pk", "sk")}
        defaults = {"identity": "", "application": None, "names": ()}  # as `item` leaves out what is empty
        found = _adapter().validate_python({**defaults, **values, "id": entry_id, "at": from_text(at)})
    except (KeyError, TypeError, ValueError, ValidationError):
        raise Misconfigured("an entry of the issuance trail does not parse: restore it from a backup") from None
    return found


def day_of(moment: datetime) -> str:
    """Return the day in UTC, as partition keys have it."""
    return to_text(moment)[:10]


@cache
def _adapter() -> TypeAdapter[IssuanceEntry]:
    return TypeAdapter(IssuanceEntry)
