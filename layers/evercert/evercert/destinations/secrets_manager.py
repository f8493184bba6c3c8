"""One secret per certificate: the bundle as one JSON value, so that no reader sees half of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import NAMESPACE_URL, uuid5

from botocore.exceptions import ClientError
from pydantic import AfterValidator, ValidationInfo, model_validator

from evercert.aws.clients import code, translated
from evercert.aws.tags import CERTIFICATE_TAG, SECRET_PREFIX, STACK_TAG, tag_value
from evercert.canonical_json import canonical_json, digest
from evercert.contracts.destination import Delivered, Drift
from evercert.contracts.record import Delivery
from evercert.destinations.aws_account import InAccount
from evercert.documents.secret_reference import SECRETS
from evercert.documents.spec import Spec, text_of
from evercert.errors import Busy, Misconfigured, Rejected
from evercert.pki.certificate import Bundle, to_pem
from evercert.pki.keys import subject

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

    from evercert.destinations.context import DestinationContext

LARGEST_SECRET = 65_536
_CHAIN_ALLOWANCE = 8_192  # room for the issuers' certificates, which are not known yet
_REST = 1_500  # field names, facts, and the PEM of an EC key; one of RSA has fewer bytes than bits


class SecretsManager:
    """Creates the secret, or puts a new version that becomes AWSCURRENT at once and whole."""

    class Settings(InAccount):
        """`secret`: its name; without it, `evercert/certificates/` and the certificate's name.

        `omit-root: false` keeps the root in the chain, for peers that cannot do without.
        """

        secret: Annotated[
            str, text_of(r"[A-Za-z0-9/_+=.@-]{1,512}", "a secret has 1 to 512 letters, digits and / _ + = . @ -")
        ]

        # Only what differs from the default is kept, so that destinations of older documents stay the same ones.
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
                raise ValueError(f"secrets under {SECRETS} hold credentials, and no certificate")
            # Secrets Manager takes dots as they are written; what mounts secrets as files does not.
            if {".", ".."} & set(self.secret.split("/")):
                raise ValueError("a secret's name has no . and no .. between its slashes")
            return self

        @property
        def place(self) -> str:
            """What two certificates must not share."""
            return f"secret {self.secret}{self.elsewhere}"

    def __init__(self, settings: Settings, certificate: str, context: DestinationContext) -> None:
        self._secret = settings.secret
        self._omit_root = settings.omit_root is not False
        self._client: SecretsManagerClient = context.clients_of(settings.role, settings.region).secretsmanager
        self.service = f"secrets-manager {context.place(settings.role, settings.region)}"
        self._tags = {STACK_TAG: context.stack, CERTIFICATE_TAG: tag_value(certificate)}

    @staticmethod
    def check(spec: Spec) -> None:
        """The value must fit into a secret, and only the names can make it too large."""
        size = _estimate(spec)
        if size > LARGEST_SECRET:
            raise Rejected(
                f"its {len(spec.attributes.identifiers)} names make a secret of about {size} bytes; "
                f"Secrets Manager takes {LARGEST_SECRET}: split the certificate"
            )

    def deliver(self, bundle: Bundle, here: Delivery) -> Delivered:  # noqa: ARG002 (a secret is found by its name)
        """Looks first: a version that is there already is not put again."""
        content = value(bundle, omit_root=self._omit_root)
        text = canonical_json(content)
        if len(text) > LARGEST_SECRET:
            raise Rejected(f"the bundle has {len(text)} bytes; secret {self._secret} takes {LARGEST_SECRET}")
        token = str(uuid5(NAMESPACE_URL, digest(content)))
        found = self._describe()
        if found is None:
            created = self._create(text, token)
            if created is not None:
                return created
            found = self._describe()
        if found is None:
            raise Busy(f"secret {self._secret} appears and disappears; trying again later")
        self._require_ours(found)
        if "DeletedDate" in found:
            self._restore()
        return self._put(found, text, token)

    def examine(self, here: Delivery) -> Drift | None:
        """By its stages alone: the issuer never reads a certificate back. Moves AWSCURRENT back where it can."""
        found = self._describe()
        if found is None:
            return Drift(f"secret {self._secret} was deleted", gone=True)
        self._require_ours(found)
        if "DeletedDate" in found:
            self._restore()
            return Drift(f"secret {self._secret} was scheduled for deletion; it was restored")
        stages = found.get("VersionIdsToStages", {}).get(here.version)
        if stages is None:
            return Drift(f"version {here.version} of secret {self._secret} is gone")
        if "AWSCURRENT" in stages:
            return None
        self._make_current(found, here.version)
        return Drift(f"secret {self._secret} had another value", repaired="our version was made current again")

    def inspect(self, here: Delivery) -> None:  # noqa: ARG002 (a secret is found by its name)
        """Whether it is there, and ours; one that is not there can be made."""
        if (found := self._describe()) is not None:
            self._require_ours(found)

    def _restore(self) -> None:
        """Somebody scheduled it for deletion, and the spec still wants it."""
        with translated(f"restore secret {self._secret}, which is scheduled for deletion,"):
            self._client.restore_secret(SecretId=self._secret)

    def _describe(self) -> dict[str, Any] | None:
        with translated(f"look at secret {self._secret}"):
            try:
                return dict(self._client.describe_secret(SecretId=self._secret))
            except ClientError as error:
                if code(error) == "ResourceNotFoundException":
                    return None
                raise

    def _create(self, text: str, token: str) -> Delivered | None:
        """None: somebody else, or our own lost first try, created it meanwhile."""
        with translated(f"create secret {self._secret}"):
            try:
                answer = self._client.create_secret(
                    Name=self._secret,
                    ClientRequestToken=token,
                    SecretString=text,
                    Description="Certificate and private key, kept by evercert",
                    Tags=[{"Key": key, "Value": value} for key, value in self._tags.items()],
                )
            except ClientError as error:
                if code(error) == "ResourceExistsException":
                    return None
                raise
        return Delivered(answer["ARN"], answer["VersionId"])

    def _require_ours(self, found: dict[str, Any]) -> None:
        tags = {tag["Key"]: tag.get("Value", "") for tag in found.get("Tags", [])}
        if tags.get(STACK_TAG) != self._tags[STACK_TAG]:
            raise Misconfigured(
                f"secret {self._secret} exists and was not made by this stack, so it is left alone; "
                f"name another secret, or hand it over: evercert adopt {self._tags[CERTIFICATE_TAG]} {self._secret}"
            )
        if tags.get(CERTIFICATE_TAG, self._tags[CERTIFICATE_TAG]) != self._tags[CERTIFICATE_TAG]:
            raise Misconfigured(
                f"secret {self._secret} holds certificate {tags.get(CERTIFICATE_TAG)}; two certificates cannot share it"
            )

    def _put(self, found: dict[str, Any], text: str, token: str) -> Delivered:
        versions: dict[str, list[str]] = found.get("VersionIdsToStages", {})
        with translated(f"store a new version of secret {self._secret}"):
            if "AWSCURRENT" in versions.get(token, []):
                return Delivered(found["ARN"], token)
            if token in versions:
                # It was stored, and something moved the stage since. Putting it again would be ignored by AWS.
                self._make_current(found, token)
                return Delivered(found["ARN"], token)
            answer = self._client.put_secret_value(SecretId=self._secret, ClientRequestToken=token, SecretString=text)
        return Delivered(answer["ARN"], answer["VersionId"])

    def _make_current(self, found: dict[str, Any], version: str) -> None:
        stages: dict[str, list[str]] = found.get("VersionIdsToStages", {})
        current = next((other for other, held in stages.items() if "AWSCURRENT" in held), None)
        remove = {} if current is None else {"RemoveFromVersionId": current}
        with translated(f"make our version of secret {self._secret} current again"):
            self._client.update_secret_version_stage(
                SecretId=self._secret, VersionStage="AWSCURRENT", MoveToVersionId=version, **remove
            )


def value(bundle: Bundle, *, omit_root: bool = True) -> dict[str, str]:
    """The JSON of the secret; the names are those of Infisical's own sync, and a few more."""
    chain = bundle.chain
    issuers = chain.issuers_pem if omit_root else to_pem(chain.certificates[1:])
    return {
        "certificate": chain.leaf_pem,
        **({} if bundle.private_key is None else {"private_key": bundle.private_key.pem()}),
        "certificate_chain": issuers,
        "ca_certificate": chain.top_pem,
        "fullchain": chain.leaf_pem + issuers,
        "serial_number": chain.serial_number,
        "not_after": chain.leaf.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "fingerprint_sha256": chain.fingerprint_sha256,
    }


def _estimate(spec: Spec) -> int:
    """Bytes of the secret: the leaf stands in it two or three times, in base64 with a line break every 64 letters.

    The subject stands twice in a leaf that signs itself; an RSA key's size stands in leaf and private key.
    """
    attributes = spec.attributes
    names = sum(len(str(name)) + 4 for name in attributes.identifiers) + 2 * len(subject(attributes).public_bytes())
    algorithm = spec.private_key.known or "RSA_4096"  # the largest, where the issuer decides
    bits = int(algorithm.removeprefix("RSA_")) if algorithm.startswith("RSA") else 0
    leaf = (1_200 + names + bits // 4) * 66 // 48
    return 3 * leaf + 2 * _CHAIN_ALLOWANCE + _REST + bits
