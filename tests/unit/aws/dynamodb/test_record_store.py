"""The record store on clients that answer as DynamoDB may, and the emulator does not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.record_store import DynamoDBRecordStore
from evercert.contracts.ports import ClaimedRecord
from evercert.contracts.record import Claim
from tests.doubles.fakes import START
from tests.doubles.strict_aws import refuse

CLAIM = Claim(id="mine", until=START)
LATER = START + timedelta(days=1)


class Unmatchable:
    """A client for which no condition on `generation` holds, whatever is stored."""

    def __init__(self, stored: dict[str, Any]) -> None:
        self.stored = stored | {"claim": items.attribute(CLAIM)}
        self.written: dict[str, Any] = {}

    def update_item(self, **arguments: Any) -> Any:
        if ":seen_generation" in arguments["ExpressionAttributeValues"]:
            raise self._refusal()
        self.written = arguments
        return {}

    def _refusal(self) -> ClientError:
        error = refuse("ConditionalCheckFailedException", "UpdateItem")
        error.response["Item"] = self.stored  # type: ignore[typeddict-unknown-key]
        return error


@pytest.mark.parametrize(
    ("read", "stored", "moved"),
    [
        ({"N": "1"}, {"N": "1"}, False),
        ({"N": "1"}, {"N": "1.0"}, False),
        ({"SS": ["a", "b"]}, {"SS": ["b", "a"]}, False),
        ({"BS": [b"a", b"b"]}, {"BS": [b"b", b"a"]}, False),
        ({"B": b"x"}, {"B": b"x"}, False),
        ({"N": "1"}, {"N": "2"}, True),
        ({"SS": ["a"]}, {"NS": ["1"]}, True),
        ({"B": b"x"}, {"S": "x"}, True),
    ],
    ids=str,
)
def test_only_a_changed_value_counts_as_a_change(read: dict, stored: dict, moved: bool) -> None:
    client = Unmatchable({"generation": stored})
    held = ClaimedRecord("web", CLAIM, items.plain({"generation": read})["generation"], None, None)
    store = DynamoDBRecordStore(client, "table")  # type: ignore[arg-type]
    assert store.release(held, {}, LATER, START) is moved
    due = items.attribute(START if moved else LATER)
    assert due in client.written["ExpressionAttributeValues"].values()
