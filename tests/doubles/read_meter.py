"""Read units of DynamoDB calls, computed from the answers: the emulator reports a constant for consumed capacity.

Developer guide, "Read/write capacity mode": half a unit per started 4,096 bytes of a page read eventually consistent, a whole
one if consistent; BatchGetItem rounds each item up. A filter hides what a scan read, so scans are not metered.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, Self

from tests.doubles.item_size import size

READ_UNIT = 4_096


class ReadMeter:
    """Counts the calls of a client by operation, and the units of its queries and single reads."""

    def __init__(self, client: Any) -> None:
        self.calls: Counter[str] = Counter()
        self.units = 0.0
        self._events = client.meta.events
        self._events.register("before-parameter-build", self._ask)
        self._events.register("after-call", self._note)
        self._consistent = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._events.unregister("before-parameter-build", self._ask)
        self._events.unregister("after-call", self._note)

    def _ask(self, params: dict[str, Any], **_: object) -> None:
        asked = params.get("RequestItems") or {"": params}
        self._consistent = any(isinstance(one, dict) and one.get("ConsistentRead") for one in asked.values())

    def _note(self, model: Any, parsed: dict[str, Any], **_: object) -> None:
        self.calls[model.name] += 1
        if model.name == "Query":
            self.units += self._page(sum(map(size, parsed.get("Items", []))))
        elif model.name == "GetItem":
            self.units += self._page(size(parsed.get("Item", {})))
        elif model.name == "BatchGetItem":
            found = [item for items in parsed.get("Responses", {}).values() for item in items]
            self.units += sum(self._page(size(item)) for item in found)

    def _page(self, read: int) -> float:
        return max(1, math.ceil(read / READ_UNIT)) * (1.0 if self._consistent else 0.5)
