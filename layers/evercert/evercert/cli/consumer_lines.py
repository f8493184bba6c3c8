"""The consumers of a certificate for people and programs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.text import Text

from evercert.cli.console import styled
from evercert.contracts.consumers import ConsumerList
from evercert.contracts.record import Record
from evercert.operations.ages import relative
from evercert.operations.escapes import visible

if TYPE_CHECKING:
    from evercert.cli.connection import Connection

MOST = 20  # lines
LONGEST = 100  # characters of a name


def load(connection: Connection, name: str) -> ConsumerList | None:
    """Return the consumers of a certificate; None if the stack has no acknowledgements."""
    table = connection.outputs.get("ConsumersTable")
    if table is None:
        return None
    from evercert.aws.dynamodb.consumers import DynamoDBConsumers  # noqa: PLC0415

    return DynamoDBConsumers(connection.clients.dynamodb, table).of(name)


def values(listed: ConsumerList | None, record: Record) -> dict[str, Any]:
    """Return the consumers for `--json`; nothing in a stack without acknowledgements."""
    if listed is None:
        return {}
    known = [
        {**one.model_dump(mode="json", exclude={"certificate"}), "current": _is_current(one.fingerprint_sha256, record)}
        for one in listed.known
    ]
    return {"consumers": known, "more_consumers": listed.more}


def lines(listed: ConsumerList, record: Record, now: datetime) -> Iterator[Text]:
    """Yield a line for each consumer, late ones first."""
    if not listed.known:
        yield styled("no consumer has acknowledged it")
    ordered = sorted(listed.known, key=lambda one: _is_current(one.fingerprint_sha256, record))
    for one in ordered[:MOST]:
        current = _is_current(one.fingerprint_sha256, record)
        what = f"revision {one.revision}" if one.revision else f"SHA-256 {one.fingerprint_sha256[:16]}…"
        who = f"{visible(one.host, LONGEST)} ({visible(one.consumer, LONGEST)})" if one.host else one.consumer
        when = f"loaded {relative(one.loaded_at, now)}, seen {relative(one.seen_at, now)}"
        yield styled(f"{who}: {'' if current else 'still '}{what}, {when}", "" if current else "yellow")
    if listed.more or len(ordered) > MOST:
        yield styled(f"and {len(ordered[MOST:])} more{' (or more than that)' if listed.more else ''}")


def _is_current(fingerprint: str, record: Record) -> bool:
    return record.facts is not None and record.facts.fingerprint_sha256 == fingerprint
