"""Conversion of records and outcomes to and from table items."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import BaseModel, ValidationError

from evercert.aws.dynamodb import attribute_values as notation
from evercert.canonical_json import canonical_json
from evercert.contracts.events import Outcome
from evercert.contracts.ports import Unreadable
from evercert.contracts.queue import CERTIFICATE, RECORD, shard
from evercert.contracts.record import Delivery, Facts, Record
from evercert.contracts.record_schema import PREVIOUS_SCHEMA, SCHEMA, schema_of
from evercert.documents.spec import Spec
from evercert.schema import first_problem
from evercert.timestamps import from_text, to_text

SK = RECORD
OUTBOX_DELAY = timedelta(minutes=1)  # the run publishes its outcome itself; the index entry is for crashes
KEPT = timedelta(days=400)
LONGEST_PLAIN = 750  # bytes of an outcome beside which its keys and times fit into one write unit of 1,024 bytes
_NOT_IN_THE_MODEL = {"pk", "sk", "schema", "due_shard", "expiry_shard", "not_after"}

Item = dict[str, Any]


def pk(name: str) -> str:
    """Return the partition key of a certificate's record and outcomes."""
    return f"{CERTIFICATE}{name}"


def key(name: str, sort: str = SK) -> Item:
    """Return the primary key in the form of the client."""
    return {"pk": {"S": pk(name)}, "sk": {"S": sort}}


def attribute(value: object) -> Item:
    """Return a value of a record as a DynamoDB attribute value."""
    return notation.written(jsonable(value))


def plain(item: Mapping[str, Any]) -> Item:
    """Return an item as Python values."""
    return {name: notation.read(value) for name, value in item.items()}


