"""What destinations are given: the stack's name and AWS clients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evercert.destinations import DESTINATIONS

if TYPE_CHECKING:
    from evercert.aws.clients import Clients
    from evercert.ports import Destination
    from evercert.register import Register
    from evercert.spec import Component


@dataclass(frozen=True)
class Surroundings:
    """The world around one stack."""

    stack: str
    clients: Clients


@dataclass(frozen=True)
class RegisteredDestinations:
    """Opens destinations by their type."""

    surroundings: Surroundings
    register: Register = DESTINATIONS

    def open(self, component: Component, certificate: str) -> Destination:
        """Raises Misconfigured for an unknown type or wrong settings."""
        settings = self.register.settings(component, certificate=certificate)
        return self.register.load(component.type)(settings, certificate, self.surroundings)  # type: ignore[no-any-return]
