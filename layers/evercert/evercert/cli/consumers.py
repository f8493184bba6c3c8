"""Consumers of a certificate, as the stack's table has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evercert.contracts.consumers import ConsumerList
from evercert.contracts.record import Record
from evercert.operations.served_state import has_current

if TYPE_CHECKING:
    from evercert.cli.connection import Connection


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
        {**one.model_dump(mode="json", exclude={"certificate"}), "current": has_current(one.fingerprint_sha256, record)}
        for one in listed.known
    ]
    return {"consumers": known, "more_consumers": listed.more}
