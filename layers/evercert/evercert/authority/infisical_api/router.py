"""Selection of the route of a call by its method and path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar

from evercert.authority.infisical_api.endpoint import Route

S = TypeVar("S")


class Router(Generic[S]):
    """The routes of one function; each `{name}` of a template stands for one non-empty segment of the path.

    The stage of the API must be `$default`: the name of another one would be part of the path.
    """

    def __init__(self, routes: Iterable[Route[S]]) -> None:
        self._routes: dict[tuple[str, int], list[tuple[list[str], Route[S]]]] = {}
        for route in sorted(routes, key=lambda one: "{" in one.template):  # a fixed path precedes a placeholder
            segments = route.template.split("/")
            for method in route.methods:
                self._routes.setdefault((method, len(segments)), []).append((segments, route))

    def find(self, event: Mapping[str, Any]) -> tuple[Route[S] | None, dict[str, str]]:
        """Return the route of an event of API Gateway (payload 2.0) with the values of its names; None if unknown."""
        method = str(event.get("requestContext", {}).get("http", {}).get("method"))
        given = str(event.get("rawPath")).split("/")
        for segments, route in self._routes.get((method, len(given)), ()):
            pairs = list(zip(segments, given, strict=True))
            if all(value if segment.startswith("{") else segment == value for segment, value in pairs):
                return route, {segment[1:-1]: value for segment, value in pairs if segment.startswith("{")}
        return None, {}
