"""Forms: fields of a request's body, which the guard has limited and checked."""

from __future__ import annotations

from starlette.datastructures import FormData
from starlette.requests import Request

LONGEST_NUMBER = 9  # digits


def form_of(request: Request) -> FormData:
    """Return the form, which `application` read before the page's function ran."""
    found: FormData = request.state.form
    return found


def text(form: FormData, field: str) -> str:
    """Return the text of a field without surrounding space; empty if it is missing.

    Browsers send CRLF for each line end of a text area.
    """
    found = form.get(field)
    return found.replace("\r\n", "\n").strip() if isinstance(found, str) else ""


def lines(form: FormData, field: str, separators: str = ", \t\n") -> list[str]:
    """Return the entries of a field, which line ends, spaces or commas separate."""
    return separated(text(form, field), separators)


def separated(found: str, separators: str = ", \t\n") -> list[str]:
    """Return the entries of a text, which line ends, spaces or commas separate."""
    for separator in separators:
        found = found.replace(separator, "\n")
    return [part for line in found.split("\n") if (part := line.strip())]


def number(text: str) -> int | None:
    """Return a number of at most nine digits, or None for other text."""
    return int(text) if text.isdecimal() and len(text) <= LONGEST_NUMBER else None