def indexed(changes: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Add the attributes of the expiring index to the changes of a record."""
    facts = changes.get("facts")
    if not isinstance(facts, Facts):
        return dict(changes)
    return {"not_after": facts.not_after, **changes, "expiry_shard": shard(name)}


def due(name: str, at: datetime | None) -> dict[str, Any]:
    """Return the attributes of the due index; None removes the entry."""
    return {"due_at": at, "due_shard": None if at is None else shard(name)}


def new_record(record: Record, due_at: datetime) -> Item:
    """Return the item of a new record."""
    values = {
        "pk": pk(record.name),
        "sk": SK,
        "schema": schema_of(
            advised=False,
            several_issuers=bool(record.spec.issuers),
            rolls_back=sets_kept_revisions(record.spec),
            probed=record.spec.probe is not None,
        ),
        "name": record.name,
        "uid": record.uid,
        "spec": canonical_json(record.spec.document()),
        "generation": record.generation,
        "state": record.state,
        **{attr: value for attr in ("revision", "outcomes", "deliveries") if (value := getattr(record, attr))},
        **due(record.name, due_at),
    }
    return {name: attribute(value) for name, value in values.items()}


def lists_issuers(values: Mapping[str, Any]) -> bool:
    """Whether the spec of a record has several issuers, without parsing it; True for some other unusual specs."""
    return '"issuers":' in str(values.get("spec"))


def sets_kept_revisions(spec: Spec) -> bool:
    """Whether the spec sets `keep-revisions`, which only releases with rollbacks know."""
    return "keep_revisions" in spec.lifecycle.model_dump(exclude_defaults=True)


def rolls_back(values: Mapping[str, Any]) -> bool:
    """Whether a record needs the schema of rollbacks, without parsing its spec; True for some unusual specs."""
    pending = values.get("pending")
    in_progress = isinstance(pending, dict) and "restores" in pending
    return in_progress or "rollback" in values or '"keep-revisions":' in str(values.get("spec"))


def markers(values: Mapping[str, Any]) -> dict[str, bool]:
    """Return which newer attributes a record has, without parsing it; its schema depends on them."""
    return {
        "advised": "advice" in values,
        "several_issuers": lists_issuers(values),
        "rolls_back": rolls_back(values),
        "probed": "probed" in values or '"probe":' in str(values.get("spec")),
        "behind": "behind" in values,
    }


def read_record(item: Mapping[str, Any]) -> Record | Unreadable:
    """Return the record, or Unreadable with the problem."""
    values = plain(item)
    name = str(values["pk"]).removeprefix(CERTIFICATE)
    schema = values.get("schema", SCHEMA)
    if isinstance(schema, Decimal) and schema > SCHEMA:
        return replace(_unreadable(values, name, f"written by a newer evercert (schema {schema})"), newer=True)
    try:
        fields = {attr: value for attr, value in values.items() if attr not in _NOT_IN_THE_MODEL}
        if isinstance(fields.get("spec"), str):
            fields["spec"] = json.loads(fields["spec"])
        record = Record.model_validate({**fields, "not_after": moment(values.get("not_after"))})
    except ValidationError as error:
        return _unreadable(values, name, first_problem(error))
    except (ValueError, RecursionError):
        return _unreadable(values, name, "its spec is not JSON")
    except Exception as error:  # noqa: BLE001 (one stored value must not stop the reading of all others)
        return _unreadable(values, name, f"it cannot be read ({type(error).__name__})")
    if record.name != name or record.spec.name != name:
        return _unreadable(values, name, f"its spec is for {record.spec.name!r}")
    return record


def outcome_item(outcome: Outcome) -> Item:
    """Return the item of an unpublished outcome; a long one is compressed, which older releases cannot read."""
    text = outcome.model_dump_json()
    is_long = len(text.encode()) > LONGEST_PLAIN
    values = {
        "pk": pk(outcome.name),
        "sk": outcome.key,
        "schema": SCHEMA if is_long else PREVIOUS_SCHEMA,
        "type": outcome.type,
        "at": outcome.at,
        "outcome": notation.compressed(text) if is_long else text,
        **due(outcome.name, outcome.at + OUTBOX_DELAY),
    }
    return {name: attribute(value) for name, value in values.items()}


def read_outcome(item: Mapping[str, Any]) -> Outcome | None:
    """Return the outcome, published or not, or None if the item does not parse."""
    try:
        return Outcome.model_validate_json(notation.text_of(plain(item)["outcome"]))
    except Exception:  # noqa: BLE001 (whatever a stored value makes a parser raise)
        return None


def moment(value: object) -> datetime | None:
    """Return a stored timestamp, or None for any other value (manual edits)."""
    try:
        return from_text(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _unreadable(values: Item, name: str, problem: str) -> Unreadable:
    stored = values.get("uid")
    try:
        uid = str(UUID(str(stored)))
    except ValueError:
        uid = str(uuid5(NAMESPACE_URL, f"evercert:{name}"))
    revision, deliveries = _count(values.get("revision")), dict(_deliveries(values.get("deliveries")))
    outcomes = _count(values.get("outcomes"))
    return Unreadable(
        name,
        uid,
        outcomes,
        problem,
        announced=_announced(values),
        revision=revision,
        deliveries=deliveries,
        stored_uid=stored if isinstance(stored, str) else None,
    )


def _deliveries(value: object) -> Iterator[tuple[str, Delivery]]:
    """Return the deliveries that parse."""
    for destination, delivery in value.items() if isinstance(value, dict) else ():
        with suppress(ValidationError):
            yield str(destination), Delivery.model_validate(delivery)


def _announced(values: Item) -> str | None:
    """Return the last announced error, unless a renewal was requested since; what is no timestamp is no request."""
    error = values.get("last_error")
    if not isinstance(error, dict):
        return None
    requested_at, announced_at = moment(values.get("requested_at")), moment(error.get("at"))
    if requested_at is not None and announced_at is not None and requested_at > announced_at:
        return None
    return str(error.get("message"))


def _count(value: object) -> int:
    """Return a counter, which may be edited manually, within the range of an outcome's key."""
    try:
        return min(max(int(str(value)), 0), 99_999_990)
    except ValueError:
        return 0


def jsonable(value: object) -> Any:  # noqa: ANN401
    """Return a value of a record as values of JSON."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_none=True)
    if isinstance(value, datetime):
        return to_text(value)
    if isinstance(value, Mapping):
        return {name: jsonable(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(part) for part in value]
    return value
