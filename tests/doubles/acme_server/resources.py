"""URLs of the server: deliberately unusual ones, known only by exact comparison."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.doubles.acme_server.messages import Call, Signer
from tests.doubles.infisical.http_server import Answer


@dataclass(frozen=True)
class Resource:
    """One URL: the kind of its resource, what answers, and which key signs."""

    kind: str
    handler: Callable[[Call], Answer]
    signer: Signer = "kid"


class Resources:
    """All URLs of a server; a client that normalizes or encodes one again does not find its resource."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._known: dict[str, Resource] = {}
        self._count = 0

    def add(self, kind: str, target: str, handler: Callable[[Call], Answer], signer: Signer = "kid") -> str:
        """Serve a resource at a target, in which `{}` becomes a number; return its URL."""
        self._count += 1
        target = target.format(self._count)
        self._known[target] = Resource(kind, handler, signer)
        return f"{self.address}{target}"

    def remove(self, url: str) -> None:
        """Forget a resource."""
        self._known.pop(url.removeprefix(self.address), None)

    def find(self, target: str) -> Resource | None:
        """Return the resource of exactly this target, or None."""
        return self._known.get(target)
