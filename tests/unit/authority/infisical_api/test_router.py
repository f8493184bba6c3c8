"""Router: which route of a table answers a method and a path, and the values of its names."""

from __future__ import annotations

from typing import Any

import pytest

from evercert.authority.infisical_api.endpoint import Route
from evercert.authority.infisical_api.router import Router
from tests.doubles.authority.server import event_of


def route(method: Any, template: str, *, login: bool = True) -> Route[object]:
    return Route(method, template, lambda _services, _call: {}, "", login=login)


NAMED, FIXED = route("GET", "/items/{id}"), route("GET", "/items/latest")
PARTS = route("PUT", "/items/{id}/parts/{part}")
PUBLIC, ROOT = route("GET", "/public/{name}", login=False), route("POST", "/")
ROUTER = Router([NAMED, FIXED, PARTS, PUBLIC, ROOT])


def find(method: str, path: str) -> tuple[Route[object] | None, dict[str, str]]:
    return ROUTER.find(event_of(method, path, {}, b""))


@pytest.mark.parametrize(
    ("method", "path", "found", "values"),
    [
        ("GET", "/items/latest", FIXED, {}),
        ("GET", "/items/7", NAMED, {"id": "7"}),
        ("GET", "/items/{id}", NAMED, {"id": "{id}"}),
        ("GET", "/items/a b%22☃", NAMED, {"id": 'a b"☃'}),
        ("PUT", "/items/7/parts/8", PARTS, {"id": "7", "part": "8"}),
        ("HEAD", "/public/ca.crl", PUBLIC, {"name": "ca.crl"}),
        ("POST", "/", ROOT, {}),
    ],
)
def test_route_of_method_and_path(
    method: str, path: str, found: Route[object], values: dict[str, str]
) -> None:  # fmt: skip
    assert find(method, path) == (found, values)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/items/7"),
        ("HEAD", "/items/7"),
        ("get", "/items/7"),
        ("GET", "/items/"),
        ("GET", "/items"),
        ("GET", "items/7"),
        ("GET", "/items/7/"),
        ("GET", "/items//7"),
        ("GET", "//items/7"),
        ("GET", "/Items/7"),
        ("PUT", "/items/7/parts/"),
        ("PUT", "/items//parts/8"),
        ("PUT", "/items/7/%2F/8"),
    ],
)
def test_other_calls_have_no_route(method: str, path: str) -> None:
    assert find(method, path) == (None, {})


@pytest.mark.parametrize("event", [{}, {"rawPath": "/"}, {"requestContext": {"http": {"method": "POST"}}}])
def test_incomplete_event_has_no_route(event: dict[str, Any]) -> None:
    assert ROUTER.find(event) == (None, {})
