"""Rate slots under contention, on a client that loses each race."""

from __future__ import annotations

from typing import Any

import pytest

from evercert.aws.dynamodb.rate_slots import DynamoDBRateSlots
from evercert.errors import Unavailable
from tests.doubles.fakes import START
from tests.doubles.strict_aws import refuse


class Contended:
    """A client whose conditions always fail, because other runs are faster; the stored item is valid."""

    def __init__(self) -> None:
        self.puts = 0

    def update_item(self, **_: Any) -> Any:
        raise refuse("ConditionalCheckFailedException", "UpdateItem")

    def get_item(self, **_: Any) -> Any:
        return {"Item": {"next_free": {"N": "1768478400000"}, "m2026_01": {"N": "7"}}}

    def put_item(self, **_: Any) -> Any:
        self.puts += 1


def test_valid_slot_item_is_never_replaced() -> None:
    client = Contended()
    with pytest.raises(Unavailable, match="other runs interfered 3 times"):
        DynamoDBRateSlots(client, "table").take("acm", START)
    assert client.puts == 0
