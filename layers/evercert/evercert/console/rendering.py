"""Rendering: Jinja2 templates in which all foreign text is harmless."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from evercert.console.context import Context, context_of
from evercert.operations.ages import relative
from evercert.operations.escapes import visible_lines

FOLDER = Path(__file__).parent
_MOMENT = timedelta(seconds=1)


def _harmless(value: object) -> object:
    """Return escapes instead of control characters and bidirectional overrides; Jinja2 escapes HTML after this."""
    if value is None:
        return ""
    return value if isinstance(value, Markup) else visible_lines(str(value))


def _moment(at: datetime | str | None) -> str:
    if at is None:
        return ""
    found = datetime.fromisoformat(at) if isinstance(at, str) else at
    return f"{found:%Y-%m-%d %H:%M} UTC"


_environment = Environment(
    loader=FileSystemLoader(FOLDER / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=_harmless,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters["moment"] = _moment


def page(
    request: Request, template: str, values: Mapping[str, Any] | None = None, *, status: int = 200
) -> HTMLResponse:
    """Return the page. Messages remain for the next page if a script loads only a part of this one."""
    context = context_of(request)
    now = context.services.clock()

    def ago(at: datetime | str | None) -> str:
        if at is None:
            return ""
        found = datetime.fromisoformat(at) if isinstance(at, str) else at
        return "just now" if abs(found - now) < _MOMENT else relative(found, now)

    text = _environment.get_template(template).render(
        {
            "services": context.services,
            "session": context.session,
            "link": lambda path, **query: link(context, path, **query),
            "static": lambda name: f"{context.session.path}/static/{name}",
            "here": request.url.path.removeprefix(context.session.path),
            "ago": ago,
            "messages": lambda: [] if "HX-Request" in request.headers else context.session.take_messages(),
            **(values or {}),
        }
    )
    return HTMLResponse(text, status)


def link(context: Context, path: str, **query: object) -> str:
    """Return the address of a page; names of certificates are in the query, because they may have any characters."""
    pairs = [(key, value) for key, value in query.items() if value not in (None, "", [], ())]
    return f"{context.session.path}{path}{'?' if pairs else ''}{urlencode(pairs, doseq=True, errors='replace')}"


def redirect(context: Context, path: str, **query: object) -> Response:
    """Return the redirect after an action, so that loading the page again does not repeat it."""
    return RedirectResponse(link(context, path, **query), 303)
