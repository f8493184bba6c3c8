"""The limit of alternative names in one document, which holds before any name is parsed."""

from __future__ import annotations

from typing import Any

from evercert.documents.problem import Problem

MOST_NAMES = 20_000  # alternative names of one document
_INTERNATIONAL = 10  # their conversion takes as long as that of so many others
_SURPLUS = (
    f"alt-names: the document has more than {MOST_NAMES} alternative names, where an international one counts as "
    f"{_INTERNATIONAL}"
)


def surplus_names(data: dict[str, Any]) -> Problem | None:
    """Return a problem if the document has more alternative names than it takes seconds to check.

    Names that are joined by commas, as in documents of the agent, count one by one.
    """
    entries, total = data.get("certificates"), 0
    for number, entry in enumerate(entries if isinstance(entries, list) else ()):
        attributes = entry.get("attributes") if isinstance(entry, dict) else None
        names = attributes.get("alt-names") if isinstance(attributes, dict) else None
        for name in names if isinstance(names, list) else ():
            text = name if isinstance(name, str) else ""
            total += (text.count(",") + 1) * (1 if text.isascii() and "xn--" not in text else _INTERNATIONAL)
        if total > MOST_NAMES:
            path = ("certificates", number, "attributes", "alt-names")
            return Problem(path, f"{_SURPLUS}; split it into several files")
    return None
