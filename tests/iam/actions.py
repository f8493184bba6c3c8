"""Which actions, on which resources and with which condition keys, AWS authorizes for a recorded call.

Sources: the service authorization reference of each service, and for calls that need several actions the page of the
operation (CreateSecret and ImportCertificate with tags, transactions and batches of DynamoDB, batches of SQS).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

from tests.iam.dynamodb import dynamodb
from tests.iam.facts import Facts, Record, secret_name, tags_of
from tests.iam.needs import Need, Where

NO_PERMISSION = {("sts", "GetCallerIdentity")}


class UnknownCall(Exception):
    """A call whose permissions are not described here; describe them before a role makes it."""


def needs(call: Record, where: Where, facts: Facts) -> list[Need]:
    """Return every permission that the call needs."""
    service, operation = call["service"], call["operation"]
    if (service, operation) in NO_PERMISSION:
        return []
    describe = {
        "dynamodb": dynamodb, "sqs": _sqs, "sns": _sns, "kms": _kms, "secretsmanager": _secrets, "acm": _acm, "acm-pca": _acm_pca,
        "ssm": _ssm, "sts": _sts, "lambda": _lambda, "s3": _s3, "cloudformation": _cloudformation,
        "iam": _iam, "route53": _route53,
        "scheduler": _scheduler, "cloudwatch": _cloudwatch, "resourcegroupstaggingapi": _tagging,
    }.get(service)  # fmt: skip
    if describe is None:
        raise UnknownCall(f"{service}:{operation} is not described in tests/iam/actions.py")
    found = list(describe(operation, call["params"], where, facts))
    return [Need(one.action, one.resource, {"aws:RequestedRegion": where.region, **one.context}) for one in found]


def _requested(params: Any) -> dict[str, Any]:
    tags = tags_of(params.get("Tags", params.get("tags")))
    if not tags:
        return {}
    return {"aws:TagKeys": sorted(tags), **{f"aws:RequestTag/{key}": value for key, value in tags.items()}}


def _existing(facts: Facts, region: str, name: str) -> dict[str, str]:
    return {f"aws:ResourceTag/{key}": value for key, value in facts.tags.get((region, name), {}).items()}


def _sqs(operation: str, params: Any, where: Where, facts: Facts) -> Iterator[Need]:
    if operation == "ListQueues":
        yield Need("sqs:ListQueues", "*")
        return
    name = params.get("QueueName") or params.get("QueueUrl", "*").rpartition("/")[2]
    yield Need(f"sqs:{operation.removesuffix('Batch')}", where.arn("sqs", name), _requested(params))
    if operation == "CreateQueue" and params.get("tags"):
        yield Need("sqs:TagQueue", where.arn("sqs", name), _requested(params))


def _sns(operation: str, params: Any, where: Where, facts: Facts) -> Iterator[Need]:
    arn = params.get("TopicArn") or params.get("ResourceArn") or where.arn("sns", "*")
    # IAM sees no topic in this request, so a policy on topics does not allow it.
    topic = "*" if operation in ("Unsubscribe", "GetSubscriptionAttributes") else ":".join(arn.split(":")[:6])
    more = {f"sns:{key}": params[key] for key in ("Protocol", "Endpoint") if key in params}
    yield Need(f"sns:{operation.removesuffix('Batch')}", topic, more)


def _kms(operation: str, params: Any, where: Where, facts: Facts) -> Iterator[Need]:
    key = params.get("KeyId")
    arn = "*" if key is None else key if key.startswith("arn:") else where.arn("kms", f"key/{key}")
    encryption = params.get("EncryptionContext") or {}
    context: dict[str, Any] = {f"kms:EncryptionContext:{name}": value for name, value in encryption.items()}
    if encryption:
        context["kms:EncryptionContextKeys"] = sorted(encryption)
    named = {
        "MessageType": "MessageType",
        "SigningAlgorithm": "SigningAlgorithm",
        "KeySpec": "KeySpec",
        "KeyUsage": "KeyUsage",
    }
    context |= {f"kms:{name}": params[field] for name, field in named.items() if field in params}
    if key is not None:
        context |= _existing(facts, where.region, arn)
    yield Need(f"kms:{operation}", arn, {**context, **_requested(params), "kms:CallerAccount": where.account})
    if operation == "CreateKey" and params.get("Tags"):
        yield Need("kms:TagResource", where.arn("kms", "key/*"), _requested(params))


def _secrets(operation: str, params: Any, where: Where, facts: Facts) -> Iterator[Need]:
    given = params.get("SecretId") or params.get("Name")
    if given is None:
        yield Need(f"secretsmanager:{operation}", "*")
        return
    name = secret_name(given)
    known = facts.secret_arns.get((where.region, name)) or where.arn("secretsmanager", f"secret:{name}-AbCdEf")
    arn = given if given.startswith("arn:") else known
    context = {
        "secretsmanager:SecretId": arn, "secretsmanager:Name": name, **_requested(params),
        **_existing(facts, where.region, name),
    }  # fmt: skip
    yield Need(f"secretsmanager:{operation}", arn, context)
    if operation == "CreateSecret" and params.get("Tags"):
        yield Need("secretsmanager:TagResource", arn, context)
    key = params.get("KmsKeyId") or facts.secret_keys.get(name)
    if key is not None and operation in SECRET_KEY_USES:
        inner = {"kms:EncryptionContext:SecretARN": arn}
        yield from (via(action, key, "secretsmanager", where, inner) for action in SECRET_KEY_USES[operation])


# Secrets Manager uses a customer key with the caller's permissions.
SECRET_KEY_USES = {
    "CreateSecret": ("kms:GenerateDataKey", "kms:Decrypt"),
    "PutSecretValue": ("kms:GenerateDataKey", "kms:Decrypt"),
    "UpdateSecret": ("kms:GenerateDataKey", "kms:Decrypt"),
    "GetSecretValue": ("kms:Decrypt",),
}


def via(action: str, key: str, service: str, where: Where, context: dict[str, str]) -> Need:
    """Return the need of a key that a service uses with the permissions of its caller."""
    arn = key if key.startswith("arn:") else where.arn("kms", f"key/{key}")
    more = {"kms:ViaService": f"{service}.{where.region}.amazonaws.com", "kms:CallerAccount": where.account}
    return Need(action, arn, {**more, **context})


def _acm(operation: str, params: Any, where: Where, facts: Facts) -> Iterator[Need]:
    if operation == "ListCertificates":
        yield Need("acm:ListCertificates", "*")
        return
    arn = params.get("CertificateArn") or where.arn("acm", "certificate/*")
    context = {**_requested(params), **_existing(facts, where.region, arn)}
    yield Need(f"acm:{operation}", arn, context)
    if operation == "ImportCertificate" and params.get("Tags"):
        yield Need("acm:AddTagsToCertificate", arn, context)


def _acm_pca(operation: str, params: Any, where: Where, facts: Facts) -> Iterator[Need]:
    template = {"acm-pca:TemplateArn": params["TemplateArn"]} if "TemplateArn" in params else {}
    yield Need(f"acm-pca:{operation}", params["CertificateAuthorityArn"], template)


def _ssm(operation: str, params: Any, where: Where, facts: Facts) -> Iterator[Need]:
    named = params.get("Name") or params.get("ResourceId")
    for name in [named] if named else params.get("Names", ["*"]):
        arn = where.arn("ssm", f"parameter/{name.removeprefix('/')}")
        context = {**_requested(params), **_existing(facts, where.region, name)}
        overwrites = {"ssm:Overwrite": str(params.get("Overwrite", False)).lower()}
        yield Need(f"ssm:{operation}", arn, context | (overwrites if operation == "PutParameter" else {}))
        if operation != "PutParameter":
            continue
        if params.get("Tags"):
            yield Need("ssm:AddTagsToResource", arn, context)
        if (key := params.get("KeyId")) is not None:  # user guide, "AWS KMS encryption for Parameter Store"
            inner = {"kms:EncryptionContext:PARAMETER_ARN": arn}
            for action in ("kms:Encrypt", "kms:GenerateDataKey"):  # of standard and of advanced parameters
                yield via(action, key, "ssm", where, inner)


def _sts(operation: str, params: Any, where: Where, facts: Facts) -> Iterator[Need]:
    keys = {"sts:ExternalId": "ExternalId", "sts:RoleSessionName": "RoleSessionName"}
    context = {key: params[name] for key, name in keys.items() if name in params}
    yield Need(f"sts:{operation}", params.get("RoleArn", "*"), context)


def _lambda(operation: str, params: Any, where: Where, facts: Facts) -> Iterator[Need]:
    action = "InvokeFunction" if operation == "Invoke" else operation
    name = params.get("FunctionName", "*")
    yield Need(f"lambda:{action}", name if name.startswith("arn:") else where.arn("lambda", f"function:{name}"))


def _s3(operation: str, params: Any, where: Where, facts: Facts) -> Iterator[Need]:
    renamed = {"HeadObject": "GetObject", "HeadBucket": "ListBucket", "ListObjectsV2": "ListBucket"}
    bucket = f"arn:{where.partition}:s3:::{params.get('Bucket', '*')}"
    arn = f"{bucket}/{params['Key']}" if "Key" in params else bucket
    account = {"aws:ResourceAccount": where.account}
    existing = {f"s3:ExistingObjectTag/{key}": value for key, value in facts.object_tags.get(arn, {}).items()}
    requested = {f"s3:RequestObjectTag/{key}": value for key, value in parse_qsl(params.get("Tagging") or "")}
    # PutObject has no keys for the tags of the object that it replaces.
    context = {**requested, **({} if operation == "PutObject" else existing)}
    yield Need(f"s3:{renamed.get(operation, operation)}", arn, account | context)
    if operation == "PutObject" and requested:
        yield Need("s3:PutObjectTagging", arn, {**account, **requested, **existing})
    if operation == "PutObject" and "SSEKMSKeyId" in params:
        yield via("kms:GenerateDataKey", params["SSEKMSKeyId"], "s3", where, {"kms:EncryptionContext:aws:s3:arn": arn})


def _cloudformation(operation: str, params: Any, where: Where, facts: Facts) -> Iterator[Need]:
    stack = params.get("StackName", "*")
    arn = stack if stack.startswith("arn:") else where.arn("cloudformation", f"stack/{stack}/*")
    yield Need(f"cloudformation:{operation}", arn)


def _iam(operation: str, params: Any, where: Where, facts: Facts) -> Iterator[Need]:
    yield Need(f"iam:{operation}", f"arn:{where.partition}:iam::{where.account}:role/{params['RoleName']}")


def _route53(operation: str, params: Any, where: Where, facts: Facts) -> Iterator[Need]:
    """Route 53 is a global service: its requests go to us-east-1, and its ARNs have neither region nor account."""
    context: dict[str, Any] = {"aws:RequestedRegion": "us-east-1"}
    if operation == "ListHostedZonesByName":
        yield Need("route53:ListHostedZonesByName", "*", context)
        return
    kind = "change" if operation == "GetChange" else "hostedzone"
    number = params["Id" if operation == "GetChange" else "HostedZoneId"].rpartition("/")[2]
    if operation == "ChangeResourceRecordSets":
        changes = params["ChangeBatch"]["Changes"]
        sets = [one["ResourceRecordSet"] for one in changes]
        key = "route53:ChangeResourceRecordSets"
        context |= {
            f"{key}NormalizedRecordNames": sorted({one["Name"].rstrip(".").lower() for one in sets}),
            f"{key}RecordTypes": sorted({one["Type"] for one in sets}),
            f"{key}Actions": sorted({one["Action"] for one in changes}),
        }
    yield Need(f"route53:{operation}", f"arn:{where.partition}:route53:::{kind}/{number}", context)


def _scheduler(operation: str, params: Any, where: Where, facts: Facts) -> Iterator[Need]:
    name = f"{params.get('GroupName', 'default')}/{params['Name']}"
    yield Need(f"scheduler:{operation}", where.arn("scheduler", f"schedule/{name}"))


def _cloudwatch(operation: str, params: Any, where: Where, facts: Facts) -> Iterator[Need]:
    if operation != "GetMetricStatistics":
        raise UnknownCall(f"cloudwatch:{operation} is not described in tests/iam/actions.py")
    yield Need(f"cloudwatch:{operation}", "*")


# TagResources also needs the permission of each resource's own service to add tags.
TAG_ACTIONS = {
    "secretsmanager": "secretsmanager:TagResource",
    "acm": "acm:AddTagsToCertificate",
    "ssm": "ssm:AddTagsToResource",
}


def _tagging(operation: str, params: Any, where: Where, facts: Facts) -> Iterator[Need]:
    yield Need(f"tag:{operation}", "*")
    for arn in params.get("ResourceARNList", []):
        action = TAG_ACTIONS.get(arn.split(":")[2])
        if action is None:
            raise UnknownCall(f"tags of {arn} are not described in tests/iam/actions.py")
        name = secret_name(arn) if action.startswith("secretsmanager") else arn
        yield Need(action, arn, {**_requested(params), **_existing(facts, where.region, name)})
