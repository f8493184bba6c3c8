"""Secrets, parameters and ACM certificates whose owner tag has one value, for `doctor` and for `adopt --from`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evercert.aws.clients import translated
from evercert.aws.tags import CERTIFICATE_TAG, STACK_TAG, tag_value
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Record
from evercert.documents.secret_reference import SECRETS
from evercert.errors import Misconfigured

if TYPE_CHECKING:
    from evercert.cli.connection import Connection

KINDS = ["secretsmanager:secret", "acm:certificate", "ssm:parameter"]
PAGES, PAGE = 1_000, 100
BATCH = 20  # the most ARNs in one TagResources
_ARN = re.compile("arn:([^:]*:){4}.")
Tagged = dict[str, dict[str, str]]  # tags by ARN


@dataclass(frozen=True)
class Plan:
    """Resources that `adopt --from` tags, and those that it leaves alone."""

    mine: dict[str, str]  # certificate by ARN, for resources to which this stack delivers
    left: list[str]  # ARNs with the tag to which this stack does not deliver
    elsewhere: list[str]  # ARNs of destinations in other accounts, whose tags cannot be read from here
    objects: int = 0  # destinations in S3, whose tags this API does not read


def tagged(connection: Connection, value: str) -> Tagged:
    """Return the resources with this owner tag in the stack's account and regions, without credentials."""
    found: Tagged = {}
    for region in connection.regions:
        more: dict[str, Any] = {}
        for _ in range(PAGES):
            with translated(f"list the resources with tag {STACK_TAG}={value} in {region}"):
                page = connection.clients.client_in(region, "resourcegroupstaggingapi").get_resources(
                    TagFilters=[{"Key": STACK_TAG, "Values": [value]}],
                    ResourceTypeFilters=KINDS,
                    ResourcesPerPage=PAGE,
                    **more,
                )
            found |= {resource["ResourceARN"]: _tags(resource) for resource in page["ResourceTagMappingList"]}
            if not page.get("PaginationToken"):
                break
            more = {"PaginationToken": page["PaginationToken"]}
        else:
            raise Misconfigured(f"more than {PAGES * PAGE} resources in {region} have the tag: too many to list")
    return {arn: tags for arn, tags in found.items() if f":secret:{SECRETS}" not in arn}


def plan(connection: Connection, found: Tagged, records: Iterable[Record | Unreadable]) -> Plan:
    """Compare tagged resources with the deliveries of the stack's certificates."""
    delivered = {
        delivery.location: record.name
        for record in records
        if isinstance(record, Record)
        for delivery in record.deliveries.values()
        if _ARN.match(delivery.location)
    }
    mine = {
        arn: delivered[arn]
        for arn, tags in found.items()
        if arn in delivered and tags.get(CERTIFICATE_TAG, tag_value(delivered[arn])) == tag_value(delivered[arn])
    }
    objects = [arn for arn in delivered if arn.split(":")[2] == "s3"]
    elsewhere = [arn for arn in delivered.keys() - objects if arn.split(":")[4] != connection.owner.account]
    return Plan(mine, sorted(found.keys() - mine), sorted(elsewhere), len(objects))


def tag(connection: Connection, arns: Iterable[str]) -> dict[str, str]:
    """Make the stack the owner of the resources; return the error codes of the failed ones by ARN. Idempotent."""
    failed: dict[str, str] = {}
    regions: dict[str, list[str]] = {}
    for arn in sorted(arns):
        regions.setdefault(arn.split(":")[3], []).append(arn)
    for region, there in regions.items():
        for start in range(0, len(there), BATCH):
            with translated(f"tag resources in {region}"):
                answer = connection.clients.client_in(region, "resourcegroupstaggingapi").tag_resources(
                    ResourceARNList=there[start : start + BATCH], Tags={STACK_TAG: str(connection.owner)}
                )
            refused: Mapping[str, Mapping[str, Any]] = answer.get("FailedResourcesMap", {})
            failed |= {arn: str(reason.get("ErrorCode", "")) for arn, reason in refused.items()}
    return failed


def _tags(resource: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag.get("Value", "") for tag in resource.get("Tags", [])}
