"""A new table with the keys of the authority's state table."""

from __future__ import annotations

import uuid

import pytest

from tests.doubles.world import World


@pytest.fixture
def table(world: World) -> str:
    name = f"authority-{uuid.uuid4().hex[:12]}"
    keys = [("pk", "HASH"), ("sk", "RANGE")]
    world.operator.dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key, _ in keys],
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys],
        BillingMode="PAY_PER_REQUEST",
    )
    return name
