"""Destinations that store the whole bundle as one value: its format, its encryption, and its identity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any
from uuid import NAMESPACE_URL, uuid5

from pydantic import AfterValidator, model_validator

from evercert.canonical_json import canonical_json, digest
from evercert.destinations.aws_account import InAccount
from evercert.destinations.secret_value import Format, value
from evercert.documents.secret_reference import Reference
from evercert.documents.spec import Spec, text_of
from evercert.errors import Misconfigured, Rejected
from evercert.pki import formats
from evercert.pki.certificate import Bundle

if TYPE_CHECKING:
    from evercert.aws.credential_reader import Credentials

KMS_KEY = r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]{1,64}"


class ValueSettings(InAccount):
    """`format`: `json`, `pem` (leaf, issuers and key) or `pkcs12`, which needs a `passphrase`.

    `omit-root: false` keeps the root in the chain, for peers that require it. `kms-key`: encrypts the value.
    """

    # Defaults are stored as None, so that destinations of older documents keep their identity.
    format: Annotated[Format | None, AfterValidator(lambda form: None if form == "json" else form)] = None
    passphrase: Reference | None = None
    kms_key: Annotated[str, text_of(KMS_KEY, "write the ARN of a KMS key")] | None = None
    omit_root: Annotated[bool | None, AfterValidator(lambda omit: False if omit is False else None)] = None

    @model_validator(mode="after")
    def _has_a_passphrase_for_pkcs12(self) -> ValueSettings:
        if (self.passphrase is not None) != (self.form == "pkcs12"):
            raise ValueError("`passphrase` and `format: pkcs12` require each other")
        if self.kms_key and self.region not in {None, self.kms_key.split(":")[3]}:
            raise ValueError(f"`kms-key` must be a key in {self.region}, the region of the destination")
        return self

    @property
    def form(self) -> Format:
        """The format of the value."""
        return self.format or "json"

    def check(self, spec: Spec) -> None:
        """Raise Rejected for a keystore without a key."""
        if self.form == "pkcs12" and spec.csr is not None:
            raise Rejected("PKCS #12 requires the private key, which a certificate from a csr does not have")


@dataclass(frozen=True, repr=False)
class StoredValue:
    """A value to store: text, or the bytes of PKCS #12.

    `id` is a UUID that is equal for every delivery of the same bundle in the same format, although a repeated PKCS #12
    has other bytes, because of its salts.
    """

    data: str | bytes
    id: str

    @property
    def size(self) -> int:
        """The number of bytes."""
        return len(self.data)

    def require_size(self, most: int, what: str, remedy: str = "") -> None:
        """Raise Rejected if the value is too large for the destination."""
        if self.size > most:
            raise Rejected(
                f"bundle too large for {what}: {self.size} bytes of at most {most}{remedy and f'; {remedy}'}"
            )


def render(bundle: Bundle, settings: ValueSettings, certificate: str, credentials: Credentials) -> StoredValue:
    """Return the value to store; reads the passphrase if the format needs one."""
    omit_root = settings.omit_root is not False
    content: dict[str, Any] = value(bundle, omit_root=omit_root)
    if settings.form == "json":
        return StoredValue(canonical_json(content), _id(content))
    reference = settings.passphrase
    named = {"format": settings.form, "passphrase": reference and reference.model_dump(by_alias=True)}
    identity = _id({"value": content, **named})
    if reference is None:
        return StoredValue(formats.combined_pem(bundle, omit_root=omit_root), identity)
    passphrase = credentials.passphrase(reference)
    try:
        data = formats.pkcs12(bundle, passphrase, certificate, omit_root=omit_root)
    except ValueError as error:
        raise Misconfigured(f"{reference} is unsuitable: {error}") from None
    return StoredValue(data, identity)


def _id(content: dict[str, Any]) -> str:
    return str(uuid5(NAMESPACE_URL, digest(content)))
