"""The contract of a destination: where bundles go, and what is particular about some of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from evercert.contracts.record import Delivery
from evercert.documents.spec import Component, Spec
from evercert.pki.certificate import Bundle


@dataclass(frozen=True)
class Delivered:
    """Where the bundle is now."""

    location: str
    version: str


@dataclass(frozen=True)
class Drift:
    """A destination does not hold what was delivered: `problem` says what it holds, `repaired` what was done about it.

    `gone`: even the place is no more, and the next delivery is a first one.
    """

    problem: str
    repaired: str | None = None
    gone: bool = False


class Destination(Protocol):
    """Where bundles go. Raises Rejected, Unavailable or Misconfigured."""

    @property
    def service(self) -> str:
        """What fails together: a service, in an account and a region."""

    def check(self, spec: Spec) -> None:
        """Asks nobody; raises Rejected when it could never take what this spec asks for."""

    def deliver(self, bundle: Bundle, here: Delivery) -> Delivered:
        """Stores the bundle whole, at `here` if there is something; repeating it with the same one changes nothing."""

    def examine(self, here: Delivery) -> Drift | None:
        """Whether it still holds what it took; mends what needs no new certificate."""


@runtime_checkable
class Preflight(Protocol):
    """A destination with rules about what may replace what it holds."""

    def preflight(self, spec: Spec, here: Delivery) -> None:
        """Asks the destination before anything is issued; raises Rejected with the rule."""


@runtime_checkable
class Inspectable(Protocol):
    """A destination that can be looked at without changing anything, for an operator who asks."""

    def inspect(self, here: Delivery) -> None:
        """Raises Misconfigured or Unavailable when it could not deliver now."""


@runtime_checkable
class Creator(Protocol):
    """A destination whose first delivery makes a new thing every time it is tried."""

    creates: bool  # False: the operator named the place, and it is there already

    def find(self, since: datetime) -> str | None:
        """The location of what a try that began then made and could not write down."""


@runtime_checkable
class Paced(Protocol):
    """A destination that takes so many writes a second, and so many a year."""

    quota: int


class Destinations(Protocol):
    """The kinds of destination there are."""

    def open(self, component: Component, certificate: str) -> Destination:
        """Raises Misconfigured when there is no such kind, or its settings are wrong."""
