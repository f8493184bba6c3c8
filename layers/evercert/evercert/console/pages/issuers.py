"""Page of the issuers, with their pauses and the number of certificates of each."""

from __future__ import annotations

from collections import Counter
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from evercert.console.context import context_of
from evercert.console.rendering import page
from evercert.contracts.spec_store import PauseTarget
from evercert.errors import Misconfigured
from evercert.registry import Component, Registry


def show(request: Request) -> Response:
    """Return the page."""
    context = context_of(request)
    specs, now = context.services.specs, context.services.clock()
    snapshot = context.inventory.snapshot()
    used = Counter(name for entry in snapshot.entries.values() for name in entry.issuers)
    pauses = specs.pauses(now)
    rows = [
        {
            "name": name,
            "type": definition.type,
            "settings": _settings(context.services.issuers, definition),
            "certificates": used[name],
            "paused": PauseTarget(name) in pauses,
        }
        for name, definition in sorted(specs.issuers().items())
    ]
    return page(request, "issuers.html", {"rows": rows})


def _settings(issuers: Registry, definition: Component) -> list[tuple[str, str]]:
    """Return the settings as the document spells them; not those that do not validate, which may hold a secret."""
    try:
        issuers.settings(definition)
    except Misconfigured as error:
        return [("invalid", str(error))]
    return [(key, _shown(value)) for key, value in sorted(definition.settings.items())]


def _shown(value: Any) -> str:  # noqa: ANN401 (settings are JSON)
    if isinstance(value, dict):
        return ", ".join(f"{name}={_shown(part)}" for name, part in value.items())
    return ", ".join(map(_shown, value)) if isinstance(value, list) else str(value)
