"""Overview page: numbers by state, ends of certificates, what needs attention, and recent events."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from evercert.console.context import context_of
from evercert.console.rendering import page, redirect
from evercert.operations import pause_notes
from evercert.operations.overview import overview

RECENT = 8  # events


def show(request: Request) -> Response:
    """Return the page."""
    context = context_of(request)
    snapshot, feed = context.inventory.snapshot(), context.services.events
    found = overview((entry.row for entry in snapshot.entries.values()), context.services.clock())
    highest = max((day.ends for day in found.days), default=0)
    values = {
        "snapshot": snapshot,
        "overview": found,
        "highest": highest,
        "pauses": pause_notes.describe(snapshot.pauses),
        "recent": [event for _, event in feed.since(0)[-RECENT:]][::-1] if feed is not None else [],
    }
    return page(request, "home.html", values)


def refresh(request: Request) -> Response:
    """Read the table now."""
    context = context_of(request)
    context.inventory.refresh()
    return redirect(context, "/")
