"""Regions and KMS keys of destinations, compared with the stack's parameters before a document is applied."""

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
    if key is not None and key not in connection.listed("SecretKeys"):
        yield f"the stack may not use {key}; add it to the stack's parameter SecretKeys, or remove kms-key"
