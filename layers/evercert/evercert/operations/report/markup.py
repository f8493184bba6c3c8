"""HTML from text that others wrote: markup and control characters have no effect, and every character is ASCII."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from evercert.operations.escapes import visible


def text(value: object) -> str:
    """Return the value as HTML text, which may also stand in a quoted attribute."""
    return escape(visible(str(value))).encode("ascii", "xmlcharrefreplace").decode()


def isolated(value: object) -> str:
    """Return the value as HTML text that does not change the direction of the text around it."""
    return f"<bdi>{text(value)}</bdi>"


def header_row(*titles: str) -> str:
    """Return the head of a table."""
    cells = "".join(f'<th scope="col">{text(title)}</th>' for title in titles)
    return f"<thead><tr>{cells}</tr></thead>"


def row(first: str, cells: Iterable[str]) -> str:
    """Return a row of HTML cells whose first one is its header."""
    return f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>\n'
