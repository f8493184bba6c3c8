"""Compare a key policy that KMS returns with the expected one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any

_SETS = ("Action", "Resource")
_ACCOUNT = re.compile(r"arn:[a-z0-9-]+:iam::([0-9]{12}):root")


def same(found: object, policy: dict[str, Any]) -> bool:
    """Return whether KMS's answer means this policy.

    KMS returns lists in another order, lists of one value as that value, and accounts by number or by ARN.
    """
    return _normal_policy(found) == _normal_policy(policy)


def _normal_policy(found: object) -> object:
    if not isinstance(found, dict):
        return found
    return {**found, "Statement": _values(found.get("Statement"), _normal_statement)}


def _normal_statement(found: object) -> object:
    if not isinstance(found, dict):
        return found
    normal = {**found, **{name: _values(found[name]) for name in _SETS if name in found}}
    if "Principal" in found:
        principal = found["Principal"]
        normal["Principal"] = _each({"AWS": "*"} if principal == "*" else principal, partial(_values, one=_principal))
    if "Condition" in found:
        normal["Condition"] = _each(found["Condition"], partial(_each, change=_values))
    return normal


def _each(found: object, change: Callable[[object], object]) -> object:
    """Change every value of an object."""
    return {name: change(value) for name, value in found.items()} if isinstance(found, dict) else found


def _values(found: object, one: Callable[[object], object] = lambda value: value) -> list[str]:
    """Return a value or a list of values as a sorted list of JSON texts, each once."""
    several = found if isinstance(found, list) else [found]
    return sorted({json.dumps(one(value), sort_keys=True) for value in several})


def _principal(found: object) -> object:
    match = _ACCOUNT.fullmatch(found) if isinstance(found, str) else None
    return match[1] if match else found
