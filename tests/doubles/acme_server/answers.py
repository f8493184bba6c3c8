"""Answers of the server: JSON, problem documents, and the HTML of a proxy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from evercert.acme.problem import MEDIA_TYPE, URN
from tests.doubles.infisical.http_server import Answer

HTML = b"<!doctype html><html><title>Bad gateway</title><p>the proxy's page</html>"


class Refusal(Exception):
    """A problem document instead of an answer."""

    def __init__(
        self, kind: str, detail: str, status: int = 400, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(detail)
        self.answer = problem(kind, detail, status, headers, **members)


def reply(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Return JSON."""
    return status, {"Content-Type": "application/json", **(headers or {})}, json.dumps(body).encode()


def problem(
    kind: str, detail: str, status: int = 400, headers: Mapping[str, str] | None = None, **members: Any
) -> Answer:
    """Return a problem document (§6.7)."""
    body = {"type": f"{URN}{kind}", "detail": detail, "status": status, **members}
    return status, {"Content-Type": MEDIA_TYPE, **(headers or {})}, json.dumps(body).encode()


def subproblem(name: str, kind: str, detail: str) -> dict[str, Any]:
    """Return the problem of one identifier (§6.7.1)."""
    return {"type": f"{URN}{kind}", "detail": detail, "identifier": {"type": "dns", "value": name}}


def page(status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Return the HTML page of a proxy in front of the server."""
    return status, {"Content-Type": "text/html", **(headers or {})}, HTML
