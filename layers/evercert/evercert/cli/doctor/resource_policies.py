"""Evaluation of resource policies: whether a service of AWS may do one action on one resource, for one source ARN.

It implements what policies of queues, functions and keys commonly use. For everything else the verdict is `unknown`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from evercert import json_parser

Verdict = Literal["allowed", "denied", "unknown"]
_ARN_PARTS = 6


@dataclass(frozen=True)
class ServiceRequest:
    """One action of a service principal, such as `sns.amazonaws.com`, on behalf of the resource `source`."""

    service: str
    action: str
    resource: str
    source: str

    def keys(self) -> dict[str, str]:
        """Return the condition keys that AWS supplies, in lower case."""
        return {
            "aws:sourcearn": self.source,
            "aws:sourceaccount": self.source.split(":")[4],
            "aws:principalisawsservice": "true",
            "aws:principalservicename": self.service,
            "aws:securetransport": "true",
        }


def evaluate(policy: str | None, request: ServiceRequest) -> Verdict:
    """Return the verdict of a policy document; without a policy, a service may do nothing."""
    if not policy:
        return "denied"
    try:
        document = json_parser.parse(policy)
    except ValueError:
        return "unknown"
    statements = _several(document.get("Statement", [])) if isinstance(document, dict) else [None]
    results = [(one, _applies(one, request)) for one in statements]
    denying = [applies for one, applies in results if isinstance(one, dict) and one.get("Effect") == "Deny"]
    allowing = [applies for one, applies in results if not isinstance(one, dict) or one.get("Effect") == "Allow"]
    if True in denying:
        return "denied"
    if True in allowing:
        return "unknown" if None in denying else "allowed"
    return "unknown" if None in allowing else "denied"


def _applies(statement: Any, request: ServiceRequest) -> bool | None:  # noqa: ANN401 (any JSON)
    """Return whether a statement covers the request; None if this module cannot tell."""
    if not isinstance(statement, dict):
        return None
    return _all(
        [
            _principal(statement, request),
            _element(statement, "Action", request.action.lower(), str.lower),
            _element(statement, "Resource", request.resource, str),
            _conditions(statement.get("Condition", {}), request),
        ]
    )


def _all(results: list[bool | None]) -> bool | None:
    if False in results:
        return False
    return None if None in results else True


def _any(results: list[bool | None]) -> bool | None:
    if True in results:
        return True
    return None if None in results else False


def _principal(statement: Mapping[str, Any], request: ServiceRequest) -> bool | None:
    found = statement.get("Principal")
    if found is None:  # NotPrincipal
        return None
    if found == "*":
        return True
    if not isinstance(found, dict):
        return None
    if "*" in _several(found.get("AWS", [])):
        return True
    services = _several(found.get("Service", []))
    if request.service in services:
        return True
    # A regional name (sns.REGION.amazonaws.com) works for some pairs of regions; a wildcard is not documented.
    product = request.service.partition(".")[0]
    return None if any(str(one).startswith((f"{product}.", "*")) for one in services) else False


def _element(statement: Mapping[str, Any], name: str, value: str, normalize: Callable[[str], str]) -> bool | None:
    """Compare Action or Resource, or NotAction or NotResource, with the request."""
    if name in statement:
        return _matches(_several(statement[name]), value, normalize)
    if f"Not{name}" in statement:
        excluded = _matches(_several(statement[f"Not{name}"]), value, normalize)
        return None if excluded is None else not excluded
    return None


def _matches(patterns: list[Any], value: str, normalize: Callable[[str], str] = str) -> bool | None:
    return _any([None if "${" in str(one) else _like(normalize(str(one)), value) for one in patterns])


def _conditions(found: Any, request: ServiceRequest) -> bool | None:  # noqa: ANN401 (any JSON)
    if not isinstance(found, dict) or not all(isinstance(keys, dict) for keys in found.values()):
        return None
    return _all([_holds(*one, request.keys()) for one in _entries(found)])


def _entries(found: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str, list[Any]]]:
    for operator, keys in found.items():
        for key, values in keys.items():
            yield operator, key.lower(), _several(values)


def _holds(operator: str, key: str, wanted: list[Any], context: Mapping[str, str]) -> bool | None:
    base = operator.removesuffix("IfExists")
    compare = _COMPARISONS.get(base.replace("Not", "", 1))
    value = context.get(key)
    if compare is None or value is None or any("${" in str(one) for one in wanted):
        return None
    matched = any(compare(_text(one), value) for one in wanted)
    return not matched if base != base.replace("Not", "", 1) else matched


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _arn_like(pattern: str, value: str) -> bool:
    """Compare ARNs part by part: a wildcard does not reach across the first five colons."""
    wanted, found = pattern.split(":", _ARN_PARTS - 1), value.split(":", _ARN_PARTS - 1)
    return len(wanted) == len(found) and all(map(_like, wanted, found))


def _like(pattern: str, value: str) -> bool:
    """Compare with `*` and `?`, in time O(n·m), because the patterns are foreign input."""
    at = place = mark = 0
    star = -1
    while place < len(value):
        if at < len(pattern) and pattern[at] == "*":
            star, mark, at = at, place, at + 1
        elif at < len(pattern) and pattern[at] in ("?", value[place]):
            at, place = at + 1, place + 1
        elif star >= 0:
            mark += 1
            at, place = star + 1, mark
        else:
            return False
    return not pattern[at:].strip("*")


_COMPARISONS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": str.__eq__,
    "StringEqualsIgnoreCase": lambda wanted, found: wanted.lower() == found.lower(),
    "StringLike": _like,
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    "Bool": lambda wanted, found: wanted.lower() == found,
}


def _several(found: Any) -> list[Any]:  # noqa: ANN401 (any JSON)
    return found if isinstance(found, list) else [found]
