"""S3 in memory, with the rules that the emulators do not enforce; each rule with its source.

Sources: the service model that botocore ships ("model"), the API reference ("API") and the user guide ("guide").
"""

from __future__ import annotations

import os
import re
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from botocore.exceptions import ClientError

from tests.doubles.strict_aws import ACCOUNT, refuse


@dataclass
class Version:
    """A version of an object; without a body it is a delete marker."""

    id: str
    etag: str
    body: bytes | None
    metadata: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    key: str | None = None


@dataclass
class Bucket:
    """A bucket and the versions of its objects, newest last."""

    owner: str = ACCOUNT
    versioning: str | None = "Enabled"
    objects: dict[str, list[Version]] = field(default_factory=dict)


class StrictS3:
    """A client of S3."""

    def __init__(self) -> None:
        self.buckets: dict[str, Bucket] = {}
        self.keys: dict[str, str] = {}  # KMS keys: "usable", "denied" or "disabled"
        self.denied = False
        self.writes: list[str] = []
        self.lose_next_answer = False  # the SDK then sends the put again

    def head_object(self, *, Bucket: str, Key: str, ExpectedBucketOwner: str, VersionId: str = "") -> dict[str, Any]:
        try:
            found = self._current(self._bucket(Bucket, ExpectedBucketOwner, "HeadObject"), Key, VersionId)
        except ClientError as error:
            # API, HeadObject: the answer has no body, so that only the status tells the error
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            text = {403: "Forbidden", 404: "Not Found"}[status]
            raise refuse(str(status), "HeadObject", text, status) from None
        if found is None:
            raise refuse("404", "HeadObject", "Not Found", 404)
        head = {"ETag": found.etag, "Metadata": dict(found.metadata), "ContentLength": len(found.body or b"")}
        encrypted = {"SSEKMSKeyId": found.key, "ServerSideEncryption": "aws:kms"} if found.key else {}
        return {**head, **encrypted, **({"VersionId": found.id} if self.buckets[Bucket].versioning else {})}

    def get_bucket_versioning(self, *, Bucket: str, ExpectedBucketOwner: str) -> dict[str, Any]:
        status = self._bucket(Bucket, ExpectedBucketOwner, "GetBucketVersioning").versioning
        return {} if status is None else {"Status": status}  # API: absent if it was never enabled

    def get_object_tagging(self, *, Bucket: str, Key: str, ExpectedBucketOwner: str) -> dict[str, Any]:
        found = self._current(self._bucket(Bucket, ExpectedBucketOwner, "GetObjectTagging"), Key)
        if found is None:
            raise refuse("NoSuchKey", "GetObjectTagging", "The specified key does not exist.", 404)
        return {"TagSet": [{"Key": key, "Value": value} for key, value in found.tags.items()]}

    def put_object(
        self,
        *,
        Bucket: str,
        Key: str,
        Body: bytes,
        ExpectedBucketOwner: str,
        IfMatch: str | None = None,
        IfNoneMatch: str | None = None,
        Metadata: dict[str, str] | None = None,
        Tagging: str = "",
        ContentType: str = "",
        ServerSideEncryption: str | None = None,
        SSEKMSKeyId: str | None = None,
    ) -> dict[str, Any]:
        bucket = self._bucket(Bucket, ExpectedBucketOwner, "PutObject")
        if not 1 <= len(Key.encode()) <= 1_024:  # guide: object key names
            raise refuse("KeyTooLongError", "PutObject")
        _check_metadata(Metadata or {})
        tags = _tags(Tagging)
        if SSEKMSKeyId is not None and ServerSideEncryption != "aws:kms":  # API: x-amz-server-side-encryption
            raise refuse("InvalidArgument", "PutObject", "Server Side Encryption with AWS KMS is required")
        self._use_key(SSEKMSKeyId)
        self._check_condition(self._current(bucket, Key), IfMatch, IfNoneMatch)
        # guide, "Object versions": without versioning, or suspended, the version is "null" and is replaced
        number = uuid.uuid4().hex if bucket.versioning == "Enabled" else "null"
        etag = f'"{os.urandom(16).hex()}"'  # API, Object: not the MD5 of the content with SSE-KMS
        stored = [each for each in bucket.objects.get(Key, []) if each.id != number]
        new = Version(number, etag, Body, dict(Metadata or {}), tags, SSEKMSKeyId)
        bucket.objects[Key] = [*stored, new]
        self.writes.append("put")
        if self.lose_next_answer:
            self.lose_next_answer = False
            arguments = {"Body": Body, "IfMatch": IfMatch, "IfNoneMatch": IfNoneMatch, "Metadata": Metadata}
            encrypted = {"ServerSideEncryption": ServerSideEncryption, "SSEKMSKeyId": SSEKMSKeyId}
            owner = ExpectedBucketOwner
            return self.put_object(
                Bucket=Bucket, Key=Key, ExpectedBucketOwner=owner, Tagging=Tagging, **arguments, **encrypted
            )  # type: ignore[arg-type]
        return {"ETag": etag, **({"VersionId": number} if bucket.versioning else {})}

    def delete_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        """Put a delete marker."""
        self.buckets[Bucket].objects.setdefault(Key, []).append(Version(uuid.uuid4().hex, "", None))
        return {"DeleteMarker": True}

    def _bucket(self, name: str, owner: str, operation: str) -> Bucket:
        if name not in self.buckets:
            raise refuse("NoSuchBucket", operation, "The specified bucket does not exist", 404)
        # guide, "Verifying bucket ownership": 403 if the bucket is another account's
        if self.denied or self.buckets[name].owner != owner:
            raise refuse("AccessDenied", operation, "Access Denied", 403)
        return self.buckets[name]

    @staticmethod
    def _current(bucket: Bucket, key: str, version: str = "") -> Version | None:
        versions = [each for each in bucket.objects.get(key, []) if version in {"", each.id}]
        return versions[-1] if versions and versions[-1].body is not None else None

    @staticmethod
    def _check_condition(found: Version | None, match: str | None, none_match: str | None) -> None:
        """User guide, "How to prevent object overwrites with conditional writes"."""
        if none_match not in {None, "*"}:
            raise refuse("NotImplemented", "PutObject", "If-None-Match", 501)
        if none_match == "*" and found is not None:
            raise refuse("PreconditionFailed", "PutObject", "If-None-Match", 412)
        if match is not None and found is None:
            raise refuse("NoSuchKey", "PutObject", "The specified key does not exist.", 404)
        if match is not None and found is not None and found.etag != match:
            raise refuse("PreconditionFailed", "PutObject", "If-Match", 412)

    def _use_key(self, key: str | None) -> None:
        """Troubleshooting of SSE-KMS: the errors of KMS have its name, a refusal is that of S3."""
        match self.keys.get(key, "denied") if key else "usable":
            case "denied":
                message = "User is not authorized to perform: kms:GenerateDataKey on the resource"
                raise refuse("AccessDenied", "PutObject", message, 403)
            case "disabled":
                raise refuse("KMS.DisabledException", "PutObject", f"{key} is disabled.")


def _check_metadata(metadata: dict[str, str]) -> None:
    """User guide, "Working with object metadata": 2 KB, US-ASCII."""
    if sum(len(name) + len(value) for name, value in metadata.items()) > 2_048:
        raise refuse("MetadataTooLarge", "PutObject")
    if not all(text.isascii() and text.isprintable() for pair in metadata.items() for text in pair):
        raise refuse("InvalidArgument", "PutObject", "metadata")


def _tags(header: str) -> dict[str, str]:
    """API, PutObject: URL query parameters; user guide, "Object tagging": 10 tags and their characters."""
    pairs = parse_qsl(header, keep_blank_values=True, strict_parsing=bool(header))
    found = dict(pairs)
    if len(found) != len(pairs) or len(found) > 10:
        raise refuse("InvalidTag", "PutObject")
    for key, value in pairs:
        if not re.fullmatch(r"[\w\s+=.:/@-]{1,128}", key) or not re.fullmatch(r"[\w\s+=.:/@-]{0,256}", value):
            raise refuse("InvalidTag", "PutObject", key)
    return found
