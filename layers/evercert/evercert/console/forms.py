"""Forms: fields of a request's body, which the guard has limited and checked."""

from __future__ import annotations

from starlette.datastructures import FormData
from starlette.requests import Request


def form_of(request: Request) -> FormData:
    """Return the form, which `application` read before the page's function ran."""
    found: FormData = request.state.form
    return found


def text(form: FormData, field: str) -> str:
    """Return the text of a field without surrounding space; empty if it is missing."""
    found = form.get(field)
    return found.strip() if isinstance(found, str) else ""


def lines(form: FormData, field: str) -> list[str]:
    """Return the entries of a field, separated by line ends, spaces or commas."""
    return [part for part in text(form, field).replace(",", "\n").split() if part]
