"""From a stack's name to its authority."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from evercert.aws.authority.certificates import DynamoDBCertificates
from evercert.aws.authority.configuration_writer import AuthorityEstate
from evercert.aws.authority.key_creation import CAKeyMaking
from evercert.aws.authority.key_policies import Roles
from evercert.aws.authority.kms_keys import KMSKeys
from evercert.cli import terminal
from evercert.errors import Misconfigured

if TYPE_CHECKING:
    from evercert.aws.clients import Clients
    from evercert.cli.connection import Connection


@dataclass(frozen=True)
class Opened:
    """The authority of one deployed stack, with the operator's own rights."""

    connection: Connection
    estate: AuthorityEstate

    @property
    def stack(self) -> str:
        """Its name."""
        return self.connection.name

    @property
    def clients(self) -> Clients:
        """Of the operator."""
        return self.connection.clients

    @property
    def address(self) -> str:
        """What clients ask it at."""
        return self.connection.output("AuthorityAddress")

    @cached_property
    def keys(self) -> KMSKeys:
        """What signs in a ceremony."""
        return KMSKeys(self.clients.kms)

    @cached_property
    def key_making(self) -> CAKeyMaking:
        """Where keys come from."""
        return CAKeyMaking(self.clients.kms, self.stack)

    @cached_property
    def certificates(self) -> DynamoDBCertificates:
        """What the front keeps."""
        return DynamoDBCertificates(self.clients.dynamodb, self.connection.output("AuthorityTable"))

    @property
    def roles(self) -> Roles:
        """Of the stack's functions."""
        others = ("AuthorityRole", "CheckerRole", "IssuerRole")
        return Roles(self.connection.output("SignerRole"), tuple(self.connection.output(role) for role in others))


def opened(stack: str, region: str | None) -> Opened:
    """Raises Misconfigured with what to run."""
    connection = terminal.connect(stack, region)
    if "AuthorityConfiguration" not in connection.outputs:
        raise Misconfigured(
            f"stack {stack} has no authority: deploy it with the parameter Authority=yes (docs/how-to/authority.md)"
        )
    return of_connection(connection)


def of_connection(connection: Connection) -> Opened:
    """Of a stack that has one."""
    return Opened(connection, AuthorityEstate(connection.clients.dynamodb, connection.output("AuthorityConfiguration")))
