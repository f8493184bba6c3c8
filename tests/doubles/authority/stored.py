"""Requests and certificates in new tables of the emulator."""

from __future__ import annotations

from evercert.aws.authority.certificates import DynamoDBCertificates
from tests.doubles.world import World


def stored_certificates(world: World, table: str | None = None) -> DynamoDBCertificates:
    """Return the store in this state table or a new one, with an issuance trail in a new table."""
    state = table or world.authority_table("AuthorityTable")
    return DynamoDBCertificates(world.operator.dynamodb, state, world.authority_table("AuthorityAuditTable"))
