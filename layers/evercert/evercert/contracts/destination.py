"""The protocols of a destination: the required one, and optional capabilities."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from evercert.contracts.record import Delivery
from evercert.documents.spec import Component, Spec
from evercert.pki.certificate import Bundle


@dataclass(frozen=True)
class Delivered:
    """The result of a delivery: the location of the bundle, and its version there."""

    location: str
    version: str


@dataclass(frozen=True)
class Drift:
    """A destination no longer holds the delivered bundle.

    `problem` describes what was found; `repaired` says how it was fixed, None if it was not. `gone`: the resource
    itself was deleted, so that the next delivery creates it.
    """

    problem: str
    repaired: str | None = None
    gone: bool = False


class Destination(Protocol):
    """Stores certificate bundles. Every method raises Rejected, Unavailable or Misconfigured."""

    @property
    def service(self) -> str:
        """Return the key of the service, account and region that fail together; breaker and rate limit use it."""

    def check(self, spec: Spec) -> None:
        """Raise Rejected if the destination can never accept this spec. Makes no calls."""

    def deliver(self, bundle: Bundle, here: Delivery) -> Delivered:
        """Store the bundle atomically, replacing the one at `here` if there is one; return its location and version.

        Idempotent: delivering the same bundle again changes nothing. Raises Gone if the resource at `here` was deleted.
        """

    def examine(self, here: Delivery) -> Drift | None:
        """Check that the destination still holds the delivered bundle; return the drift, or None.

        Repairs whatever needs no new certificate. Idempotent.
        """


@runtime_checkable
class Preflight(Protocol):
    """A destination that restricts which certificate may replace the current one."""

    def preflight(self, spec: Spec, here: Delivery) -> None:
        """Query the destination before issuance; raise Rejected with the violated rule. Changes nothing."""


@runtime_checkable
class Inspectable(Protocol):
    """A destination that an operator can test without changing it."""

    def inspect(self, here: Delivery) -> None:
        """Raise Misconfigured or Unavailable if a delivery would fail now. Changes nothing."""


@runtime_checkable
class Creator(Protocol):
    """A destination whose first delivery is not idempotent: every attempt creates a new resource.

    A first delivery is one call: if it raises Throttled, it has created nothing.
    """

    creates: bool  # False: the operator named an existing resource

    def find(self, since: datetime) -> str | None:
        """Return the location of a resource that an interrupted first delivery created since then, or None."""


@runtime_checkable
class Paced(Protocol):
    """A destination with a rate limit and a yearly quota for writes."""

    quota: int  # writes in 365 days


class Destinations(Protocol):
    """Opens destinations by type."""

    def open(self, component: Component, certificate: str) -> Destination:
        """Return the destination; raise Misconfigured if its type is unknown or a setting is invalid."""
