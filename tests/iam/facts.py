"""State of resources, derived from earlier calls: tags, key policies, customer keys of secrets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from tests.iam.policies import Statement, statements

Record = dict[str, Any]
SUFFIX = 7  # of the ARN of a secret: a hyphen and six characters


def tags_of(found: Any) -> dict[str, str]:
    """Return tags in any spelling of AWS: lists with Key or TagKey, or an object."""
    if isinstance(found, Mapping):
        return dict(found)
    return {one.get("Key", one.get("TagKey")): one.get("Value", one.get("TagValue", "")) for one in found or []}


def secret_name(secret: str) -> str:
    """Return the name of a secret from its name or ARN."""
    return secret.split(":", 6)[6][:-SUFFIX] if secret.startswith("arn:") else secret


@dataclass
class Facts:
    """State of resources, from recorded calls in their order."""

    root: str  # ARN of the account's root
    tags: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)  # by region and name or ARN
    key_policies: dict[str, list[Statement]] = field(default_factory=dict)
    secret_keys: dict[str, str] = field(default_factory=dict)
    secret_arns: dict[tuple[str, str], str] = field(default_factory=dict)
    object_tags: dict[str, dict[str, str]] = field(default_factory=dict)  # by ARN

    def learn(self, call: Record) -> None:
        """Update the state with what a call changed or read."""
        answer = call.get("answer") or {
            "code": "",
            "arn": None,
            "tags": None,
        }  # the process was killed; the call may have succeeded
        if answer["code"]:
            return
        params, region = call["params"], str(call["region"])
        if call["service"] == "secretsmanager" and answer["arn"]:
            self.secret_arns[region, secret_name(answer["arn"])] = answer["arn"]
        self._learn_tags(call, params, region, answer["tags"])
        match call["service"], call["operation"]:
            case "secretsmanager", "CreateSecret":
                self._tag(region, params["Name"], tags_of(params.get("Tags")))
                if "KmsKeyId" in params:
                    self.secret_keys[params["Name"]] = params["KmsKeyId"]
            case "secretsmanager", "DescribeSecret" if call.get("answer"):
                self.tags[region, secret_name(params["SecretId"])] = tags_of(answer["tags"])
            case "acm", "ListTagsForCertificate" if answer["tags"] is not None:
                self.tags[region, params["CertificateArn"]] = tags_of(answer["tags"])
            case "secretsmanager", "TagResource" | "UntagResource":
                name = secret_name(params["SecretId"])
                self._tag(region, name, tags_of(params.get("Tags")), params.get("TagKeys", ()))
            case "acm", "ImportCertificate" if "CertificateArn" not in params and answer["arn"]:
                self._tag(region, answer["arn"], tags_of(params.get("Tags")))
            case "acm", "AddTagsToCertificate":
                self._tag(region, params["CertificateArn"], tags_of(params["Tags"]))
            case "acm", "RemoveTagsFromCertificate":
                self._tag(region, params["CertificateArn"], {}, tags_of(params["Tags"]))
            case "kms", "CreateKey" if answer["arn"]:
                self._tag(region, answer["arn"], tags_of(params.get("Tags")))
                self._set_policy(answer["arn"], params.get("Policy"))
            case "kms", "PutKeyPolicy":
                self._set_policy(params["KeyId"], params["Policy"])

    def _learn_tags(self, call: Record, params: Any, region: str, tags: Any) -> None:
        """Update the tags of parameters and objects."""
        match call["service"], call["operation"]:
            case "ssm", "PutParameter" if not params.get("Overwrite"):
                self._tag(region, params["Name"], tags_of(params.get("Tags")))
            case "ssm", "AddTagsToResource":
                self._tag(region, params["ResourceId"], tags_of(params["Tags"]))
            case "ssm", "ListTagsForResource" if tags is not None:
                self.tags[region, params["ResourceId"]] = tags_of(tags)
            case "s3", "PutObject":
                name = f"{params['Bucket']}/{params['Key']}"
                self.object_tags[f"{self.root.rpartition(':iam:')[0]}:s3:::{name}"] = dict(
                    parse_qsl(params.get("Tagging") or "")
                )

    def _tag(self, region: str, name: str, added: dict[str, str], removed: Any = ()) -> None:
        found = {**self.tags.get((region, name), {}), **added}
        self.tags[region, name] = {key: value for key, value in found.items() if key not in removed}

    def _set_policy(self, arn: str, text: str | None) -> None:
        usual = {"Effect": "Allow", "Principal": {"AWS": self.root}, "Action": "kms:*", "Resource": "*"}
        document = json.loads(text) if text else {"Version": "2012-10-17", "Statement": usual}
        document.setdefault("Statement", [])
        self.key_policies[arn] = statements(document, f"policy of key {arn.rpartition('/')[2]}")
