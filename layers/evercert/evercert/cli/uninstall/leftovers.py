"""Find what remains in the account after `sam delete`: retained resources, deliveries, credentials, CA keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from evercert.aws.authority.key_creation import CAKeyMaking
from evercert.aws.clients import code, translated
from evercert.aws.tags import STACK_TAG, Owner
from evercert.documents.secret_reference import SECRETS
from evercert.errors import Misconfigured

if TYPE_CHECKING:
    from evercert.cli.connection import DescribedStack

# Types of which the template retains every resource; of the two queues it retains this one.
RETAINED_TYPES = ("AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::SNS::Topic", "AWS::S3::Bucket")
RETAINED_QUEUE = "DeadLetters"
TABLES = {"CertificatesTable", "IssuersTable"}  # of every evercert stack; another stack's resources are not listed


@dataclass(frozen=True)
class Leftover:
    """Resource that `sam delete` leaves behind: its type, the id that its commands take, and its region."""

    type: str
    id: str
    region: str
    name: str = ""
    protected: bool = False  # of a table: deletion protection is on


def of_template(stack: DescribedStack) -> list[Leftover]:
    """Return the retained resources of the stack; a deleted stack, named by its id, still lists them for 90 days."""
    found, names, home = [], set(), _home(stack)
    with translated(f"list the resources of stack {stack.name}"):
        pages = stack.clients.cloudformation.get_paginator("list_stack_resources")
        for page in pages.paginate(StackName=stack.id):
            for resource in page["StackResourceSummaries"]:
                kind, logical = resource["ResourceType"], resource["LogicalResourceId"]
                names.add(logical)
                physical = resource.get("PhysicalResourceId")
                if not physical or resource.get("ResourceStatus") == "DELETE_COMPLETE":
                    continue
                if kind == "AWS::DynamoDB::Table":
                    if (table := _table(stack, physical)) is not None:
                        found.append(Leftover(kind, physical, home, logical, _is_protected(table)))
                elif kind in RETAINED_TYPES or logical == RETAINED_QUEUE:
                    found.append(Leftover(kind, physical, home, logical))
    if not names >= TABLES:
        raise Misconfigured(
            f"stack {stack.name} has no {' and '.join(sorted(TABLES))}: it is not an evercert stack, or its creation "
            "failed before any resource that the plan could list"
        )
    return found


def deliveries(stack: DescribedStack) -> list[Leftover]:
    """Return secrets, ACM certificates and parameters with the tag of the stack, in every region of its deliveries."""
    found: list[Leftover] = []
    for region in _regions(stack):
        found += [secret for secret in _secrets(stack, region) if not secret.id.startswith(SECRETS)]
        found += _certificates(stack, region)
        found += _parameters(stack, region)
    return found


def credentials(stack: DescribedStack) -> list[Leftover]:
    """Return the secrets that hold credentials of issuers and carry the tag of the stack."""
    return [secret for secret in _secrets(stack, _home(stack)) if secret.id.startswith(SECRETS)]


def ca_keys(stack: DescribedStack) -> list[Leftover]:
    """Return the keys of all CAs, which `authority init` created outside of the stack; found by their tags."""
    clients = stack.clients
    keys = CAKeyMaking(clients.kms, clients.client("kms", once=True), stack.name)
    return [Leftover("AWS::KMS::Key", arn, _home(stack), name) for arn, name in keys.of_stack()]


def _table(stack: DescribedStack, name: str) -> Mapping[str, object] | None:
    """Return the description of a table, or None if it was deleted."""
    with translated(f"look at table {name}"):
        try:
            return stack.clients.dynamodb.describe_table(TableName=name)["Table"]
        except ClientError as error:
            if code(error) == "ResourceNotFoundException":
                return None
            raise


def _is_protected(table: Mapping[str, object]) -> bool:
    return bool(table.get("DeletionProtectionEnabled"))


def _home(stack: DescribedStack) -> str:
    return str(stack.clients.cloudformation.meta.region_name)


def _regions(stack: DescribedStack) -> list[str]:
    more = stack.parameters.get("DestinationRegions", "").split(",")
    return list(dict.fromkeys([_home(stack), *filter(None, (region.strip() for region in more))]))


def _secrets(stack: DescribedStack, region: str) -> Iterator[Leftover]:
    client = stack.clients.client_in(region, "secretsmanager")
    with translated(f"list the secrets in {region}"):
        pages = client.get_paginator("list_secrets").paginate(Filters=[{"Key": "tag-key", "Values": [STACK_TAG]}])
        for page in pages:
            for secret in page["SecretList"]:
                if _is_ours(stack, region, secret.get("Tags", [])):
                    yield Leftover("AWS::SecretsManager::Secret", secret["Name"], region)


def _certificates(stack: DescribedStack, region: str) -> Iterator[Leftover]:
    client = stack.clients.client_in(region, "acm")
    with translated(f"list the ACM certificates in {region}"):
        # Without this filter ACM lists RSA 2048 only.
        keys = ["RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1"]
        for page in client.get_paginator("list_certificates").paginate(Includes={"keyTypes": keys}):
            for found in page["CertificateSummaryList"]:
                arn = found["CertificateArn"]
                if found.get("Type", "IMPORTED") != "IMPORTED":
                    continue
                if _is_ours(stack, region, client.list_tags_for_certificate(CertificateArn=arn).get("Tags", [])):
                    yield Leftover("AWS::CertificateManager::Certificate", arn, region, found.get("DomainName", ""))


def _parameters(stack: DescribedStack, region: str) -> Iterator[Leftover]:
    client = stack.clients.client_in(region, "ssm")
    tagged: Any = [{"Key": f"tag:{STACK_TAG}", "Option": "Equals", "Values": [str(Owner.of(stack.id))]}]
    with translated(f"list the parameters in {region}"):
        for page in client.get_paginator("describe_parameters").paginate(ParameterFilters=tagged):
            for found in page["Parameters"]:
                yield Leftover("AWS::SSM::Parameter", found["Name"], region)


def _is_ours(stack: DescribedStack, region: str, tags: Iterable[dict[str, str]]) -> bool:
    """Return whether the tag names this stack; the bare name counts only in its region, because stacks share names."""
    accepted = {"ours", "old-tag"} if region == _home(stack) else {"ours"}
    values = [tag.get("Value") for tag in tags if tag["Key"] == STACK_TAG]
    return any(Owner.of(stack.id).compare(value) in accepted for value in values)
