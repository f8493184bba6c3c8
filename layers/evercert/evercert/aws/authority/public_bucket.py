"""S3: the bucket of CRLs and CA certificates, written conditionally so that no older file replaces a newer one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from evercert.authority.ca.public_files import PublicFile
from evercert.aws.authority.crls import FARTHEST
from evercert.aws.clients import code, translated
from evercert.errors import Misconfigured, Unavailable

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

ROUNDS = 4  # a round fails only if a concurrent writer changes the object
# Without s3:ListBucket, which the front does not need, S3 answers 403 for a missing object.
_NOT_READABLE = {"403", "404", "NoSuchKey"}
_OVERTAKEN = {"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"}  # of a conditional write
_NUMBER = re.compile("[0-9]{1,15}")


@dataclass(frozen=True)
class _Stored:
    """An object: its entity tag and the number in its metadata, None after a manual edit."""

    etag: str
    number: int | None

    def supersedes(self, file: PublicFile) -> bool:
        """Return whether the object is this file or a newer one; a number in the far future is a manual edit."""
        if self.number is None or self.number > file.number + FARTHEST:
            return False
        return self.number > file.number or (self.number == file.number and self.etag == _etag(file.content))


class S3PublicStore:
    """One object per file; its key is the path in the certificates."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def put(self, file: PublicFile) -> bool:
        """Compare with the stored object, then write only if that object is unchanged."""
        stored = None
        for _ in range(ROUNDS):
            stored = self._stored(file)
            if stored is not None and stored.supersedes(file):
                return False
            if self._written(file, stored):
                return True
        problem = f"cannot store {file.path} in bucket {self._bucket}"
        if stored is None:
            raise Misconfigured(f"{problem}: it exists, but the role may not read it; allow s3:GetObject")
        raise Unavailable(f"{problem}: other calls interfered; the daily task tries again")

    def _stored(self, file: PublicFile) -> _Stored | None:
        """Return the object, or None if it is missing or unreadable."""
        with translated(f"read {file.path} in bucket {self._bucket}"):
            try:
                head = self._client.head_object(Bucket=self._bucket, Key=key_of(file))
            except ClientError as error:
                if code(error) in _NOT_READABLE:
                    return None
                raise
        return _Stored(head["ETag"], number_of(head))

    def _written(self, file: PublicFile, stored: _Stored | None) -> bool:
        """Write the object; return False if another writer was faster."""
        condition: dict[str, Any] = {"IfNoneMatch": "*"} if stored is None else {"IfMatch": stored.etag}
        with translated(f"store {file.path} in bucket {self._bucket}"):
            try:
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=key_of(file),
                    Body=file.content,
                    ContentType=file.kind,
                    CacheControl=file.cache_control,
                    Metadata={"number": str(file.number)},
                    **condition,
                )
            except ClientError as error:
                if code(error) in _OVERTAKEN:
                    return False
                raise
        return True


def number_of(head: Mapping[str, Any]) -> int | None:
    """Return the number of a stored file, or None after a manual edit."""
    number = _NUMBER.fullmatch(head.get("Metadata", {}).get("number", ""))
    return int(number[0]) if number else None


def key_of(file: PublicFile) -> str:
    """Return the key of the object that is the file."""
    return file.path.removeprefix("/")


def _etag(content: bytes) -> str:
    """Return the entity tag that S3 gives an object with SSE-S3, written in one part."""
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
