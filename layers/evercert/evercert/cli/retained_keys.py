"""Keys that another stack created and this stack uses: restored seal keys, and the keys of the authority's CAs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from evercert.aws.authority.key_creation import CAKeyMaking
from evercert.aws.authority.key_policies import Policy
from evercert.aws.clients import code, translated
from evercert.aws.seal_policies import seal_policy
from evercert.cli.authority.ceremony import has_earlier_policy, policy_of
from evercert.cli.authority.connection import from_connection
from evercert.errors import Misconfigured

if TYPE_CHECKING:
    from evercert.cli.connection import Connection

SEAL_KEYS = {"RestoredSealKey": ("IssuerRole",), "RestoredAuthoritySealKey": ("AuthorityRole", "RenewalRole")}
_ROLE = re.compile(r'"arn:[a-z0-9-]+:iam::[0-9]{12}:role/(?:[^"]*/)?([^"/]+)"')


@dataclass(frozen=True)
class RetainedKey:
    """A key, and the policies with which this stack may use it; `rewrite` sets the first one."""

    name: str
    arn: str
    policy: Policy
    is_earlier: bool = False  # has the policy of an earlier release for the roles of this stack


def seal_keys(connection: Connection) -> list[RetainedKey]:
    """Return the restored seal keys that the stack's parameters name."""
    return [
        RetainedKey(parameter, arn, seal_policy([connection.output(role) for role in roles], connection.data_name))
        for parameter, roles in SEAL_KEYS.items()
        if (arn := connection.parameters.get(parameter)) and connection.outputs.keys() >= set(roles)
    ]


def retained(connection: Connection) -> list[RetainedKey]:
    """Return the restored seal keys and the keys of the CAs in the stack's configuration."""
    found = seal_keys(connection)
    if "AuthorityConfiguration" not in connection.outputs:
        return found
    authority = from_connection(connection)
    keys, roles = authority.key_creation, authority.roles
    return found + [
        RetainedKey(f"key of CA {ca.name}", ca.key, policy_of(roles, ca), has_earlier_policy(keys, roles, ca))
        for ca in authority.configuration.cas()
        if ca.key
    ]


def with_another_policy(connection: Connection, keys: Iterable[RetainedKey]) -> list[RetainedKey]:
    """Return the keys that the roles of this stack may not use yet."""
    policies = key_policies(connection)
    return [key for key in keys if not key.is_earlier and not policies.has_policy(key.arn, key.policy)]


def require_deleted_roles(connection: Connection, keys: Iterable[RetainedKey]) -> None:
    """Raise Misconfigured if a policy names an existing role of another stack: that stack still uses the key."""
    policies, own = key_policies(connection), _own_roles(connection)
    for key in keys:
        for role in sorted({*_ROLE.findall(policies.policy_text(key.arn))} - own):
            if _exists(connection, role):
                raise Misconfigured(
                    f"cannot take over {key.name} ({key.arn}): role {role}, which its policy names, still exists; "
                    "delete the stack of this role first, or remove the role from the policy"
                )


def rewrite(connection: Connection, key: RetainedKey) -> None:
    """Set the policy of the key; idempotent."""
    key_policies(connection).put_policy(key.arn, key.policy)


def key_policies(connection: Connection) -> CAKeyMaking:
    """Return the reader and writer of key policies."""
    clients = connection.clients
    return CAKeyMaking(clients.kms, clients.client("kms", once=True), connection.data_name)


def _own_roles(connection: Connection) -> set[str]:
    roles = ("SignerRole", "AuthorityRole", "RenewalRole", "CheckerRole", "IssuerRole")
    return {connection.outputs[role].rpartition("/")[2] for role in roles if role in connection.outputs}


def _exists(connection: Connection, role: str) -> bool:
    with translated(f"look for role {role}"):
        try:
            connection.clients.client("iam").get_role(RoleName=role)
        except ClientError as error:
            if code(error) == "NoSuchEntity":
                return False
            raise
    return True
