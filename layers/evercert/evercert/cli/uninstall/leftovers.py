"""Find what remains in the account after `sam delete`: retained resources, deliveries, credentials, CA keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evercert.aws.clients import translated
from evercert.aws.tags import STACK_TAG, Owner
from evercert.cli.authority.connection import from_connection
from evercert.documents.secret_reference import SECRETS

if TYPE_CHECKING:
    from evercert.cli.connection import Connection

# Types of which the template retains every resource; of the two queues it retains this one.
RETAINED_TYPES = ("AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::SNS::Topic", "AWS::S3::Bucket")
RETAINED_QUEUE = "DeadLetters"


@dataclass(frozen=True)
class Leftover:
    """Resource that `sam delete` leaves behind: its type, the id that its commands take, and its region."""

    type: str
    id: str
    region: str
    name: str = ""
    protected: bool = False  # of a table: deletion protection is on


def of_template(connection: Connection) -> list[Leftover]:
    """Return the retained resources of the stack; a deleted stack, named by its id, still lists them for 90 days."""
    found, home = [], _home(connection)
    with translated(f"list the resources of stack {connection.name}"):
        pages = connection.clients.cloudformation.get_paginator("list_stack_resources")
        for page in pages.paginate(StackName=connection.id):
            for resource in page["StackResourceSummaries"]:
                kind, logical = resource["ResourceType"], resource["LogicalResourceId"]
                physical = resource.get("PhysicalResourceId")
                if physical and (kind in RETAINED_TYPES or logical == RETAINED_QUEUE):
                    found.append(Leftover(kind, physical, home, logical, _protected(connection, kind, physical)))
    return found


def deliveries(connection: Connection) -> list[Leftover]:
    """Return the secrets and ACM certificates with the tag of the stack, in every region of its deliveries."""
    found: list[Leftover] = []
    for region in _regions(connection):
        found += [secret for secret in _secrets(connection, region) if not secret.id.startswith(SECRETS)]
        found += _certificates(connection, region)
    return found


def credentials(connection: Connection) -> list[Leftover]:
    """Return the secrets that hold credentials of issuers and carry the tag of the stack."""
    return [secret for secret in _secrets(connection, _home(connection)) if secret.id.startswith(SECRETS)]


def ca_keys(connection: Connection) -> list[Leftover]:
    """Return the keys of all CAs, which `authority init` created outside of the stack."""
    if "AuthorityConfiguration" not in connection.outputs:
        return []
    cas = from_connection(connection).configuration.cas()
    return [Leftover("AWS::KMS::Key", ca.key, _home(connection), ca.name) for ca in cas if ca.key]


def _protected(connection: Connection, kind: str, name: str) -> bool:
    if kind != "AWS::DynamoDB::Table":
        return False
    with translated(f"look at table {name}"):
        table = connection.clients.dynamodb.describe_table(TableName=name)["Table"]
    return bool(table.get("DeletionProtectionEnabled"))


def _home(connection: Connection) -> str:
    return str(connection.clients.cloudformation.meta.region_name)


def _regions(connection: Connection) -> list[str]:
    more = connection.parameters.get("DestinationRegions", "").split(",")
    return list(dict.fromkeys([_home(connection), *filter(None, (region.strip() for region in more))]))


def _secrets(connection: Connection, region: str) -> Iterator[Leftover]:
    client = connection.clients.client_in(region, "secretsmanager")
    with translated(f"list the secrets in {region}"):
        pages = client.get_paginator("list_secrets").paginate(Filters=[{"Key": "tag-key", "Values": [STACK_TAG]}])
        for page in pages:
            for secret in page["SecretList"]:
                if _is_ours(connection, region, secret.get("Tags", [])):
                    yield Leftover("AWS::SecretsManager::Secret", secret["Name"], region)


def _certificates(connection: Connection, region: str) -> Iterator[Leftover]:
    client = connection.clients.client_in(region, "acm")
    with translated(f"list the ACM certificates in {region}"):
        # Without this filter ACM lists RSA 2048 only.
        keys = ["RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1"]
        for page in client.get_paginator("list_certificates").paginate(Includes={"keyTypes": keys}):
            for found in page["CertificateSummaryList"]:
                arn = found["CertificateArn"]
                if found.get("Type", "IMPORTED") != "IMPORTED":
                    continue
                if _is_ours(connection, region, client.list_tags_for_certificate(CertificateArn=arn).get("Tags", [])):
                    yield Leftover("AWS::CertificateManager::Certificate", arn, region, found.get("DomainName", ""))


def _is_ours(connection: Connection, region: str, tags: Iterable[dict[str, str]]) -> bool:
    """Return whether the tag names this stack; the bare name counts only in its region, because stacks share names."""
    accepted = {"ours", "old-tag"} if region == _home(connection) else {"ours"}
    values = [tag.get("Value") for tag in tags if tag["Key"] == STACK_TAG]
    return any(Owner.of(connection.id).compare(value) in accepted for value in values)
