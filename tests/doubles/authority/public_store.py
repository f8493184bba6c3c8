"""Stores of public files in memory: the port, and S3 with the rules that matter for conditional writes."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from evercert.authority.ca.public_files import PublicFile
from tests.doubles.strict_aws import refuse


class FakePublicStore:
    """The store of the port; each exception in `trouble` is raised once instead."""

    def __init__(self) -> None:
        self.files: dict[str, PublicFile] = {}
        self.trouble: list[Exception] = []
        self.puts: list[str] = []
        self._lock = threading.Lock()

    def put(self, file: PublicFile) -> bool:
        with self._lock:
            self.puts.append(file.path)
            if self.trouble:
                raise self.trouble.pop(0)
            found = self.files.get(file.path)
            if found is not None and (found.number > file.number or found.content == file.content):
                return False
            self.files[file.path] = file
            return True


@dataclass
class _Object:
    content: bytes
    etag: str
    headers: dict[str, Any]
    modified: datetime


class StrictS3:
    """A bucket with SSE-S3 for a role that has s3:GetObject and s3:PutObject, but not s3:ListBucket.

    "Guide": Amazon S3 User Guide, "Add preconditions to S3 operations"; "API": references of the operations.
    """

    LARGEST = 5 * 2**30  # API, PutObject: a single part
    BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")  # Guide, bucket naming rules

    def __init__(self) -> None:
        self.objects: dict[str, _Object] = {}
        self.writes = 0
        self.readable = True
        self.lists = False  # whether the role has s3:ListBucket
        self.versioning: str | None = "Enabled"  # API, GetBucketVersioning: no Status if it was never set
        self.before_put: Callable[[], None] | None = None  # another writer; runs once
        self.conflicts = 0  # how many writes meet one that is still running

    def get_bucket_versioning(self, *, Bucket: str) -> dict[str, Any]:
        self._check(Bucket, "any")
        return {"Status": self.versioning} if self.versioning else {}

    def head_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        self._check(Bucket, Key)
        found = self.objects.get(Key)
        if found is None or not self.readable:
            # API, HeadObject: 403 for a missing object without s3:ListBucket; a HEAD has no body with a code
            status = 404 if self.lists else 403
            raise refuse(str(status), "HeadObject", "Forbidden", status)
        return {
            "ETag": found.etag,
            "ContentLength": len(found.content),
            "LastModified": found.modified,
            **found.headers,
        }

    def put_object(
        self,
        *,
        Bucket: str,
        Key: str,
        Body: bytes,
        ContentType: str,
        CacheControl: str,
        Metadata: dict[str, str],
        IfMatch: str | None = None,
        IfNoneMatch: str | None = None,
    ) -> dict[str, Any]:
        self._check(Bucket, Key)
        if self.before_put is not None:
            act, self.before_put = self.before_put, None
            act()
        assert len(Body) <= self.LARGEST
        assert sum(len(key) + len(value) for key, value in Metadata.items()) <= 2048  # API: user-defined metadata
        if self.conflicts:
            self.conflicts -= 1
            # Guide: "409 Conflict … if a conflicting operation occurs during the upload"
            raise refuse("ConditionalRequestConflict", "PutObject", status=409)
        self._require(self.objects.get(Key), IfMatch, IfNoneMatch)
        headers = {"ContentType": ContentType, "CacheControl": CacheControl, "Metadata": Metadata}
        etag = f'"{hashlib.md5(Body, usedforsecurity=False).hexdigest()}"'  # API, Object: ETag with SSE-S3
        self.objects[Key] = _Object(Body, etag, headers, datetime.now(UTC))
        self.writes += 1
        return {"ETag": etag}

    def _require(self, found: _Object | None, matches: str | None, none_matches: str | None) -> None:
        assert (matches is None) != (none_matches is None), "an unconditional write could replace a newer file"
        if none_matches is not None:
            assert none_matches == "*"  # Guide: "If-None-Match expects the * character"
            if found is not None:
                raise refuse("PreconditionFailed", "PutObject", status=412)
        elif found is None:
            raise refuse("NoSuchKey", "PutObject", status=404)  # Guide: If-Match of a missing object
        elif found.etag != matches:
            raise refuse("PreconditionFailed", "PutObject", status=412)

    def _check(self, bucket: str, key: str) -> None:
        assert self.BUCKET.fullmatch(bucket), bucket
        assert 0 < len(key.encode()) <= 1024, key  # Guide, object key names
        assert not key.startswith("/"), key  # a client asks for /path, which names the key "path"
