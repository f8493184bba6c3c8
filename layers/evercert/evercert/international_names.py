"""International DNS names: their A-labels, by the UTS 46 mapping and IDNA2008 (RFC 5891)."""

from __future__ import annotations

from functools import lru_cache

from evercert.schema import printable

LONGEST_INTERNATIONAL = 1_000  # characters; the mapping can shorten a name


@lru_cache(maxsize=4_096)  # the conversion takes a millisecond, and a name is converted several times in a run
def a_labels(host: str) -> tuple[list[str], str]:
    """Return the labels in ASCII and no problem, or no labels and the problem."""
    import idna  # noqa: PLC0415 (few names need its tables, and they cost every cold start)

    try:
        labels = idna.uts46_remap(host, std3_rules=False).split(".")
        return [label if label.isascii() else idna.alabel(label).decode() for label in labels], ""
    except idna.IDNAError as error:
        return [], printable(str(error))
