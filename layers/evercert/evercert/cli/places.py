"""Regions, buckets and KMS keys of destinations, compared with the stack's parameters before a document is applied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evercert.cli.connection import Connection
    from evercert.documents.spec import Spec


def refused(specs: Iterable[Spec], connection: Connection) -> list[str]:
    """Return a problem for each destination that IAM would deny. Roles in other accounts have limits of their own."""
    return [
        f"{spec.name}: destination {destination.type}: {problem}"
        for spec in specs
        for destination in spec.destinations
        if destination.settings.get("role") is None
        for problem in _problems(destination.settings, connection)
    ]


def _problems(settings: dict[str, Any], connection: Connection) -> Iterator[str]:
    arn, key = settings.get("arn"), settings.get("kms-key")
    region = settings.get("region") or (arn.split(":")[3] if arn else connection.owner.region)
    if region not in connection.regions:
        yield (
            f"the stack may not store certificates in region {region}; "
            "add it to the stack's parameter DestinationRegions, or name another region"
        )
    bucket = settings.get("bucket")
    if bucket is not None and (named := _bucket_arn(bucket, connection)) not in connection.listed("DestinationBuckets"):
        yield (
            f"the stack may not store certificates in bucket {bucket}; "
            f"add {named} to the stack's parameter DestinationBuckets"
        )
    if key is not None and key not in connection.listed("SecretKeys"):
        other = "name another key" if bucket is not None else "remove kms-key"
        yield f"the stack may not use {key}; add it to the stack's parameter SecretKeys, or {other}"


def _bucket_arn(bucket: str, connection: Connection) -> str:
    return f"arn:{connection.id.split(':')[1]}:s3:::{bucket}"
