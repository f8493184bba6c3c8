"""Condition operators of IAM, exactly those that the policies of this project use."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from tests.iam.policies import Statement, UnknownPolicy, arn_matches, glob

Context = Mapping[str, str | list[str]]
VARIABLE = re.compile(r"\$\{([^}]*)\}")
COMPARISONS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda wanted, found: wanted == found,
    "StringLike": lambda wanted, found: bool(glob(wanted).fullmatch(found)),
    "ArnEquals": arn_matches,
    "ArnLike": arn_matches,
    "Bool": lambda wanted, found: wanted.lower() == found.lower(),
}
NEGATIONS = {
    "StringNotEquals": "StringEquals",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
}


def failed_condition(statement: Statement, context: Context) -> str | None:
    """Return the first condition that does not hold, in words, or None if all hold."""
    lower = {key.lower(): value for key, value in context.items()}
    for operator, key, values in statement.conditions:
        if not _holds(operator, lower.get(key.lower()), values, lower):
            found = lower.get(key.lower(), "absent")
            return f"{operator} {key} is {found}, not {' or '.join(values)}"
    return None


def _holds(operator: str, found: str | list[str] | None, wanted: tuple[str, ...], context: Context) -> bool:
    if operator == "Null":
        return any((found is None) == (one == "true") for one in wanted)
    quantifier, _, rest = operator.rpartition(":")
    base = rest.removesuffix("IfExists")
    negated = base in NEGATIONS
    compare = COMPARISONS.get(NEGATIONS.get(base, base))
    if compare is None or quantifier not in ("", "ForAllValues", "ForAnyValue"):
        raise UnknownPolicy(f"unknown condition operator {operator}")
    if quantifier and negated:
        raise UnknownPolicy(f"unknown condition operator {operator}: a negation with a quantifier")
    if found is None:
        return negated or rest != base or quantifier == "ForAllValues"
    if isinstance(found, list) and not quantifier:
        raise UnknownPolicy(f"{operator} on a key with several values")
    values = found if isinstance(found, list) else [found]
    resolved = [text for one in wanted if (text := _resolved(one, context)) is not None]
    results = [any(compare(one, value) for one in resolved) for value in values]
    if negated:
        return not any(results)
    return any(results) if quantifier == "ForAnyValue" else all(results)


def _resolved(text: str, context: Context) -> str | None:
    """Return the text with its variables; None if one is absent, because such a value matches nothing."""
    names = VARIABLE.findall(text)
    for name in names:
        if not name.lower().startswith(("aws:", "kms:")):
            raise UnknownPolicy(f"unknown policy variable ${{{name}}}")
        value = context.get(name.lower())
        if not isinstance(value, str):
            return None
    return VARIABLE.sub(lambda match: str(context[match[1].lower()]), text)
