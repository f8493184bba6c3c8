"""The due index on a client that refuses a write, as DynamoDB does for an item without room."""

from __future__ import annotations

from typing import Any

from evercert.aws.dynamodb.due_index import DynamoDBDueIndex
from evercert.contracts.queue import Due
from tests.doubles.fakes import START
from tests.doubles.strict_aws import refuse
from tests.doubles.strict_dynamodb import UPDATED


class Refusing:
    def update_item(self, **_: Any) -> Any:
        raise refuse("ValidationException", "UpdateItem", UPDATED)


def test_entry_without_room_delays_no_other() -> None:
    index = DynamoDBDueIndex(Refusing(), "table")  # type: ignore[arg-type]
    assert index.put_off(Due(("certificate#web", "record"), "00", "0"), START) is False
