"""Connect to the authority of a deployed stack."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from evercert.aws.authority.audit_trail import AuditTrail
from evercert.aws.authority.certificates import DynamoDBCertificates
from evercert.aws.authority.configuration_writer import ConfigurationWriter
from evercert.aws.authority.inventory_index import InventoryIndex
from evercert.aws.authority.issuance_trail_reader import IssuanceTrailReader
from evercert.aws.authority.key_creation import CAKeyMaking
from evercert.aws.authority.key_policies import Roles
from evercert.aws.authority.kms_keys import KMSKeys
from evercert.cli import terminal
from evercert.errors import Misconfigured

if TYPE_CHECKING:
    from evercert.authority.acme.requesters import AccountRequesters
    from evercert.aws.clients import Clients
    from evercert.cli.connection import Connection


@dataclass(frozen=True)
class AuthorityConnection:
    """The authority of one deployed stack, accessed with the operator's own IAM permissions."""

    connection: Connection
    configuration: ConfigurationWriter

    @property
    def stack(self) -> str:
        """Return the name in the ids of profiles and applications, and in the tags of CA keys."""
        return self.connection.data_name

    @property
    def clients(self) -> Clients:
        """Return the AWS clients that use the operator's credentials."""
        return self.connection.clients

    @property
    def address(self) -> str:
        """Return the address of the authority's API."""
        return self.connection.output("AuthorityAddress")

    @property
    def published_address(self) -> str:
        """Return the address of CRLs and CA certificates; stacks of older templates have one address for everything."""
        return self.connection.outputs.get("AuthorityPublishedAddress") or self.address

    @cached_property
    def keys(self) -> KMSKeys:
        """Return the KMS keys that sign in a ceremony."""
        return KMSKeys(self.clients.kms)

    @cached_property
    def key_creation(self) -> CAKeyMaking:
        """Return the factory of CA keys."""
        return CAKeyMaking(self.clients.kms, self.clients.client("kms", once=True), self.stack)

    @cached_property
    def certificates(self) -> DynamoDBCertificates:
        """Return the front's table of requests, certificates and CRLs; stacks of older templates have no trail."""
        trail = self.connection.outputs.get("AuthorityAudit", "")
        return DynamoDBCertificates(self.clients.dynamodb, self.connection.output("AuthorityTable"), trail)

    @cached_property
    def acme_requesters(self) -> AccountRequesters:
        """Return the ACME accounts that requests come from."""
        from evercert.aws.authority.acme_server import requesters  # noqa: PLC0415 (for approvals only)

        return requesters(self.clients, self.connection.output("AuthorityTable"), self.configuration)

    @cached_property
    def audit_trail(self) -> AuditTrail:
        """Return the changes that were made through the API; raise Misconfigured if the stack is too old."""
        return AuditTrail(self.clients.dynamodb, self.connection.output("AuthorityAudit"))

    @cached_property
    def issuance_trail(self) -> IssuanceTrailReader:
        """Return requests for certificates and their answers; raise Misconfigured if the stack is too old."""
        return IssuanceTrailReader(self.clients.dynamodb, self.connection.output("AuthorityAudit"))

    @property
    def inventory_index(self) -> InventoryIndex:
        """Return the writer of the inventory."""
        return InventoryIndex(self.clients.dynamodb, self.connection.output("AuthorityTable"))

    @property
    def roles(self) -> Roles:
        """Return the roles of the stack's functions."""
        others = ("AuthorityRole", "CheckerRole", "IssuerRole")
        return Roles(self.connection.output("SignerRole"), tuple(self.connection.output(role) for role in others))


def open_authority(stack: str, region: str | None) -> AuthorityConnection:
    """Connect to the stack's authority; raise Misconfigured if the stack has none."""
    connection = terminal.connect(stack, region)
    if "AuthorityConfiguration" not in connection.outputs:
        raise Misconfigured(
            f"stack {stack} has no authority: deploy it with the parameter Authority=yes (docs/how-to/authority.md)"
        )
    return from_connection(connection)


def from_connection(connection: Connection) -> AuthorityConnection:
    """Return the authority of a connected stack, which must have one."""
    configuration = connection.output("AuthorityConfiguration")
    return AuthorityConnection(connection, ConfigurationWriter(connection.clients.dynamodb, configuration))
