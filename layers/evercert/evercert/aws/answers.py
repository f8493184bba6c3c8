"""Check answers of AWS: the types that its API promises, and the fields that evercert reads.

AWS keeps both. A proxy, an emulator or another server at the endpoint may not.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from botocore.parsers import ResponseParserError

_ARN = re.compile("arn:([^:]*:){4}.")  # of a secret; callers split it at the colons
_RETURN_VALUES = "evercert:return-values"  # in botocore's context of a call
_FIRST_ERROR_STATUS = 300  # of HTTP
_MAGNITUDE = 130  # DynamoDB holds 1E-130 to 9.99E+125; larger exponents up to this do no harm
# Fields that must exist, by operation; a path leads through structures and into each entry of a list.
_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "acm:DescribeCertificate": ("Certificate",),
    "acm:GetCertificate": ("Certificate",),
    "acm:ImportCertificate": ("CertificateArn",),
    "acm:ListCertificates": ("CertificateSummaryList", "CertificateSummaryList.CertificateArn"),
    "acm:ListTagsForCertificate": ("Tags?.Key",),
    "acm-pca:DescribeCertificateAuthority": (
        "CertificateAuthority.Status",
        "CertificateAuthority.CertificateAuthorityConfiguration.KeyAlgorithm",
        "CertificateAuthority.CertificateAuthorityConfiguration.SigningAlgorithm",
    ),
    "acm-pca:GetCertificate": ("Certificate",),
    "acm-pca:IssueCertificate": ("CertificateArn",),
    "cloudformation:DescribeStackResource": ("StackResourceDetail",),
    "cloudformation:DescribeStacks": (
        "Stacks.StackId",
        "Stacks.StackStatus",
        "Stacks.Outputs?.OutputKey",
        "Stacks.Outputs?.OutputValue",
        "Stacks.Parameters?.ParameterKey",
    ),
    "cloudformation:ListStackResources": (
        "StackResourceSummaries",
        "StackResourceSummaries.LogicalResourceId",
        "StackResourceSummaries.ResourceType",
    ),
    "dynamodb:DescribeTable": ("Table",),
    "dynamodb:BatchGetItem": ("Responses?.*.pk.S", "UnprocessedKeys?.*.Keys"),  # each table has a key `pk`
    "dynamodb:GetItem": ("Item?.pk.S",),
    "dynamodb:Query": ("Items", "Items.pk.S", "Items.sk.S"),
    "dynamodb:Scan": ("Items", "Items.pk.S"),
    "dynamodb:UpdateItem": ("Attributes?.pk.S",),
    "dynamodb:UpdateItem with ReturnValues": ("Attributes",),
    "kms:CreateKey": ("KeyMetadata.Arn",),
    "kms:Decrypt": ("Plaintext",),
    "kms:DescribeKey": ("KeyMetadata.Enabled",),
    "kms:Encrypt": ("CiphertextBlob",),
    "kms:GetKeyPolicy": ("Policy",),
    "kms:GetPublicKey": ("PublicKey",),
    "kms:ListKeys": ("Keys", "Keys.KeyArn"),
    "kms:ListResourceTags": ("Tags?.TagKey", "Tags?.TagValue"),
    "kms:Sign": ("Signature",),
    "lambda:Invoke": ("Payload",),
    "resourcegroupstaggingapi:GetResources": (
        "ResourceTagMappingList",
        "ResourceTagMappingList.ResourceARN",
        "ResourceTagMappingList.Tags?.Key",
    ),
    "route53:ChangeResourceRecordSets": ("ChangeInfo.Id",),
    "route53:GetChange": ("ChangeInfo.Status",),
    "route53:ListHostedZonesByName": ("HostedZones", "HostedZones.Id", "HostedZones.Name"),
    "route53:ListResourceRecordSets": (
        "ResourceRecordSets",
        "ResourceRecordSets.Name",
        "ResourceRecordSets.Type",
        "ResourceRecordSets.ResourceRecords?.Value",
    ),
    "s3:GetObjectTagging": ("TagSet", "TagSet.Key"),
    "s3:HeadObject": ("ETag",),
    "s3:PutObject": ("ETag",),
    "secretsmanager:CreateSecret": ("ARN", "VersionId"),
    "secretsmanager:DescribeSecret": ("ARN", "Name", "Tags?.Key"),
    "secretsmanager:ListSecrets": ("SecretList", "SecretList.Name", "SecretList.Tags?.Key"),
    "secretsmanager:PutSecretValue": ("ARN", "VersionId"),
    "sns:ListSubscriptionsByTopic": (
        "Subscriptions",
        "Subscriptions.Protocol",
        "Subscriptions.SubscriptionArn",
    ),
    "sns:Subscribe": ("SubscriptionArn",),
    "sqs:GetQueueAttributes": ("Attributes",),
    "sqs:GetQueueUrl": ("QueueUrl",),
    "sqs:ReceiveMessage": ("Messages?.Body", "Messages?.ReceiptHandle"),
    "sqs:SendMessageBatch": ("Successful?.Id",),
    "ssm:DescribeParameters": ("Parameters", "Parameters.Name", "Parameters.Type"),
    "ssm:GetParameter": ("Parameter",),
    "ssm:GetParameterHistory": ("Parameters",),
    "ssm:ListTagsForResource": ("TagList?.Key",),
    "ssm:PutParameter": ("Version",),
    "sts:GetCallerIdentity": ("Arn",),
    "sts:AssumeRole": (
        "Credentials.AccessKeyId",
        "Credentials.SecretAccessKey",
        "Credentials.SessionToken",
        "Credentials.Expiration",
    ),
}


class InvalidAnswer(ResponseParserError):
    """An answer that AWS would not send; the text names the operation and the field, never a value."""


def register(session: Any) -> None:  # noqa: ANN401 (of botocore)
    """Check the answers to all calls of a session's clients."""
    session.register("before-parameter-build.dynamodb.UpdateItem", _note_return_values)
    session.register("after-call", check)


