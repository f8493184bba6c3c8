"""The progress of an order, as text that is stored after each step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Self

from evercert import json_parser
from evercert.canonical_json import canonical_json, digest
from evercert.errors import Misconfigured
from evercert.registry import Component
from evercert.timestamps import from_text

_FLAGS = frozenset({"wildcard", "published", "ready", "answered"})
MOST_RESTARTS = 3  # orders that the CA loses or lets expire, for one revision


@dataclass(frozen=True)
class PresentedChallenge:
    """A challenge that a solver presents; it stays here until its answer is removed."""

    url: str  # of the challenge
    name: str
    wildcard: bool
    token: str
    expires: str
    solver: str  # type and settings as JSON: the issuer's definition may change meanwhile
    thumbprint: str = ""  # of the account key: a later key has another one
    details: str = "{}"  # further members of the challenge as JSON
    notes: str = ""
    published: bool = False
    ready: bool = False
    answered: bool = False

    @property
    def fields(self) -> dict[str, Any]:
        """The further members of the challenge."""
        return dict(json_parser.parse(self.details))

    @property
    def expires_at(self) -> datetime:
        """The time until which the CA may use it."""
        return from_text(self.expires)


@dataclass(frozen=True)
class Progress:
    """The progress of one order; `order` is its URL, or None before it is placed.

    `presented` has the presented challenges by a key of their authorization; `settled` are the keys of those
    that needed no challenge. `key` is the digest of the CSR's public key.
    `polls` counts the polls since the last step, `clean_ups` the attempts to remove answers.
    """

    order: str | None = None
    key: str = ""
    presented: Mapping[str, PresentedChallenge] = field(default_factory=dict)
    settled: tuple[str, ...] = ()
    polls: int = 0
    restarts: int = 0
    clean_ups: int = 0

    @classmethod
    def parse(cls, handle: str) -> Self:
        """Parse the text; raise Misconfigured if it is invalid (a manual edit)."""
        try:
            values = json_parser.parse(handle)
            presented = {str(key): PresentedChallenge(**entry) for key, entry in values.pop("presented").items()}
            found = cls(**{**values, "settled": tuple(map(str, values.get("settled", ())))}, presented=presented)
            _ = [
                (entry.expires_at, entry.fields, Component.model_validate_json(entry.solver))
                for entry in presented.values()
            ]
            canonical_json(asdict(found))
            if not found._has_valid_types or min(found.polls, found.restarts, found.clean_ups) < 0:
                raise TypeError  # noqa: TRY301
        except (ValueError, TypeError, KeyError, AttributeError):
            raise Misconfigured(
                "the stored progress of the ACME order does not parse; run: evercert renew NAME"
            ) from None
        return found

    @property
    def _has_valid_types(self) -> bool:
        values = [(name, value) for entry in self.presented.values() for name, value in vars(entry).items()]
        return (
            all(isinstance(value, bool if name in _FLAGS else str) for name, value in values)
            and all(isinstance(count, int) for count in (self.polls, self.restarts, self.clean_ups))
            and isinstance(self.order, str | None)
            and isinstance(self.key, str)
        )

    @property
    def text(self) -> str:
        """The stored form."""
        return canonical_json({name: value for name, value in asdict(self).items() if value is not None})

    def polled(self) -> Self:
        """Return the progress after one more poll without a change."""
        return replace(self, polls=self.polls + 1)

    def with_presented(self, changes: Mapping[str, PresentedChallenge], settled: tuple[str, ...] = ()) -> Self:
        """Return the progress with challenges added or replaced, and with authorizations that need none."""
        return replace(self, presented={**self.presented, **changes}, settled=(*self.settled, *settled), polls=0)

    def restarted(self) -> Self | None:
        """Return the progress before a new order, or None after too many of them."""
        if self.restarts >= MOST_RESTARTS:
            return None
        return replace(self, order=None, presented={}, settled=(), polls=0, restarts=self.restarts + 1)


def key_of(authorization: str) -> str:
    """Return the key of an authorization's URL."""
    return digest(authorization)[:12]


def solver_text(kind: str, settings: Mapping[str, Any]) -> str:
    """Return the stored form of a solver."""
    return canonical_json({"type": kind, **settings})
