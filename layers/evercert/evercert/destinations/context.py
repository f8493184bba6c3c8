"""Resources that destinations receive: the stack, and AWS clients for other accounts and regions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evercert.aws import regions
from evercert.aws.clients import translated
from evercert.aws.tags import Owner
from evercert.destinations import DESTINATIONS

if TYPE_CHECKING:
    from evercert.aws.clients import Clients
    from evercert.contracts.destination import Destination
    from evercert.registry import Component, Registry

MAX_SESSION_NAME = 64


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
        return f"{self.owner.account if role is None else role.split(':')[4]} {region or self.owner.region}"

    def _open(self, role: str | None, region: str) -> Clients:
        there = self.clients.elsewhere(region, None if role is None else lambda: self._credentials(role))
        if region != self.owner.region:
            regions.name_disabled(there.session.events, region)
        if role is None:
            return there
        # botocore fetches credentials while it signs, after the deadline check; fetch them before that check.
        there.session.events.register_first("before-call", lambda **_: _have_credentials(there))
        return there

    def _credentials(self, role: str) -> dict[str, str]:
        fix = (
            "parameter DestinationRoles must list it, and it must trust the issuer function's role with the stack's id"
        )
        with translated(f"assume role {role} ({fix} as external id)"):
            found = self.clients.sts.assume_role(
                RoleArn=role,
                RoleSessionName=f"evercert-{self.owner.stack}"[:MAX_SESSION_NAME],
                ExternalId=self.stack_id,
                DurationSeconds=3_600,
            )["Credentials"]
        return {
            "access_key": found["AccessKeyId"],
            "secret_key": found["SecretAccessKey"],
            "token": found["SessionToken"],
            "expiry_time": found["Expiration"].isoformat(),
        }


def _have_credentials(clients: Clients) -> None:
    credentials = clients.session.get_credentials()
    if credentials is not None:
        credentials.get_frozen_credentials()


@dataclass(frozen=True)
class RegisteredDestinations:
    """Opens destinations by type."""

    context: DestinationContext
    register: Registry = DESTINATIONS

    def open(self, component: Component, certificate: str) -> Destination:
        """Return the destination; raise Misconfigured for an unknown type or invalid settings."""
        settings = self.register.settings(component, certificate=certificate)
        return self.register.load(component.type)(settings, certificate, self.context)  # type: ignore[no-any-return]
