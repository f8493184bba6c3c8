"""Limits of the size of a document, which hold before anything in it is validated."""

from __future__ import annotations

from typing import Any

from evercert.documents.problem import Problem
from evercert.origins import LONGEST_DNS_NAME

MOST_ENTRIES = 2_000  # certificates, and issuers
MOST_NAMES = 20_000  # common names and alternative names
_INTERNATIONAL = 20  # converting one takes as long as checking twenty others
_SPLIT = "split it into several files"


def excess(data: dict[str, Any]) -> Problem | None:
    """Return a problem if the document has more than can be checked in two seconds."""
    for key in ("certificates", "issuers"):
        part = data.get(key)
        if isinstance(part, (list, dict)) and len(part) > MOST_ENTRIES:
            return Problem((key,), f"the document has more than {MOST_ENTRIES} {key}; {_SPLIT}")
    return _excess_of_names(data.get("certificates"))


def _excess_of_names(certificates: object) -> Problem | None:
    total = 0
    for number, entry in enumerate(certificates if isinstance(certificates, list) else ()):
        attributes = entry.get("attributes") if isinstance(entry, dict) else None
        if not isinstance(attributes, dict):
            continue
        listed, common_name = attributes.get("alt-names"), attributes.get("common-name")
        names = listed if isinstance(listed, list) else []
        total += sum(map(_weight, names)) + (0 if common_name in names else _weight(common_name))
        if total > MOST_NAMES:
            message = f"attributes: the document has more than {MOST_NAMES} names"
            rule = f"a long or an international one counts as {_INTERNATIONAL}; {_SPLIT}"
            return Problem(("certificates", number, "attributes"), f"{message}, where {rule}")
    return None


def _weight(name: object) -> int:
    """Count names that are joined by commas, as in documents of the agent, one by one."""
    if not isinstance(name, str):
        return 1
    is_plain = len(name) <= LONGEST_DNS_NAME and name.isascii() and "xn--" not in name
    return 1 + name.count(",") if is_plain else _INTERNATIONAL * (1 + name.count(",") + len(name) // LONGEST_DNS_NAME)
