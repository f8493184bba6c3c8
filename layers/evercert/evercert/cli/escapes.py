r"""Show foreign text safely on a terminal: an escape such as `\x1b` replaces each control character."""

from __future__ import annotations


def visible(text: str, limit: int | None = None) -> str:
    """Return the text in one line: escapes instead of control characters, bidirectional overrides and line ends.

    Backslashes stay single, so that the result does not change when it is escaped again.
    """
    shown = text if text.isprintable() else "".join(map(_visible, text))
    return shown if limit is None or len(shown) <= limit else shown[: limit - 1] + "…"


def visible_lines(text: str) -> str:
    """Return the text with the same escapes; its line ends remain."""
    return text if text.isprintable() else "\n".join(map(visible, text.split("\n")))


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()
