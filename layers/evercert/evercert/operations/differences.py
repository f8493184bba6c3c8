"""Differences between two documents of a certificate or issuer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HIDDEN = "(not shown)"


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Return the differences, with values hidden that are long or may hold secrets of agent hooks."""
    old, new = _flat(before), _flat(after)
    changed = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    return [(key, _shown(key, old), _shown(key, new)) for key in changed]


def _shown(key: str, values: Mapping[str, Any]) -> Any:  # noqa: ANN401 (a value of a document)
    is_hidden = key == "ca-bundle" or key.startswith("agent.")
    return HIDDEN if is_hidden and key in values else values.get(key)


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, part in value.items():
        flat |= _flat(part, f"{prefix}{key}.") if isinstance(part, dict) else {f"{prefix}{key}": part}
    return flat
