"""Page of the checks of `doctor`: each is loaded for itself, because all together take seconds."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from evercert.console.context import context_of
from evercert.console.rendering import page


def show(request: Request) -> Response:
    """Return the page with the names of the checks, whose results it loads."""
    return page(request, "doctor.html", {"names": context_of(request).services.doctor.names()})


def check(request: Request) -> Response:
    """Return the rows of one check."""
    name = request.query_params.get("name", "")
    return page(request, "check.html", {"checks": context_of(request).services.doctor.run(name)})
