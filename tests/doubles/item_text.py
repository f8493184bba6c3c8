"""Items of a table with their compressed texts in plain, for tests that search a table for secrets."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from evercert.aws.dynamodb.attribute_values import read, text_of


def unpacked(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the item as values of JSON; evercert compresses no text below the first level."""
    return {name: _plain(value) if "B" in value else value for name, value in item.items()}


def _plain(value: Mapping[str, Any]) -> dict[str, str]:
    try:
        return {"S": text_of(read(value))}
    except ValueError:
        return {"B": base64.b64encode(value["B"]).decode()}
