"""Login interface: settings, and the proof of identity that is sent to the server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from pydantic import AfterValidator, StringConstraints, ValidationInfo

from evercert.canonical_json import digest
from evercert.documents.placeholders import NOT_A_CREDENTIAL, UNRENDERED, is_unrendered
from evercert.documents.secret_reference import Reference
from evercert.errors import Misconfigured
from evercert.schema import Model

if TYPE_CHECKING:
    import boto3

    from evercert.aws.credential_reader import Credentials
    from evercert.aws.session import Session as AWSSession
    from evercert.deadline import Clock

PLAIN = frozenset({"identityId", "clientId", "username", "organizationSlug", "iamHttpRequestMethod"})
SIGNED = frozenset({"iamRequestHeaders"})  # different at each login


def _rendered(value: object, info: ValidationInfo) -> object:
    """Refuse `${…}` and the like; the message quotes nothing, because the value may be a misplaced secret."""
    key = str(info.field_name).replace("_", "-")
    if isinstance(value, str) and is_unrendered(key, value):
        raise ValueError(UNRENDERED)
    return value


Text = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_rendered)]
TextOrReference = Annotated[
    Annotated[str, StringConstraints(min_length=1, max_length=500)] | Reference, AfterValidator(_rendered)
]


class LoginContext(Protocol):
    """Resources of the process that a login needs; `IssuerContext` provides them."""

    @property
    def credentials(self) -> Credentials:
        """Reader of stored credentials."""

    @property
    def aws(self) -> AWSSession | boto3.Session:
        """AWS session whose credentials sign requests."""

    @property
    def clock(self) -> Clock:
        """Clock of this process."""


class LoginSettings(Model):
    """Settings of every login."""

    organization: Text | None = None  # the slug of a sub-organization


class IdentitySettings(LoginSettings):
    """Settings of every login except universal-auth."""

    identity_id: Text


@dataclass(frozen=True)
class Proof:
    """Login request: path and JSON body. The body holds secrets and must not be shown.

    `once`: a server may accept it only once, so one that may have arrived is not sent again.
    """

    path: str
    body: Mapping[str, str] = field(repr=False)
    once: bool = False

    @property
    def secrets(self) -> list[str]:
        """Return the values to hide in the server's messages; names and ids stay visible, because they help."""
        return [value for key, value in self.body.items() if key not in PLAIN]

    @property
    def fingerprint(self) -> str:
        """Return a digest that changes with the credential, but not with the time of a signature."""
        return digest([self.path, {key: value for key, value in self.body.items() if key not in SIGNED}])


class Login(Protocol):
    """Login method, constructed as `Login(settings, context)`."""

    def proof(self, address: str) -> Proof:
        """Return a new proof for this address only; raise Misconfigured or Unavailable."""


def proof(path: str, settings: LoginSettings, **body: str) -> Proof:
    """Return a proof that includes the identity and the sub-organization of the settings."""
    more = {"organizationSlug": settings.organization} if settings.organization else {}
    if isinstance(settings, IdentitySettings):
        more["identityId"] = settings.identity_id
    return Proof(path, {**more, **body})


def text(context: LoginContext, value: str | Reference, key: str, address: str) -> str:
    """Return the text of the setting `key`: its value, or the credential that it references."""
    if isinstance(value, str):
        return value
    return text_of(context.credentials.read(value, address, key=key), value, key)


def text_of(found: Any, reference: Reference, key: str) -> str:  # noqa: ANN401
    """Return the text of a credential, stripped; raise Misconfigured if it is empty or not text."""
    # Pasted values often end with the line break of a file.
    if not isinstance(found, str) or not found.strip():
        raise Misconfigured(f"invalid {reference.key or key!r} in {reference}: must be a non-empty text")
    require_rendered(found, reference, key)
    return found.strip()


def require_rendered(found: str, reference: Reference, key: str) -> None:
    """Raise Misconfigured for a placeholder: each login with it would count as a wrong credential."""
    if is_unrendered(key, found):
        raise Misconfigured(
            f"invalid {reference.key or key!r} in {reference}: {NOT_A_CREDENTIAL}; store the value itself in the secret"
        )
