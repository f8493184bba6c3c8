"""Recorded needs with canonical names, so that two test runs record the same text."""

from __future__ import annotations

import re
from typing import Any

from tests.iam.deployment import Deployment
from tests.iam.evaluator import Request

Entry = dict[str, Any]
# Names that tests choose, in the last part of an ARN.
NAMES = [
    (re.compile(r"(secret:evercert/(?:certificates|credentials)/).*"), r"\1NAME-AbCdEf"),
    (re.compile(r"(parameter/evercert/(?:certificates|credentials)/).*"), r"\1NAME"),
    (re.compile(r"^(?!parameter/)[^/:]+/(evercert/certificates/).*"), r"BUCKET/\1NAME"),
    (re.compile(r"^[^/:]+/(evercert/reports/[^/]+/).*(\.html)"), r"BUCKET/\1evercert\2"),
    (re.compile(r"^(?!BUCKET)bucket-.*"), "BUCKET"),
    (re.compile(r"(certificate/)[^*].*"), r"\1ID"),
    (re.compile(r"(key/)[0-9a-f-]{36}"), r"\1ID"),
    (re.compile(r"(role/).*"), r"\1NAME"),
    (re.compile(r"(secret:)(?!evercert/).*"), r"\1NAME-AbCdEf"),
    (re.compile(r"(hostedzone/).*"), r"\1NAME"),
    (re.compile(r"(change/)[^*].*"), r"\1ID"),
    (re.compile(r"(certificate-authority/).*"), r"\1ID"),
]
UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MONTH = re.compile(r"^m\d{4}_\d\d$")  # attributes that count the issuances of a month
KIND = re.compile("[a-z-]+(?:01)?")  # of a partition key; anything else is a shard or an id
UNSTABLE = {
    "secretsmanager:SecretId",
    "secretsmanager:Name",
    "aws:PrincipalArn",
    "sts:RoleSessionName",
    "kms:EncryptionContext:SecretARN",
    "kms:EncryptionContext:PARAMETER_ARN",
    "kms:EncryptionContext:aws:s3:arn",
}
RECORD_NAMES = "route53:ChangeResourceRecordSetsNormalizedRecordNames"


class Canonical:
    """Translates the requests of one deployment to those of a stack whose resources are named as in the template."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        plain = Deployment(deployment.parameters)
        self._plain = plain
        self._values = dict(zip(_identities(deployment), _identities(plain), strict=True))
        self._arns = {deployment.arn(name): plain.arn(name) for name in deployment.physical}

    def entry(self, principal: str, request: Request) -> Entry:
        """Return the entry of the file for one need."""
        context = {key: self._value(key, value) for key, value in request.context.items() if key not in UNSTABLE}
        resource = self._resource(request.resource)
        if str(context.get("kms:ViaService")).startswith(("secretsmanager.", "ssm.", "s3.")):
            resource = resource.replace("key/ID", "key/SECRETS")  # of the parameter SecretKeys
        if principal == "issuer" and request.action in ("kms:Sign", "kms:GetPublicKey"):
            resource = resource.replace("key/ID", "key/ACCOUNT")  # of the parameter AccountKeys
        return {"principal": principal, "action": request.action, "resource": resource, "context": context}

    def _resource(self, arn: str) -> str:
        table, slash, index = arn.partition("/index/")
        if table in self._arns:
            return self._arns[table] + slash + index
        bucket, slash, key = arn.partition("/")
        if ":s3:" in bucket and bucket in self._arns:
            return self._arns[bucket] + slash + UUID.sub("ID", key)
        parts = arn.split(":", 5)
        if len(parts) < 6:
            return arn
        parts[4] = self._plain.account if parts[4] == self._deployment.account else parts[4]
        for pattern, named in NAMES:
            parts[5] = pattern.sub(named, parts[5])
        return ":".join(parts)

    def _value(self, key: str, value: Any) -> Any:
        if key == RECORD_NAMES and isinstance(value, str):
            return value.partition(".")[0] + ".NAME"
        if isinstance(value, list):
            return sorted({MONTH.sub("mYYYY_MM", self._value(key, one)) for one in value})
        if value in self._values:
            return self._values[value]
        if key == "dynamodb:LeadingKeys":
            kind, mark, _ = value.partition("#")
            return kind + mark if KIND.fullmatch(kind) else "NAME"
        tags = ("aws:RequestTag/", "aws:ResourceTag/", "s3:RequestObjectTag/", "s3:ExistingObjectTag/")
        named = key.startswith((*tags, "kms:EncryptionContext:"))
        return "NAME" if named else value


def _identities(deployment: Deployment) -> tuple[str, str, str]:
    """Return the name of a stack, its id, and the value of its owner tag."""
    owner = f"{deployment.account}/{deployment.region}/{deployment.stack}"
    return deployment.stack, str(deployment.intrinsics.parameters["AWS::StackId"]), owner
