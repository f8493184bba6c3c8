"""Parameters and objects to adopt: lookup with the operator's permissions, and their tags."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evercert.aws.clients import translated
from evercert.aws.tags import SECRET_PREFIX
from evercert.cli.files import BadInput

if TYPE_CHECKING:
    from evercert.cli.connection import Connection

PARAMETER = re.compile(r"arn:aws[a-z-]*:ssm:([a-z0-9-]+):[0-9]{12}:parameter(/[A-Za-z0-9/_.-]{1,900})")
OBJECT = re.compile(r"arn:aws[a-z-]*:s3:::([a-z0-9.-]{3,63})/([A-Za-z0-9/_=.@-]{1,512})")
REPLACED = "the next delivery replaces its value; check that its readers can parse the new one"

A_KEY = "<ARN of a key that the stack's parameter SecretKeys lists>"


@dataclass(frozen=True)
class Value:
    """A parameter or an object: its region, its tags, and its settings in a document."""

    type: str
    region: str
    settings: dict[str, str]
    tags: list[dict[str, str]]
    notes: list[str]


def parameter(connection: Connection, arn: str, region: str, name: str) -> Value:
    """Look up a parameter by its metadata; raise BadInput if evercert could not write it.

    GetParameter is not used: its permission also decrypts parameters under `aws/ssm`.
    """
    client = connection.clients.client_in(region, "ssm")
    _require_prefix(arn, name.removeprefix("/"))
    with translated(f"look at {arn}"):
        tags = client.list_tags_for_resource(ResourceType="Parameter", ResourceId=name).get("TagList", [])
        named: Any = [{"Key": "Name", "Option": "Equals", "Values": [name]}]
        pages = client.get_paginator("describe_parameters").paginate(ParameterFilters=named)
        kind = next((each["Type"] for page in pages for each in page["Parameters"]), "unknown")
    if kind != "SecureString":
        raise BadInput([f"cannot adopt {arn} of type {kind}: its type cannot be changed; delete it"])
    home = connection.clients.cloudformation.meta.region_name
    return Value("ssm-parameter", region, {"parameter": name, **_elsewhere(region, home)}, tags, [REPLACED])


def stored_object(connection: Connection, arn: str, bucket: str, key: str) -> Value:
    """Look up an object; raise BadInput if evercert could not write it."""
    home = connection.clients.cloudformation.meta.region_name
    client = connection.clients.client_in(home, "s3")
    _require_prefix(arn, key)
    with translated(f"look at {arn}"):
        tags = client.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
        versioned = client.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled"
    notes = [REPLACED] if versioned else [REPLACED, f"bucket {bucket} has no versioning: enable it"]
    return Value("s3", home, {"bucket": bucket, "key": key, "kms-key": A_KEY}, tags, notes)


def tag(connection: Connection, value: Value, wanted: dict[str, str]) -> None:
    """Tag the parameter or the object; the tags of an object are replaced as a whole."""
    client = connection.clients.client_in(value.region, "ssm" if value.type == "ssm-parameter" else "s3")
    if value.type == "ssm-parameter":
        added: list[Any] = [{"Key": key, "Value": text} for key, text in wanted.items()]
        client.add_tags_to_resource(ResourceType="Parameter", ResourceId=value.settings["parameter"], Tags=added)
        return
    merged = {one["Key"]: one.get("Value", "") for one in value.tags} | wanted
    tags = {"TagSet": [{"Key": key, "Value": text} for key, text in merged.items()]}
    client.put_object_tagging(Bucket=value.settings["bucket"], Key=value.settings["key"], Tagging=tags)


def _require_prefix(arn: str, name: str) -> None:
    if not name.startswith(SECRET_PREFIX):
        raise BadInput([f"cannot adopt {arn}: IAM allows the issuer only names below {SECRET_PREFIX}"])


def _elsewhere(region: str, home: str) -> dict[str, str]:
    return {} if region == home else {"region": region}
