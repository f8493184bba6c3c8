"""Check of `doctor` for the bucket of CRLs and CA certificates: it exists, keeps versions, and has the latest CRLs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from evercert.authority.ca.public_files import crl_file
from evercert.aws.authority.public_bucket import key_of, number_of
from evercert.aws.clients import code
from evercert.cli import terminal
from evercert.cli.doctor.stack_checks import Check, CheckFunction

if TYPE_CHECKING:
    from evercert.authority.ca.public_files import PublicFile
    from evercert.cli.authority.connection import AuthorityConnection

TITLE = "bucket"
STALE = timedelta(days=2)
_MISSING = {"404", "NoSuchKey"}
_UNSEEN = "403"  # a HEAD has no body, so S3 sends no other code


def of_bucket(found: AuthorityConnection) -> dict[str, CheckFunction]:
    """Return the check by name; empty for a stack of an older template, which has no bucket."""
    bucket = found.connection.outputs.get("AuthorityBucket")
    return {} if bucket is None else {TITLE: partial(_bucket, found, bucket)}


def _bucket(found: AuthorityConnection, bucket: str) -> list[Check]:
    try:
        versioning = found.clients.s3.get_bucket_versioning(Bucket=bucket).get("Status")
    except ClientError as error:
        if code(error) != "NoSuchBucket":
            raise
        remedy = "create it under this name with the settings in template.yaml: certificates name its files"
        return [Check(TITLE, "failed", f"there is no bucket {bucket}", remedy)]
    problems = list(_problems(found, bucket, terminal.now()))
    if versioning != "Enabled":
        command = f"aws s3api put-bucket-versioning --bucket {bucket} --versioning-configuration Status=Enabled"
        problems.insert(0, Check(TITLE, "warning", f"{bucket} keeps no earlier versions", command))
    return problems or [Check(TITLE, "ok", "has the latest CRLs")]


def _problems(found: AuthorityConnection, bucket: str, now: datetime) -> Iterator[Check]:
    for ca in found.configuration.cas():
        der = found.certificates.published(ca.id)
        if der is not None:
            yield from _copy(found, bucket, f"the CRL of CA {ca.name}", crl_file(ca.id, der, now), now)


def _copy(found: AuthorityConnection, bucket: str, what: str, file: PublicFile, now: datetime) -> Iterator[Check]:
    """Compare a file in the bucket with the table, which is its source."""
    try:
        head = found.clients.s3.head_object(Bucket=bucket, Key=key_of(file))
    except ClientError as error:
        if code(error) in _MISSING:
            yield Check(TITLE, "failed", f"lacks {what}: clients that require it refuse certificates", _remedy(found))
        elif code(error) == _UNSEEN:
            yield Check(
                TITLE, "unknown", f"you lack the permission to read {what}", "request s3:GetObject and s3:ListBucket"
            )
        else:
            raise
        return
    number = number_of(head)
    if number is None or number < file.number:
        age = max(now - head["LastModified"], timedelta())
        copy = f"has an outdated copy of {what}, {age // timedelta(hours=1)} h old"
        yield Check(TITLE, "failed" if age > STALE else "warning", copy, _remedy(found))


def _remedy(found: AuthorityConnection) -> str:
    function = found.connection.output("AuthorityFunction")
    invoke = f'aws lambda invoke --function-name {function} --payload \'{{"task": "files"}}\''
    return f"search the authority's log for uncopied, then: {invoke} --cli-binary-format raw-in-base64-out /dev/stdout"
