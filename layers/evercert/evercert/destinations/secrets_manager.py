"""Destination AWS Secrets Manager: one secret per certificate, with the whole bundle as one JSON value."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any
from uuid import NAMESPACE_URL, uuid5

from botocore.exceptions import ClientError
from pydantic import AfterValidator, ValidationInfo, model_validator

from evercert.aws.clients import code, translated
from evercert.aws.tags import SECRET_PREFIX, tag_value
from evercert.canonical_json import canonical_json, digest
from evercert.contracts.destination import Delivered, Drift
from evercert.contracts.record import Delivery
from evercert.destinations.aws_account import InAccount, require_owned, tags_of
from evercert.destinations.secret_value import MAX_SECRET_BYTES, estimate, value
from evercert.documents.secret_reference import SECRETS
from evercert.documents.spec import Spec, text_of
from evercert.errors import Busy, Misconfigured, Rejected
from evercert.pki.certificate import Bundle

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

    from evercert.destinations.context import DestinationContext

KMS_KEY = r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]{1,64}"


class SecretsManager:
    """Creates the secret, or puts a new version that becomes AWSCURRENT atomically."""

    class Settings(InAccount):
        """`secret`: its name, by default `evercert/certificates/` and the certificate's name.

        `omit-root: false` keeps the root in the chain, for peers that require it. `kms-key`: encrypts a new secret.
        """

        secret: Annotated[
            str, text_of(r"[A-Za-z0-9/_+=.@-]{1,512}", "must have 1 to 512 letters, digits and / _ + = . @ -")
        ]

        kms_key: Annotated[str, text_of(KMS_KEY, "write the ARN of a KMS key")] | None = None

        # The default is stored as None, so that destinations of older documents keep their identity.
        omit_root: Annotated[bool | None, AfterValidator(lambda omit: False if omit is False else None)] = None

        @model_validator(mode="before")
        @classmethod
        def _by_the_certificate(cls, values: object, info: ValidationInfo) -> object:
            certificate = (info.context or {}).get("certificate")
            if isinstance(values, dict) and "secret" not in values and certificate is not None:
                return {**values, "secret": f"{SECRET_PREFIX}{tag_value(certificate)}"}
            return values

        @model_validator(mode="after")
        def _is_no_credential(self) -> SecretsManager.Settings:
            if self.secret.startswith(SECRETS):
                raise ValueError(f"invalid secret name: {SECRETS} is reserved for credentials")
            if self.kms_key and self.region not in {None, self.kms_key.split(":")[3]}:
                raise ValueError(f"`kms-key` must be a key in {self.region}, the region of the secret")
            # Secrets Manager accepts such names, but tools that mount secrets as files would resolve them as paths.
            if {".", ".."} & set(self.secret.split("/")):
                raise ValueError("invalid secret name: must not contain . or .. between slashes")
            return self

        @property
        def place(self) -> str:
            """Return the place that two certificates must not share."""
            return f"secret {self.secret}{self.elsewhere}"

    def __init__(self, settings: Settings, certificate: str, context: DestinationContext) -> None:
        self._secret = settings.secret
        self._omit_root = settings.omit_root is not False
        self._key: dict[str, str] = {} if settings.kms_key is None else {"KmsKeyId": settings.kms_key}
        self._client: SecretsManagerClient = context.clients_of(settings.role, settings.region).secretsmanager
        self.service = f"secrets-manager {context.place(settings.role, settings.region)}"
        self._owner, self._certificate = context.owner, certificate

    @staticmethod
    def check(spec: Spec) -> None:
        """Raise Rejected if the estimated value exceeds the size limit of a secret."""
        size = estimate(spec)
        if size > MAX_SECRET_BYTES:
            raise Rejected(
                f"too many names ({len(spec.attributes.identifiers)}): the secret would have about {size} bytes, and "
                f"Secrets Manager accepts {MAX_SECRET_BYTES}; split the certificate"
            )

    def deliver(self, bundle: Bundle, here: Delivery) -> Delivered:  # noqa: ARG002 (a secret is found by its name)
        """Store the bundle; do nothing if this version is already current."""
        content = value(bundle, omit_root=self._omit_root)
        text = canonical_json(content)
        if len(text) > MAX_SECRET_BYTES:
            raise Rejected(
                f"bundle too large for secret {self._secret}: {len(text)} bytes of at most {MAX_SECRET_BYTES}"
            )
        token = str(uuid5(NAMESPACE_URL, digest(content)))
        found = self._describe()
        if found is None:
            created = self._create(text, token)
            if created is not None:
                return created
            found = self._describe()
        if found is None:
            raise Busy(f"secret {self._secret} is being created and deleted at the same time; evercert retries later")
        self._require_ours(found)
        if "DeletedDate" in found:
            self._restore()
        return self._put(found, text, token)

    def examine(self, here: Delivery) -> Drift | None:
        """Compare the stages, without reading the value; move AWSCURRENT back if the version still exists."""
        found = self._describe()
        if found is None:
            return Drift(f"secret {self._secret} was deleted", gone=True)
        self._require_ours(found)
        if "DeletedDate" in found:
            self._restore()
            return Drift(f"secret {self._secret} was scheduled for deletion; it was restored")
        stages = found.get("VersionIdsToStages", {}).get(here.version)
        if stages is None:
            return Drift(f"version {here.version} of secret {self._secret} is missing")
        if "AWSCURRENT" in stages:
            return None
        self._make_current(found, here.version)
        return Drift(
            f"secret {self._secret} was at another version",
            repaired="the delivered version is current again",
        )

    def inspect(self, here: Delivery) -> None:  # noqa: ARG002 (a secret is found by its name)
        """Raise Misconfigured if the secret exists and is not this stack's; a missing one will be created."""
        if (found := self._describe()) is not None:
            self._require_ours(found)

    def _restore(self) -> None:
        """Restore a secret that is scheduled for deletion although the spec still needs it."""
        with self._writing(f"restore secret {self._secret}, which is scheduled for deletion,"):
            self._client.restore_secret(SecretId=self._secret)

    def _describe(self) -> dict[str, Any] | None:
        with translated(f"read secret {self._secret}"):
            try:
                return dict(self._client.describe_secret(SecretId=self._secret))
            except ClientError as error:
                if code(error) == "ResourceNotFoundException":
                    return None
                raise

    def _create(self, text: str, token: str) -> Delivered | None:
        """Create the secret; return None if it already exists, for example after a lost response."""
        with translated(f"create secret {self._secret}"):
            try:
                answer = self._client.create_secret(
                    Name=self._secret,
                    ClientRequestToken=token,
                    SecretString=text,
                    Description="Certificate and private key, kept by evercert",
                    Tags=[
                        {"Key": key, "Value": value} for key, value in tags_of(self._owner, self._certificate).items()
                    ],
                    **self._key,  # type: ignore[arg-type]
                )
            except ClientError as error:
                if code(error) == "ResourceExistsException":
                    return None
                raise
        return Delivered(answer["ARN"], answer["VersionId"])

    def _require_ours(self, found: dict[str, Any]) -> None:
        """Raise Misconfigured for a replica, which has the tags of its primary, and for a secret of another owner."""
        region, primary = found["ARN"].split(":")[3], found.get("PrimaryRegion")
        if primary not in (None, region):
            raise Misconfigured(
                f"secret {self._secret} in {region} is a replica, which cannot be written; write region: {primary} in "
                "the destination, because Secrets Manager copies the value to the replicas"
            )
        tags = {tag["Key"]: tag.get("Value", "") for tag in found.get("Tags", [])}
        adopt = f"use another name, or adopt it: evercert adopt {quote(self._certificate)} {self._secret}"
        require_owned(tags, self._owner, self._certificate, f"secret {self._secret}", adopt)

    def _put(self, found: dict[str, Any], text: str, token: str) -> Delivered:
        versions: dict[str, list[str]] = found.get("VersionIdsToStages", {})
        with self._writing(f"store a new version of secret {self._secret}"):
            if "AWSCURRENT" in versions.get(token, []):
                return Delivered(found["ARN"], token)
            if token in versions:
                # The version exists, but its stage was moved. AWS would ignore another put with the same token.
                self._make_current(found, token)
                return Delivered(found["ARN"], token)
            answer = self._client.put_secret_value(SecretId=self._secret, ClientRequestToken=token, SecretString=text)
        if "AWSCURRENT" not in answer.get("VersionStages", []):
            # Secrets Manager has a version with this token but without labels, which DescribeSecret does not show.
            found = self._describe() or found
            if "AWSCURRENT" not in found.get("VersionIdsToStages", {}).get(token, []):
                self._make_current(found, token)
        return Delivered(answer["ARN"], answer["VersionId"])

    @staticmethod
    @contextmanager
    def _writing(doing: str) -> Iterator[None]:
        """Translate errors of AWS; a replica in another account shows only when it is written."""
        try:
            with translated(doing):
                yield
        except (Rejected, Misconfigured) as error:
            if "replica" not in str(error).lower():
                raise
            raise Misconfigured(
                f"{error}; write to the primary secret: set region or role in the destination"
            ) from error

    def _make_current(self, found: dict[str, Any], version: str) -> None:
        stages: dict[str, list[str]] = found.get("VersionIdsToStages", {})
        current = next((other for other, held in stages.items() if "AWSCURRENT" in held), None)
        remove = {} if current is None else {"RemoveFromVersionId": current}
        with self._writing(f"make our version of secret {self._secret} current again"):
            self._client.update_secret_version_stage(
                SecretId=self._secret, VersionStage="AWSCURRENT", MoveToVersionId=version, **remove
            )