def _note_return_values(params: Mapping[str, Any], context: dict[str, Any], **_: Any) -> None:  # noqa: ANN401
    context[_RETURN_VALUES] = "ReturnValues" in params


def check(http_response: Any, parsed: Any, model: Any, context: Mapping[str, Any], **_: Any) -> None:  # noqa: ANN401
    """Raise InvalidAnswer if AWS would not send the answer; a handler of botocore's event `after-call`."""
    operation = f"{model.service_model.service_name}:{model.name}"
    required = _REQUIRED.get(operation, ())
    if context.get(_RETURN_VALUES):
        required = (*_REQUIRED[f"{operation} with ReturnValues"], *required)
    try:
        if http_response.status_code >= _FIRST_ERROR_STATUS:
            problem = _problem_of_error(parsed, model)
        else:
            problem = model.output_shape and _problem(parsed, model.output_shape, "")
            problem = problem or next(filter(None, (_missing(parsed, path) for path in required)), None)
    except RecursionError:
        problem = "is too deeply nested"
    if problem:
        raise InvalidAnswer(f"{operation} {problem}")


def _problem_of_error(parsed: Mapping[str, Any], model: Any) -> str | None:  # noqa: ANN401
    """Check the fields of an error, such as the reasons of a cancelled transaction."""
    code = (parsed.get("Error") or {}).get("Code")
    shapes = (shape for shape in model.error_shapes if code in (shape.name, shape.error_code))
    return next((problem for shape in shapes if (problem := _problem(parsed, shape, ""))), None)


def _problem(value: Any, shape: Any, place: str) -> str | None:  # noqa: ANN401
    """Describe the first field of a wrong type; return None if all are right."""
    is_attribute = shape.name == "AttributeValue"
    if not (_is_attribute if is_attribute else _TYPE_CHECKS[shape.type_name])(value):
        return f"has a wrong {place.strip('.') or 'form'}"
    if is_attribute:
        return None  # complete: the general way takes five times as long for a page of items
    parts: Iterable[tuple[Any, Any, str]] = ()
    match shape.type_name:
        case "structure":
            parts = ((value[name], shape.members[name], f"{place}.{name}") for name in value if name in shape.members)
        case "list":
            parts = ((part, shape.member, place) for part in value)
        case "map":
            parts = ((part, shape.value, place) for part in value.values())
    return next((problem for part in parts if (problem := _problem(*part))), None)


def _missing(value: Any, path: str) -> str | None:  # noqa: ANN401
    """Describe the first missing field of the path, or an invalid ARN.

    `?` marks an optional field, `*` stands for each entry of a map.
    """
    places, passed = [value], ""
    for name in path.split("."):
        key = name.removesuffix("?")
        passed = f"{passed}.{key}".strip(".")
        found = [part for place in places for part in (place.values() if key == "*" else [place.get(key)])]
        if None in found and key == name:
            return f"has no {passed}"
        if key == "ARN" and not all(_ARN.match(arn) for arn in found):
            return f"has a wrong {passed}"
        places = [part for one in found if one is not None for part in (one if isinstance(one, list) else [one])]
    return None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and (value.isascii() or value.encode(errors="ignore").decode() == value)


def _is_attribute(value: Any) -> bool:  # noqa: ANN401
    """Return whether the value is one of DynamoDB's: of exactly one type."""
    if not isinstance(value, dict) or len(value) != 1:
        return False
    ((kind, content),) = value.items()
    return kind in _ATTRIBUTE_CHECKS and _ATTRIBUTE_CHECKS[kind](content)


def _is_decimal(digits: Any) -> bool:  # noqa: ANN401
    """Return whether the text is a number that DynamoDB can hold."""
    if not isinstance(digits, str):
        return False
    try:
        number = Decimal(digits)
    except ArithmeticError:
        return False
    return number.is_finite() and abs(number.adjusted()) <= _MAGNITUDE


def _all(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _is_number(value: object) -> bool:
    if isinstance(value, int):
        return not isinstance(value, bool)
    return isinstance(value, float) and math.isfinite(value)


_TYPE_CHECKS: Mapping[str, Callable[[object], bool]] = {
    "structure": lambda value: isinstance(value, dict),
    "list": lambda value: isinstance(value, list),
    "map": lambda value: isinstance(value, dict) and all(map(_is_text, value)),
    "string": _is_text,
    "character": _is_text,
    "blob": lambda value: isinstance(value, bytes) or hasattr(value, "read"),  # a stream is read by its caller
    "boolean": lambda value: isinstance(value, bool),
    "timestamp": lambda value: isinstance(value, datetime),
    **dict.fromkeys(("integer", "long", "float", "double", "short", "byte", "bigdecimal", "biginteger"), _is_number),
}
_ATTRIBUTE_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "S": _is_text,
    "N": _is_decimal,
    "B": _TYPE_CHECKS["blob"],
    "BOOL": _TYPE_CHECKS["boolean"],
    "NULL": _TYPE_CHECKS["boolean"],
    "M": lambda value: _TYPE_CHECKS["map"](value) and all(map(_is_attribute, value.values())),
    "L": _all(_is_attribute),
    "SS": _all(_is_text),
    "NS": _all(_is_decimal),
    "BS": _all(_TYPE_CHECKS["blob"]),
}
