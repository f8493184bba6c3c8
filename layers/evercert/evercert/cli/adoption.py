"""Adopt an ACM certificate, a secret, a parameter or an object: its tags, which the operator sets, allow deliveries."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from evercert.aws.clients import translated
from evercert.aws.tags import CERTIFICATE_TAG, SECRET_PREFIX, STACK_TAG, Owner
from evercert.cli import adopted_values
from evercert.cli.files import BadInput
from evercert.contracts.record import Record
from evercert.destinations.aws_account import tags_of
from evercert.documents.secret_reference import SECRETS
from evercert.schema import printable

if TYPE_CHECKING:
    from evercert.cli.connection import Connection

_ARN = r"arn:aws[a-z-]*:{service}:([a-z0-9-]+):[0-9]{{12}}:{rest}"
_CERTIFICATE = re.compile(_ARN.format(service="acm", rest=r"certificate/[A-Za-z0-9-]{1,64}"))
_SECRET = re.compile(_ARN.format(service="secretsmanager", rest=r"secret:[A-Za-z0-9/_+=.@-]{1,519}"))
_SECRET_NAME = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}")


@dataclass(frozen=True)
class Found:
    """Resource to adopt: its location, facts for the operator, and the tags it needs."""

    type: str
    arn: str
    region: str
    home: str  # the region of the stack
    destination: dict[str, str]
    tags: dict[str, str]
    ours: bool
    facts: dict[str, str]
    notes: list[str] = field(default_factory=list)
    value: adopted_values.Value | None = None  # of a parameter or an object

    def is_destination_of(self, record: Record) -> bool:
        """Return whether the record already has this resource as a destination, in its region and account."""
        return any(
            destination.type == self.type and self._is_at(destination.settings)
            for destination in record.spec.destinations
        )

    def _is_at(self, settings: dict[str, Any]) -> bool:
        if self.type == "acm":
            return settings.get("arn") == self.arn
        role, account = settings.get("role"), self.arn.split(":")[4]
        if self.type == "s3":
            return all(settings.get(key) == self.destination[key] for key in ("bucket", "key"))
        return (
            all(settings.get(key) == self.destination.get(key) for key in ("secret", "parameter"))
            and settings.get("region", self.home) == self.region
            and (role is None or role.split(":")[4] == account)
        )

    def yaml(self) -> str:
        """Return the destination as lines of a document."""
        lines = [f"{key}: {json.dumps(value) if ':' in value else value}" for key, value in self.destination.items()]
        return "      - " + "\n        ".join(lines)


def find(connection: Connection, name: str, resource: str) -> Found:
    """Look up a resource, read-only; raise BadInput if it cannot be adopted."""
    if match := _CERTIFICATE.fullmatch(resource):
        return _certificate(connection, name, resource, match[1])
    if match := adopted_values.PARAMETER.fullmatch(resource):
        return _found(connection, name, resource, adopted_values.parameter(connection, resource, match[1], match[2]))
    if match := adopted_values.OBJECT.fullmatch(resource):
        return _found(
            connection, name, resource, adopted_values.stored_object(connection, resource, match[1], match[2])
        )
    if match := _SECRET.fullmatch(resource):
        return _secret(connection, name, resource, match[1])
    if _SECRET_NAME.fullmatch(resource):
        return _secret(connection, name, resource, connection.clients.cloudformation.meta.region_name)
    invalid = printable(resource, 80)
    kinds = "an ACM certificate, a secret, a parameter or an S3 object"
    raise BadInput([f"invalid resource {invalid!r}: must be the ARN of {kinds}, or a secret's name"])


def tag(connection: Connection, found: Found) -> None:
    """Tag the resource; idempotent."""
    if found.value is not None:
        with translated(f"tag {found.arn}"):
            adopted_values.tag(connection, found.value, found.tags)
        return
    tags = [{"Key": key, "Value": value} for key, value in found.tags.items()]
    client = connection.clients.client_in(found.region, found.type.replace("-", ""))
    with translated(f"tag {found.arn}"):
        if found.type == "acm":
            client.add_tags_to_certificate(CertificateArn=found.arn, Tags=tags)
        else:
            client.tag_resource(SecretId=found.arn, Tags=tags)


def _certificate(connection: Connection, name: str, arn: str, region: str) -> Found:
    client = connection.clients.client_in(region, "acm")
    with translated(f"look at {arn}"):
        certificate = client.describe_certificate(CertificateArn=arn)["Certificate"]
        tags = client.list_tags_for_certificate(CertificateArn=arn).get("Tags", [])
    if certificate.get("Type") != "IMPORTED":
        raise BadInput(
            [f"cannot adopt {arn} of type {certificate.get('Type')}: ACM replaces only imported certificates"]
        )
    wanted = _wanted(connection, name)
    facts = {
        "certificate": arn,
        "domain": printable(str(certificate.get("DomainName", ""))),
        "valid until": f"{certificate['NotAfter']:%Y-%m-%d}" if "NotAfter" in certificate else "",
        "key": str(certificate.get("KeyAlgorithm", "")),
        "used by": ", ".join(map(str, certificate.get("InUseBy", []))),
    }
    return Found(
        type="acm",
        arn=arn,
        region=region,
        home=connection.clients.cloudformation.meta.region_name,
        destination={"type": "acm", "arn": arn},
        tags=wanted,
        ours=_is_ours(arn, tags, wanted, connection.owner),
        facts={key: value for key, value in facts.items() if value},
    )


def _secret(connection: Connection, name: str, secret: str, region: str) -> Found:
    client = connection.clients.client_in(region, "secretsmanager")
    with translated(f"look at secret {secret}"):
        described: dict[str, Any] = client.describe_secret(SecretId=secret)
    title, arn = str(described["Name"]), str(described["ARN"])
    if title.startswith(SECRETS):
        raise BadInput([f"cannot adopt secret {title}: secrets under {SECRETS} hold credentials, not certificates"])
    if "DeletedDate" in described:
        remedy = f"aws secretsmanager restore-secret --secret-id {title}"
        raise BadInput([f"cannot adopt secret {title}: it is scheduled for deletion; restore it first: {remedy}"])
    if described.get("OwningService"):
        owner = printable(str(described["OwningService"]))
        raise BadInput([f"cannot adopt secret {title}: it is managed by {owner}; use another secret"])
    if (primary := described.get("PrimaryRegion")) not in (None, region):
        adopt = arn.replace(f":{region}:", f":{primary}:", 1)
        problem = f"cannot adopt secret {title} in {region}: it is a replica, which cannot be written"
        raise BadInput([f"{problem}; adopt the primary: evercert adopt {name} {adopt}"])
    wanted = _wanted(connection, name)
    ours = _is_ours(f"secret {title}", described.get("Tags", []), wanted, connection.owner)
    home = connection.clients.cloudformation.meta.region_name
    return Found(
        type="secrets-manager",
        arn=arn,
        region=region,
        home=home,
        destination={"type": "secrets-manager", "secret": title, **({"region": region} if region != home else {})},
        tags=wanted,
        ours=ours,
        facts={"secret": arn},
        notes=_notes(described, arn, title, connection.listed("SecretKeys"), ours=ours),
    )


def _found(connection: Connection, name: str, arn: str, value: adopted_values.Value) -> Found:
    wanted = _wanted(connection, name)
    ours = _is_ours(arn, value.tags, wanted, connection.owner)
    return Found(
        type=value.type,
        arn=arn,
        region=value.region,
        home=connection.clients.cloudformation.meta.region_name,
        destination={"type": value.type, **value.settings},
        tags=wanted,
        ours=ours,
        facts={value.type: arn},
        notes=[] if ours else value.notes,
        value=value,
    )


def _notes(described: dict[str, Any], arn: str, title: str, keys: Collection[str], *, ours: bool) -> list[str]:
    form = "the next delivery replaces the secret's value with evercert's JSON; check that its readers can parse it"
    found = [] if ours else [form]
    if not title.startswith(SECRET_PREFIX):
        found.append(f"the secret is outside {SECRET_PREFIX}: add {arn} to the stack's parameter SecretArns")
    if described.get("RotationEnabled"):
        found.append("the secret's rotation is enabled and would overwrite deliveries: disable it")
    if (key := described.get("KmsKeyId")) and key not in keys:
        found.append(
            f"the secret is encrypted with {printable(str(key))}: add the key's ARN to the stack's parameter SecretKeys"
        )
    return found


def _wanted(connection: Connection, name: str) -> dict[str, str]:
    return tags_of(connection.owner, name)


def _is_ours(resource: str, tags: list[dict[str, str]], wanted: dict[str, str], owner: Owner) -> bool:
    """Return whether all tags are present; raise BadInput if the resource belongs to another stack or certificate."""
    found = {tag["Key"]: tag.get("Value", "") for tag in tags}
    foreign = {
        STACK_TAG: owner.compare(found.get(STACK_TAG)) == "foreign",
        CERTIFICATE_TAG: found.get(CERTIFICATE_TAG, wanted[CERTIFICATE_TAG]) != wanted[CERTIFICATE_TAG],
    }
    for key, holder in ((STACK_TAG, "stack"), (CERTIFICATE_TAG, "certificate")):
        if foreign[key]:
            raise BadInput(
                [f"{resource} belongs to {holder} {printable(found[key], 100)!r} (tag {key}); remove that tag first"]
            )
    return wanted.items() <= found.items()
