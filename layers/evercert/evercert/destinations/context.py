"""Resources that destinations receive: the stack, and AWS clients for other accounts and regions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evercert.aws import regions
from evercert.aws.assumed_role import credentials_of, fetch_credentials_first
from evercert.aws.credential_reader import Credentials
from evercert.aws.tags import Owner
from evercert.destinations import DESTINATIONS

if TYPE_CHECKING:
    from evercert.aws.clients import Clients
    from evercert.contracts.destination import Destination
    from evercert.registry import Component, Registry


@dataclass(frozen=True)
class DestinationContext:
    """Stack and AWS clients; clients for other accounts and regions are created on first use."""

    stack_id: str  # its ARN, which is the external id for roles in other accounts
    clients: Clients
    import_quota: int = 5_000
    _elsewhere: dict[tuple[str | None, str], Clients] = field(default_factory=dict)

    @property
    def owner(self) -> Owner:
        """Return the owner of what the destinations create."""
        return Owner.of(self.stack_id)

    @property
    def partition(self) -> str:
        """Return the AWS partition, which roles cannot leave."""
        return self.stack_id.split(":")[1]

    @property
    def credentials(self) -> Credentials:
        """Return the reader of passphrases, which are in the stack's own account and region."""
        return Credentials(self.clients)

    def clients_of(self, role: str | None, region: str | None) -> Clients:
        """Return the clients without a request; if the role cannot be assumed, their calls raise Misconfigured."""
        where = role, region or self.owner.region
        if where == (None, self.owner.region):
            return self.clients
        if where not in self._elsewhere:
            self._elsewhere[where] = self._open(role, where[1])
        return self._elsewhere[where]

    def place(self, role: str | None, region: str | None) -> str:
        """Return account and region, for messages and for the state of a service."""
        return f"{self.account(role)} {region or self.owner.region}"

    def account(self, role: str | None) -> str:
        """Return the account of the role, by default that of the stack."""
        return self.owner.account if role is None else role.split(":")[4]

    def _open(self, role: str | None, region: str) -> Clients:
        listed = "parameter DestinationRoles must list it"
        refresh = None if role is None else credentials_of(self.clients, role, self.stack_id, listed)
        there = self.clients.elsewhere(region, refresh)
        if region != self.owner.region:
            regions.name_disabled(there.session.events, region)
        if role is None:
            return there
        fetch_credentials_first(there)
        return there


@dataclass(frozen=True)
class RegisteredDestinations:
    """Opens destinations by type."""

    context: DestinationContext
    register: Registry = DESTINATIONS

    def open(self, component: Component, certificate: str) -> Destination:
        """Return the destination; raise Misconfigured for an unknown type or invalid settings."""
        settings = self.register.settings(component, certificate=certificate)
        return self.register.load(component.type)(settings, certificate, self.context)  # type: ignore[no-any-return]
