"""Overview page: numbers by state, ends of certificates, what needs attention, and recent events."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from evercert.console.context import context_of
from evercert.console.rendering import page, redirect
from evercert.operations import pause_notes
from evercert.operations.overview import overview
from evercert.operations.row_note import note

RECENT = 8  # events
HIGHEST, LOWEST = 110, 3  # of a bar, in units of the picture


def show(request: Request) -> Response:
    """Return the page."""
    context = context_of(request)
    snapshot, feed = context.inventory.snapshot(), context.services.events
    now = context.services.clock()
    found = overview((entry.row for entry in snapshot.entries.values()), now)
    highest = max((day.ends for day in found.days), default=0)
    values = {
        "snapshot": snapshot,
        "overview": found,
        "bar": lambda count: bar_height(count, highest),
        "note": lambda row: note(row, now),
        "pauses": pause_notes.describe(snapshot.pauses),
        "recent": [event for _, event in feed.since(0)[-RECENT:]][::-1] if feed is not None else [],
    }
    return page(request, "home.html", values)


def bar_height(count: int, highest: int) -> int:
    """Return the height of a bar of the timeline: visible if it counts anything."""
    return max(HIGHEST * count // max(highest, 1), LOWEST) if count else 0


def refresh(request: Request) -> Response:
    """Read the table now."""
    context = context_of(request)
    context.inventory.refresh()
    return redirect(context, "/")
