"""Destination Amazon S3: one object per certificate in a versioned bucket of the operator, sealed by a KMS key.

The issuer function has no permission to decrypt objects, so that it cannot read stored private keys back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

from botocore.exceptions import ClientError
from pydantic import ValidationInfo, model_validator

from evercert.aws.clients import code, translated
from evercert.aws.tags import SECRET_PREFIX, STACK_TAG, tag_value
from evercert.contracts.destination import Delivered, Drift
from evercert.contracts.record import Delivery
from evercert.destinations.aws_account import require_owned, tags_of
from evercert.destinations.stored_value import KMS_KEY, StoredValue, ValueSettings, render
from evercert.documents.spec import Spec, text_of
from evercert.errors import Busy, Misconfigured
from evercert.pki.certificate import Bundle

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

    from evercert.destinations.context import DestinationContext

VALUE = "evercert-value"  # metadata: the id of the stored value
_ENDINGS = {"json": "json", "pem": "pem", "pkcs12": "p12"}
_TYPES = {"json": "application/json", "pem": "application/x-pem-file", "pkcs12": "application/x-pkcs12"}
_ABSENT = {"404", "NoSuchKey", "MethodNotAllowed"}
# Another client wrote the object after we looked at it. S3 user guide, "How to prevent object overwrites".
_CONTENDED = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409", *_ABSENT}


class S3:
    """Puts a new version of the object, which replaces the current one atomically."""

    class Settings(ValueSettings):
        """`bucket`: its name. `key`: by default `evercert/certificates/`, the certificate's name and an ending."""

        bucket: Annotated[str, text_of(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "write the name of a bucket")]
        key: Annotated[str, text_of(r"[A-Za-z0-9/_=.@-]{1,512}", "must have 1 to 512 letters, digits and / _ = . @ -")]
        kms_key: Annotated[str, text_of(KMS_KEY, "write the ARN of a KMS key")]

        @model_validator(mode="before")
        @classmethod
        def _by_the_certificate(cls, values: object, info: ValidationInfo) -> object:
            certificate = (info.context or {}).get("certificate")
            if isinstance(values, dict) and "key" not in values and certificate is not None:
                ending = _ENDINGS.get(str(values.get("format")), "json")
                return {**values, "key": f"{SECRET_PREFIX}{tag_value(certificate)}.{ending}"}
            return values

        @model_validator(mode="after")
        def _is_within_the_prefix(self) -> S3.Settings:
            if self.role is None and not self.key.startswith(SECRET_PREFIX):
                raise ValueError(f"invalid `key`: must begin with {SECRET_PREFIX}; IAM allows the issuer no other keys")
            if {"", ".", ".."} & set(self.key.split("/")):
                raise ValueError("invalid `key`: must not contain empty parts, . or .. between slashes")
            return self

        @property
        def place(self) -> str:
            """Return the place that two certificates must not share."""
            return f"s3 {self.bucket}/{self.key}"  # names of buckets are unique across accounts and regions

    def __init__(self, settings: Settings, certificate: str, context: DestinationContext) -> None:
        self._settings, self._certificate = settings, certificate
        self._client: S3Client = context.clients_of(settings.role, settings.region).s3
        self._owner, self._credentials = context.owner, context.credentials
        self.service = f"s3 {context.place(settings.role, settings.region)}"
        self._bucket: Any = {"Bucket": settings.bucket, "ExpectedBucketOwner": context.account(settings.role)}
        self._location = f"arn:{context.partition}:s3:::{settings.bucket}/{settings.key}"
        self._name = f"object {settings.key} in bucket {settings.bucket}"

    def check(self, spec: Spec) -> None:
        """Raise Rejected for a keystore without a key."""
        self._settings.check(spec)

    def preflight(self, spec: Spec, here: Delivery) -> None:  # noqa: ARG002 (any certificate may replace the current one)
        """Raise Misconfigured if a delivery would fail now."""
        self.inspect(here)

    def deliver(self, bundle: Bundle, here: Delivery) -> Delivered:
        """Store the bundle; do nothing if the current version has it already."""
        value = render(bundle, self._settings, self._certificate, self._credentials)
        found = self._head()
        if found is None:
            self._require_versioned()
        else:
            self._require_ours(here)
            if self._holds(found, value):
                return Delivered(self._location, found["VersionId"])
        return self._put(value, found, here)

    def examine(self, here: Delivery) -> Drift | None:
        """Compare the version. Only a new certificate replaces an earlier one, because none is ever read back."""
        found = self._head()
        if found is None:
            self._require_versioned()
            return Drift(f"{self._name} was deleted", gone=True)
        self._require_ours(here)
        if found.get("VersionId") == here.version:
            return None
        return Drift(f"{self._name} has another version, {found.get('VersionId')}")

    def inspect(self, here: Delivery) -> None:
        """Raise Misconfigured if the bucket is not versioned, or if the object is of another owner."""
        self._require_versioned()
        try:
            self._require_ours(here)
        except Misconfigured as error:
            if not isinstance(cause := error.__cause__, ClientError) or code(cause) not in _ABSENT:
                raise

    def _head(self) -> dict[str, Any] | None:
        with self._calling(f"look at {self._name}"):
            try:
                return dict(self._client.head_object(**self._bucket, Key=self._settings.key))
            except ClientError as error:
                if code(error) in _ABSENT:
                    return None
                raise

    def _require_versioned(self) -> None:
        """Raise Misconfigured without versions: a reader could not go back, and drift would not show."""
        with self._calling(f"look at bucket {self._settings.bucket}"):
            status = self._client.get_bucket_versioning(**self._bucket).get("Status")
        if status != "Enabled":
            raise self._unversioned()

    def _require_ours(self, here: Delivery) -> None:
        """Raise Misconfigured if the object is of another owner; one that was overwritten by hand has lost its tags."""
        with self._calling(f"read the tags of {self._name}"):
            found = self._client.get_object_tagging(**self._bucket, Key=self._settings.key)["TagSet"]
        tags = {tag["Key"]: tag.get("Value", "") for tag in found}
        if STACK_TAG not in tags and here.location == self._location:
            return
        adopt = f"use another key, or adopt it: evercert adopt {quote(self._certificate)} {self._location}"
        require_owned(tags, self._owner, self._certificate, self._name, adopt)

    @staticmethod
    def _holds(found: dict[str, Any], value: StoredValue) -> bool:
        return found.get("Metadata", {}).get(VALUE) == value.id and found.get("VersionId") not in {None, "null"}

    def _put(self, value: StoredValue, found: dict[str, Any] | None, here: Delivery) -> Delivered:
        """Put the value if the object is still the one that was found."""
        condition = {"IfNoneMatch": "*"} if found is None else {"IfMatch": found["ETag"]}
        with self._calling(f"store {self._name}"):
            try:
                version = self._client.put_object(**self._arguments(value), **condition).get("VersionId", "null")
            except ClientError as error:
                if code(error) not in _CONTENDED:
                    raise
                version = None
        if version is None:
            return self._after_a_contended_put(value, here)
        if version == "null":
            raise self._unversioned()
        return Delivered(self._location, version)

    def _arguments(self, value: StoredValue) -> Any:  # noqa: ANN401 (arguments of PutObject)
        return {
            **self._bucket,
            "Key": self._settings.key,
            "Body": value.data.encode() if isinstance(value.data, str) else value.data,
            "ContentType": _TYPES[self._settings.form],
            "Metadata": {VALUE: value.id},
            "ServerSideEncryption": "aws:kms",
            "SSEKMSKeyId": self._settings.kms_key,
            "Tagging": urlencode(tags_of(self._owner, self._certificate)),
        }

    def _after_a_contended_put(self, value: StoredValue, here: Delivery) -> Delivered:
        """Return our own version, whose answer was lost; else another client is writing."""
        found = self._head()
        if found is None or not self._holds(found, value):
            raise Busy(f"cannot store {self._name}: another client is changing it")
        self._require_ours(here)
        return Delivered(self._location, found["VersionId"])

    def _unversioned(self) -> Misconfigured:
        return Misconfigured(f"cannot use bucket {self._settings.bucket}: it has no versioning; enable it")

    @contextmanager
    def _calling(self, doing: str) -> Iterator[None]:
        """Translate errors of AWS; the answer to HEAD names no reason."""
        try:
            with translated(doing):
                yield
        except Misconfigured as error:
            if not isinstance(cause := error.__cause__, ClientError) or code(cause) not in {"403", "AccessDenied"}:
                raise
            fix = "list the bucket in the stack's parameter DestinationBuckets and its key in SecretKeys"
            raise Misconfigured(f"{error}; {fix}, and check the policies of both") from cause
