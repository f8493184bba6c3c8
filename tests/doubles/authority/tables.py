"""Create the authority's state table in the emulator."""

from __future__ import annotations

import uuid
from typing import Any

from tests.doubles.world import World, load_template

TEXT = ("pk", "sk", "listed_under", "created_at", "revoked_by", "not_after")
DEFINITION: dict[str, Any] = {
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in TEXT],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "listed",
            "KeySchema": [
                {"AttributeName": "listed_under", "KeyType": "HASH"},
                {"AttributeName": "created_at", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        },
        {
            "IndexName": "revoked",
            "KeySchema": [
                {"AttributeName": "revoked_by", "KeyType": "HASH"},
                {"AttributeName": "not_after", "KeyType": "RANGE"},
            ],
            "Projection": {
                "ProjectionType": "INCLUDE",
                "NonKeyAttributes": ["serial_number", "revoked_at", "reason"],
            },
        },
    ],
}


def state_table(world: World) -> str:
    """Create a table with the definition of the template; return its name."""
    name = f"authority-{uuid.uuid4().hex[:12]}"
    resource = load_template()["Resources"].get("AuthorityTable")
    wanted = DEFINITION
    if resource is not None:
        properties = resource["Properties"]
        wanted = {key: properties[key] for key in DEFINITION}
    world.operator.dynamodb.create_table(TableName=name, **wanted)
    return name
