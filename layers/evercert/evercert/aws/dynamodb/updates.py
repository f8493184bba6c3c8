"""Build conditional updates of one item."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evercert.aws.dynamodb import items


class Update:
    """Builder of one conditional UpdateItem; a value of None removes the attribute."""

    def __init__(self, changes: Mapping[str, Any]) -> None:
        self.changes: dict[str, Any] = dict(changes)
        self._conditions: list[str] = []
        self._names: dict[str, str] = {}
        self._values: dict[str, Any] = {}

    def change(self, changes: Mapping[str, Any]) -> None:
        """Add changes."""
        self.changes.update(changes)

    def require(self, condition: str, values: Mapping[str, Any], names: str) -> None:
        """Add a condition; it refers to each of `names` as `#name`."""
        self._conditions.append(condition)
        self._names.update({f"#{name}": name for name in names.split()})
        self._values.update({name: items.attribute(value) for name, value in values.items()})

    def require_same(self, name: str, value: object) -> None:
        """Require that the attribute has this value; None: it is absent, or NULL after a manual edit."""
        if value is None:
            condition = f"attribute_not_exists(#{name}) OR attribute_type(#{name}, :null)"
            self.require(condition, {":null": "NULL"}, name)
        else:
            self.require(f"#{name} = :seen_{name}", {f":seen_{name}": value}, name)

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of UpdateItem, alone or in a transaction; raise ValueError without a condition."""
        if not self._conditions:
            raise ValueError("every table write carries a condition")
        names, values = dict(self._names), dict(self._values)
        sets, removes = [], []
        for number, (name, value) in enumerate(self.changes.items()):
            names[f"#c{number}"] = name
            if value is None:
                removes.append(f"#c{number}")
            else:
                sets.append(f"#c{number} = :c{number}")
                values[f":c{number}"] = items.attribute(value)
        clauses = [f"SET {', '.join(sets)}"] * bool(sets) + [f"REMOVE {', '.join(removes)}"] * bool(removes)
        arguments: dict[str, Any] = {
            "UpdateExpression": " ".join(clauses),
            "ConditionExpression": " AND ".join(f"({condition})" for condition in self._conditions),
            "ExpressionAttributeNames": names,
        }
        return {**arguments, "ExpressionAttributeValues": values} if values else arguments
