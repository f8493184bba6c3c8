"""Check whether a filter policy of a subscription can match an event of evercert."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from evercert import json_parser
from evercert.contracts.events import EventType, Severity
from evercert.schema import printable

ATTRIBUTES = ("type", "certificate", "issuer", "severity", "labels")  # of every message
_VALUES = {"type": get_args(EventType), "severity": get_args(Severity)}


def problem(policy: str, scope: str = "MessageAttributes") -> str:
    """Return why the policy matches no event; empty if it matches one, or if this module cannot tell."""
    try:
        found = json_parser.parse(policy or "{}")
    except ValueError:
        return ""
    if not isinstance(found, dict):
        return ""
    for key, conditions in found.items():
        if not isinstance(conditions, list):
            continue
        if key not in ATTRIBUTES and scope == "MessageAttributes" and not key.startswith("$") and _need(conditions):
            return f"its filter policy requires the attribute {printable(key, 80)}, which no event has"
        if key in _VALUES and not any(_matches(one, value) for one in conditions for value in _VALUES[key]):
            return f"its filter policy matches no event: no {key} matches {printable(str(conditions), 120)}"
    return ""


def _need(conditions: list[Any]) -> bool:
    """Return whether the conditions match only if the attribute is present."""
    return not any(isinstance(one, dict) and one.get("exists") is False for one in conditions)


def _matches(condition: Any, value: str) -> bool:  # noqa: ANN401 (any JSON)
    """Return whether a condition matches a value; True for an operator that this module does not know."""
    if not isinstance(condition, dict):
        return bool(condition == value)
    return all(_operator(name, wanted, value) for name, wanted in condition.items())


def _operator(name: str, wanted: Any, value: str) -> bool:  # noqa: ANN401 (any JSON)
    if name == "exists":
        return wanted is not False
    if name == "anything-but" and not isinstance(wanted, Mapping):
        return value not in (wanted if isinstance(wanted, list) else [wanted])
    if not isinstance(wanted, str):
        return True
    known = {
        "prefix": value.startswith(wanted),
        "suffix": value.endswith(wanted),
        "equals-ignore-case": value.lower() == wanted.lower(),
    }
    return known.get(name, True)
