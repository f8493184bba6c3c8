"""S3: the object that is the published report."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from evercert.aws.clients import translated

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


class S3ReportBucket:
    """One object in a bucket of the operator; each report replaces the previous one."""

    def __init__(self, client: S3Client, bucket: str, key: str) -> None:
        self._client = client
        self._bucket = bucket
        self._key = key

    def put(self, pieces: Iterable[str]) -> int:
        """Write the page; return its size in bytes. Raises Unavailable or Misconfigured."""
        body = "".join(pieces).encode("ascii")
        with translated(f"store the report as {self._key} in bucket {self._bucket}"):
            self._client.put_object(
                Bucket=self._bucket,
                Key=self._key,
                Body=body,
                ContentType="text/html; charset=utf-8",
                CacheControl="no-cache",  # a browser asks whether there is a newer one
                ServerSideEncryption="AES256",  # a KMS key would need permissions on it, here and for each reader
            )
        return len(body)
