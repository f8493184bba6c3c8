"""API Gateway's choice of a route (HTTP APIs), with the routes of the template.

Full matches come before greedy ones (`{proxy+}`), longer greedy prefixes before shorter ones, methods before ANY, and
`$default` is last (API Gateway developer guide: "Create routes for HTTP APIs").
"""

from __future__ import annotations

import re
from functools import cache

from tests.tools.template import of


def function_of(method: str, path: str) -> str:
    """Return the logical id of the function that answers the call."""
    matches = [route for route in _routes() if route.matches(method, path)]
    return max(matches, key=lambda route: route.rank).function


class _Route:
    def __init__(self, key: str, function: str) -> None:
        self.function = function
        self.method, _, self.path = key.partition(" ")
        self.greedy = self.path.endswith("+}")
        pattern = "/".join(
            ".+" if part.endswith("+}") else "[^/]+" if part.startswith("{") else re.escape(part)
            for part in self.path.split("/")
        )
        self._pattern = re.compile(pattern)

    def matches(self, method: str, path: str) -> bool:
        if self.method == "$default":
            return True
        return self.method in {"ANY", method} and self._pattern.fullmatch(path) is not None

    @property
    def rank(self) -> tuple[int, int, int, int]:
        if self.method == "$default":
            return (0, 0, 0, 0)
        fixed = sum(not part.startswith("{") for part in self.path.split("/"))
        return (1 if self.greedy else 2, fixed, len(self.path.split("/")), self.method != "ANY")


@cache
def _routes() -> list[_Route]:
    integrations = {
        name: resource["Properties"]["IntegrationUri"]["GetAtt"].removesuffix(".Arn")
        for name, resource in of("AWS::ApiGatewayV2::Integration").items()
    }
    found = []
    for resource in of("AWS::ApiGatewayV2::Route").values():
        properties = resource["Properties"]
        if properties["ApiId"] == {"Ref": "AuthorityApi"}:
            target = re.sub(r"integrations/\$\{(\w+)\}", r"\1", properties["Target"]["Sub"])
            found.append(_Route(properties["RouteKey"], integrations[target]))
    return found
