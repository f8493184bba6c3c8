"""Problem documents (RFC 7807) of ACME, with one subproblem for each refused identifier (RFC 8555 §6.7)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from evercert import json_parser
from evercert.schema import printable

URN = "urn:ietf:params:acme:error:"
MEDIA_TYPE = "application/problem+json"
MOST_SUBPROBLEMS = 100
LONGEST_DETAIL = 300


@dataclass(frozen=True)
class Problem:
    """A refusal in the CA's own words, made printable; `kind` is the type without its URN, such as `badNonce`."""

    kind: str
    detail: str = ""
    status: int = 0
    identifier: str | None = None  # of a subproblem
    subproblems: tuple[Problem, ...] = ()
    instance: str | None = None
    algorithms: tuple[str, ...] = ()  # that the server accepts, with badSignatureAlgorithm

    @classmethod
    def of(cls, body: Any, status: int = 0) -> Self | None:  # noqa: ANN401 (parsed JSON)
        """Return the problem, or None if the JSON is not a problem document; unknown types and members are accepted."""
        if not isinstance(body, dict) or not (isinstance(body.get("type"), str) or isinstance(body.get("detail"), str)):
            return None
        found = cls._of(body, status)
        inner = body.get("subproblems")
        subproblems = [cls._of(entry, 0) for entry in _objects(inner)]
        return cls(**{**vars(found), "subproblems": tuple(subproblems)})

    @classmethod
    def parse(cls, text: bytes, status: int) -> Self | None:
        """Return the problem of a response's body, or None: a proxy may answer with HTML."""
        try:
            return cls.of(json_parser.parse(text), status)
        except ValueError:
            return None

    @classmethod
    def _of(cls, body: dict[str, Any], status: int) -> Self:
        kind = body.get("type")
        instance = body.get("instance")
        return cls(
            kind=printable(_text(kind).removeprefix(URN), 60) or "about:blank",
            detail=printable(_text(body.get("detail")), LONGEST_DETAIL),
            status=status,
            identifier=_identifier(body.get("identifier")),
            instance=printable(instance, LONGEST_DETAIL) if isinstance(instance, str) else None,
            algorithms=tuple(_texts(body.get("algorithms"))),
        )

    @property
    def kinds(self) -> frozenset[str]:
        """The types of the problem and its subproblems."""
        return frozenset({self.kind, *(inner.kind for inner in self.subproblems)})

    def __str__(self) -> str:
        text = f"{self.kind}: {self.detail}" if self.detail else self.kind
        if self.identifier is not None:
            text = f"{self.identifier}: {text}"
        if self.subproblems:
            text = f"{text} ({'; '.join(map(str, self.subproblems))})"
        return printable(text, 2_000)


def _objects(value: object) -> Iterable[dict[str, Any]]:
    entries = value[:MOST_SUBPROBLEMS] if isinstance(value, list) else []
    return [entry for entry in entries if isinstance(entry, dict)]


def _texts(value: object) -> Iterable[str]:
    entries = value[:MOST_SUBPROBLEMS] if isinstance(value, list) else []
    return [printable(entry, 20) for entry in entries if isinstance(entry, str)]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _identifier(value: object) -> str | None:
    name = value.get("value") if isinstance(value, dict) else None
    return printable(name, 260) if isinstance(name, str) else None
