"""Destination AWS Secrets Manager: one secret per certificate, with the whole bundle as one value."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

from botocore.exceptions import ClientError
from pydantic import ValidationInfo, model_validator

from evercert.aws.clients import code, translated
from evercert.aws.tags import SECRET_PREFIX, tag_value
from evercert.contracts.destination import Delivered, Drift
from evercert.contracts.record import Delivery
from evercert.destinations.aws_account import require_owned, tags_of
from evercert.destinations.secret_value import MAX_SECRET_BYTES, estimate
from evercert.destinations.stored_value import StoredValue, ValueSettings, render
from evercert.documents.secret_reference import SECRETS
from evercert.documents.spec import Spec, text_of
from evercert.errors import Busy, Misconfigured, Rejected
from evercert.pki.certificate import Bundle

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

    from evercert.destinations.context import DestinationContext


class SecretsManager:
    """Creates the secret, or puts a new version that becomes AWSCURRENT atomically."""

    class Settings(ValueSettings):
        """`secret`: its name, by default `evercert/certificates/` and the certificate's name."""

        secret: Annotated[
            str, text_of(r"[A-Za-z0-9/_+=.@-]{1,512}", "must have 1 to 512 letters, digits and / _ + = . @ -")
        ]

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
            # Secrets Manager accepts such names, but tools that mount secrets as files would resolve them as paths.
            if {".", ".."} & set(self.secret.split("/")):
                raise ValueError("invalid secret name: must not contain . or .. between slashes")
            return self

        def check(self, spec: Spec) -> None:
            """Raise Rejected if the estimated value exceeds the size limit of a secret."""
            super().check(spec)
            size = estimate(spec, self.form)
            if size > MAX_SECRET_BYTES:
                raise Rejected(
                    f"too many names ({len(spec.attributes.identifiers)}): the secret would have about {size} bytes, "
                    f"and Secrets Manager accepts {MAX_SECRET_BYTES}; split the certificate"
                )

        @property
        def place(self) -> str:
            """Return the place that two certificates must not share."""
            return f"secret {self.secret}{self.elsewhere}"

    def __init__(self, settings: Settings, certificate: str, context: DestinationContext) -> None:
        self._settings, self._secret = settings, settings.secret
        self._key: dict[str, str] = {} if settings.kms_key is None else {"KmsKeyId": settings.kms_key}
        self._client: SecretsManagerClient = context.clients_of(settings.role, settings.region).secretsmanager
        self.service = f"secrets-manager {context.place(settings.role, settings.region)}"
        self._owner, self._certificate = context.owner, certificate
        self._credentials = context.credentials

    def check(self, spec: Spec) -> None:
        """Raise Rejected if the secret can never hold the certificate."""
        self._settings.check(spec)

    def deliver(self, bundle: Bundle, here: Delivery) -> Delivered:  # noqa: ARG002 (a secret is found by its name)
        """Store the bundle; do nothing if this version is already current."""
        value = render(bundle, self._settings, self._certificate, self._credentials)
        value.require_size(MAX_SECRET_BYTES, f"secret {self._secret}")
        found = self._describe()
        if found is None:
            created = self._create(value)
            if created is not None:
                return created
            found = self._describe()
        if found is None:
            raise Busy(f"secret {self._secret} is being created and deleted at the same time; evercert retries later")
        self._require_ours(found)
        if "DeletedDate" in found:
            self._restore()
        return self._put(found, value)

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

    def _create(self, value: StoredValue) -> Delivered | None:
        """Create the secret; return None if it already exists, for example after a lost response."""
        with translated(f"create secret {self._secret}"):
            try:
                answer = self._client.create_secret(
                    Name=self._secret,
                    ClientRequestToken=value.id,
                    Description="Certificate and private key, kept by evercert",
                    Tags=[
                        {"Key": key, "Value": value} for key, value in tags_of(self._owner, self._certificate).items()
                    ],
                    **_content(value),
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

    def _put(self, found: dict[str, Any], value: StoredValue) -> Delivered:
        versions: dict[str, list[str]] = found.get("VersionIdsToStages", {})
        with self._writing(f"store a new version of secret {self._secret}"):
            if "AWSCURRENT" in versions.get(value.id, []):
                return Delivered(found["ARN"], value.id)
            if value.id in versions:
                # The version exists, but its stage was moved. AWS would ignore another put with the same token.
                self._make_current(found, value.id)
                return Delivered(found["ARN"], value.id)
            stages = self._put_version(value)
        if "AWSCURRENT" not in stages:
            # Secrets Manager has a version with this token but without labels, which DescribeSecret does not show.
            found = self._describe() or found
            if "AWSCURRENT" not in found.get("VersionIdsToStages", {}).get(value.id, []):
                self._make_current(found, value.id)
        return Delivered(found["ARN"], value.id)

    def _put_version(self, value: StoredValue) -> list[str]:
        """Return the labels of the new version; none if a version of this token exists.

        The salts of PKCS #12 make its bytes differ, so that AWS refuses them instead of ignoring the repeated put.
        """
        try:
            answer = self._client.put_secret_value(
                SecretId=self._secret, ClientRequestToken=value.id, **_content(value)
            )
        except ClientError as error:
            if code(error) == "ResourceExistsException":
                return []
            raise
        return answer.get("VersionStages", [])

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


def _content(value: StoredValue) -> Any:  # noqa: ANN401 (arguments of put and create)
    return {"SecretString" if isinstance(value.data, str) else "SecretBinary": value.data}
