"""Context of one run: the services, the session and the inventory, which every page needs."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from evercert.console.inventory import Inventory
from evercert.console.services import Services
from evercert.console.session import Session


@dataclass(frozen=True)
class Context:
    """Context of one run of the console."""

    services: Services
    session: Session
    inventory: Inventory


def context_of(request: Request) -> Context:
    """Return the context of the application that answers the request."""
    found: Context = request.app.state.context
    return found
