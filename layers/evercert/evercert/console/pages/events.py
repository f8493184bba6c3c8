"""Page of the stack's events as they happen."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from evercert.console.context import context_of
from evercert.console.forms import number
from evercert.console.rendering import page


def show(request: Request) -> Response:
    """Return the page with the events so far."""
    return page(request, "events.html", _values(request, 0))


def more(request: Request) -> Response:
    """Return the rows of new events, which the page puts before the others."""
    after = request.query_params.get("after", "")
    return page(request, "event_rows.html", _values(request, number(after) or 0))


def _values(request: Request, after: int) -> dict[str, object]:
    feed = context_of(request).services.events
    found = [] if feed is None else feed.since(after)
    return {"events": list(found)[::-1], "last": found[-1][0] if found else after}
