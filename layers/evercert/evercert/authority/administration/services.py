"""Services of the management API, built from their ports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from evercert.authority.administration.applications import Applications
from evercert.authority.administration.changes import Changes
from evercert.authority.administration.client_secrets import ClientSecrets
from evercert.authority.administration.identities import Identities
from evercert.authority.administration.identity_logins import IdentityLogins
from evercert.authority.administration.policies import Policies
from evercert.authority.administration.profiles import Profiles
from evercert.authority.contracts.management import ManagedConfiguration
from evercert.authority.contracts.ports import Configuration, Tokens
from evercert.authority.logins.access_tokens import AccessTokens


@dataclass(frozen=True)
class AdministrationPorts:
    """Dependencies of the services; `open` returns the configuration for one attempt of a change."""

    configuration: Configuration
    open: Callable[[], ManagedConfiguration]
    tokens: Tokens
    clock: Callable[[], datetime]
    stack: str
    address: str


class AdministrationServices:
    """Services that the routes call."""

    def __init__(self, ports: AdministrationPorts) -> None:
        changes = Changes(ports.open, ports.clock)
        self.access_tokens = AccessTokens(ports.tokens, ports.configuration, ports.clock)
        self.policies = Policies(changes, ports.stack)
        self.profiles = Profiles(changes, ports.stack, ports.address)
        self.applications = Applications(changes, ports.stack, ports.address)
        self.identities = Identities(changes, ports.stack)
        self.logins = IdentityLogins(changes, ports.address)
        self.client_secrets = ClientSecrets(changes)
