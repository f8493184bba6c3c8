"""Destination Parameter Store of AWS Systems Manager: one SecureString per certificate.

The issuer function cannot decrypt these parameters: the template denies it `kms:Decrypt` for them.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any, Literal

from botocore.exceptions import ClientError
from pydantic import AfterValidator, ValidationInfo, model_validator

from evercert.aws.clients import code, translated
from evercert.aws.tags import SECRET_PREFIX, tag_value
from evercert.contracts.destination import Delivered, Drift
from evercert.contracts.record import Delivery
from evercert.destinations.aws_account import require_owned, tags_of
from evercert.destinations.secret_value import least
from evercert.destinations.stored_value import StoredValue, ValueSettings, render
from evercert.documents.spec import Spec, text_of
from evercert.errors import Busy, Misconfigured, Rejected
from evercert.pki.certificate import Bundle

if TYPE_CHECKING:
    from types_boto3_ssm import SSMClient

    from evercert.destinations.context import DestinationContext

PREFIX = f"/{SECRET_PREFIX}"
STANDARD, ADVANCED = 4_096, 8_192  # characters. Systems Manager user guide, "Managing parameter tiers"
MOST_PAGES, PAGE = 4, 50  # a parameter has at most 100 versions
_TIERS = {"standard": "Standard", "advanced": "Advanced", "auto": "Intelligent-Tiering"}
SMALLER = "use `format: pem` or a key of algorithm EC_prime256v1, or another destination"
Tier = Literal["standard", "advanced", "auto"]


class SSMParameter:
    """Creates the parameter, or puts a new version, which replaces the current one atomically."""

    class Settings(ValueSettings):
        """`parameter`: its name, by default `/evercert/certificates/` and the certificate's name.

        `tier`: `standard`, `advanced`, or `auto`: advanced for values above 4 KiB.
        """

        parameter: Annotated[
            str, text_of(r"/[A-Za-z0-9/_.-]{1,900}", "must begin with / and have 2 to 901 letters, digits and / _ . -")
        ]
        tier: Annotated[Tier | None, AfterValidator(lambda tier: None if tier == "auto" else tier)] = None

        @model_validator(mode="before")
        @classmethod
        def _by_the_certificate(cls, values: object, info: ValidationInfo) -> object:
            certificate = (info.context or {}).get("certificate")
            if isinstance(values, dict) and "parameter" not in values and certificate is not None:
                return {**values, "parameter": f"{PREFIX}{tag_value(certificate)}"}
            return values

        @model_validator(mode="after")
        def _is_within_the_prefix(self) -> SSMParameter.Settings:
            if self.role is None and not self.parameter.startswith(PREFIX):
                raise ValueError(f"invalid `parameter`: must begin with {PREFIX}; IAM allows the issuer no other names")
            if {"", ".", ".."} & set(self.parameter[1:].split("/")):
                raise ValueError("invalid `parameter`: must not contain empty parts, . or .. between slashes")
            return self

        @property
        def most(self) -> int:
            """The largest value that the tier accepts."""
            return STANDARD if self.tier == "standard" else ADVANCED

        def check(self, spec: Spec) -> None:
            """Raise Rejected if the parameter can never hold the certificate; its chain is known once it is issued."""
            super().check(spec)
            size = least(spec, self.form) * (4 if self.form == "pkcs12" else 3) // 3
            if size > self.most:
                raise Rejected(
                    f"too large for a parameter: the value would have at least {size} bytes, and the tier accepts "
                    f"{self.most}; {SMALLER}"
                )

        @property
        def place(self) -> str:
            """Return the place that two certificates must not share."""
            return f"parameter {self.parameter}{self.elsewhere}"

    def __init__(self, settings: Settings, certificate: str, context: DestinationContext) -> None:
        self._settings, self._certificate = settings, certificate
        self._client: SSMClient = context.clients_of(settings.role, settings.region).ssm
        self._owner, self._credentials = context.owner, context.credentials
        self.service = f"ssm-parameter {context.place(settings.role, settings.region)}"
        region = settings.region or context.owner.region
        account = context.account(settings.role)
        self._location = f"arn:{context.partition}:ssm:{region}:{account}:parameter{settings.parameter}"
        self._name = f"parameter {settings.parameter}"

    def check(self, spec: Spec) -> None:
        """Raise Rejected if the parameter can never hold the certificate."""
        self._settings.check(spec)

    def preflight(self, spec: Spec, here: Delivery) -> None:  # noqa: ARG002 (any certificate may replace the current one)
        """Raise Misconfigured if a delivery would fail now."""
        self.inspect(here)

    def deliver(self, bundle: Bundle, here: Delivery) -> Delivered:  # noqa: ARG002 (a parameter is found by its name)
        """Store the bundle; do nothing if the current version has it already."""
        value = render(bundle, self._settings, self._certificate, self._credentials)
        if isinstance(value.data, bytes):
            value = StoredValue(b64encode(value.data).decode(), value.id)
        value.require_size(self._settings.most, self._name, SMALLER)
        found = self._get()
        if found is None:
            if (created := self._create(value)) is not None:
                return created
            found = self._get()
        if found is None:
            raise Busy(f"{self._name} is being created and deleted at the same time; evercert retries later")
        self._require_ours(found)
        if self._description(found.get("Version")) == _description(value):
            return Delivered(self._location, str(found.get("Version")))
        with translated(f"store a new version of {self._name}"):
            answer = self._client.put_parameter(**self._arguments(value), Overwrite=True)
        return Delivered(self._location, str(answer["Version"]))

    def examine(self, here: Delivery) -> Drift | None:
        """Compare the version. Only a new certificate replaces an earlier one, because none is ever decrypted."""
        found = self._get()
        if found is None:
            return Drift(f"{self._name} was deleted", gone=True)
        self._require_ours(found)
        version = str(found.get("Version"))
        return None if version == here.version else Drift(f"{self._name} has another version, {version}")

    def inspect(self, here: Delivery) -> None:  # noqa: ARG002 (a parameter is found by its name)
        """Raise Misconfigured if the parameter exists and is not this stack's; a missing one will be created."""
        tags = self._tags()
        if tags or (tags is not None and self._get() is not None):
            self._require_owner(tags)

    def _get(self) -> dict[str, Any] | None:
        """Return the current version, still encrypted, or None."""
        with translated(f"look at {self._name}"), _absent():
            return dict(self._client.get_parameter(Name=self._settings.parameter)["Parameter"])
        return None

    def _description(self, version: int | None) -> str | None:
        """Return the description of a version, which identifies its value; only the history has it."""
        start: dict[str, str] = {}
        for _ in range(MOST_PAGES):
            with translated(f"read the history of {self._name}"):
                page = self._client.get_parameter_history(Name=self._settings.parameter, MaxResults=PAGE, **start)  # type: ignore[arg-type]
            for entry in page["Parameters"]:
                if entry.get("Version") == version:
                    return entry.get("Description")
            if not page.get("NextToken"):
                break
            start = {"NextToken": page["NextToken"]}
        return None

    def _arguments(self, value: StoredValue) -> Any:  # noqa: ANN401 (arguments of PutParameter)
        """Return the arguments of create and put; without a key, PutParameter would use the default one again."""
        key = self._settings.kms_key
        return {
            "Name": self._settings.parameter,
            "Description": _description(value),
            "Value": value.data,
            "Type": "SecureString",
            "Tier": _TIERS[self._settings.tier or "auto"],
            **({} if key is None else {"KeyId": key}),
        }

    def _create(self, value: StoredValue) -> Delivered | None:
        """Create the parameter; return None if it already exists, for example after a lost response."""
        tags: Any = [{"Key": key, "Value": text} for key, text in tags_of(self._owner, self._certificate).items()]
        with translated(f"create {self._name}"):
            try:
                answer = self._client.put_parameter(**self._arguments(value), Overwrite=False, Tags=tags)
            except ClientError as error:
                if code(error) == "ParameterAlreadyExists":
                    return None
                raise
        return Delivered(self._location, str(answer["Version"]))

    def _require_ours(self, found: dict[str, Any]) -> None:
        """Raise Misconfigured for a parameter of another owner, and for one whose type cannot be changed."""
        self._require_owner(self._tags() or {})
        if found.get("Type") != "SecureString":
            kind = found.get("Type")
            raise Misconfigured(f"cannot write {self._name}: it is a {kind}, not a SecureString; delete it")

    def _require_owner(self, tags: dict[str, str]) -> None:
        adopt = f"use another name, or adopt it: evercert adopt {quote(self._certificate)} {self._location}"
        require_owned(tags, self._owner, self._certificate, self._name, adopt)

    def _tags(self) -> dict[str, str] | None:
        """Return the tags, or None if the parameter does not exist."""
        named = self._settings.parameter
        with translated(f"read the tags of {self._name}"):
            try:
                answer = self._client.list_tags_for_resource(ResourceType="Parameter", ResourceId=named)
            except ClientError as error:
                if code(error) == "InvalidResourceId":
                    return None
                raise
        return {tag["Key"]: tag.get("Value", "") for tag in answer.get("TagList", [])}


def _description(value: StoredValue) -> str:
    return f"Certificate and private key, kept by evercert; value {value.id}"


@contextmanager
def _absent() -> Iterator[None]:
    """Ignore that the parameter does not exist."""
    try:
        yield
    except ClientError as error:
        if code(error) != "ParameterNotFound":
            raise
