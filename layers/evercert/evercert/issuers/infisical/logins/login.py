"""What a login is: settings, and a proof of who we are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from pydantic import StringConstraints

from evercert.canonical_json import digest
from evercert.documents.secret_reference import Reference
from evercert.errors import Misconfigured
from evercert.schema import Model

if TYPE_CHECKING:
    import boto3

    from evercert.aws.credential_reader import Credentials
    from evercert.aws.session import Session as AWSSession
    from evercert.deadline import Clock

PLAIN = frozenset({"identityId", "clientId", "username", "organizationSlug", "iamHttpRequestMethod"})
SIGNED = frozenset({"iamRequestHeaders"})  # anew each time
Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class LoginContext(Protocol):
    """What a login needs from its surroundings; `LoginContext` has it."""

    @property
    def credentials(self) -> Credentials:
        """The reader of stored credentials."""

    @property
    def aws(self) -> AWSSession | boto3.Session:
        """The session whose credentials sign requests."""

    @property
    def clock(self) -> Clock:
        """The clock of this process."""


class LoginSettings(Model):
    """What every login may have."""

    organization: Text | None = None  # the slug of a sub-organisation


class IdentitySettings(LoginSettings):
    """What all logins but universal-auth need."""

    identity_id: Text


@dataclass(frozen=True)
class Proof:
    """Where a login is sent, and the JSON that it is; holds secrets, so it is never shown.

    `once`: a server may take it a single time, so that one that may have arrived is not sent again.
    """

    path: str
    body: Mapping[str, str] = field(repr=False)
    once: bool = False

    @property
    def secrets(self) -> list[str]:
        """What must not come back in the server's words; names and ids may, because they help."""
        return [value for key, value in self.body.items() if key not in PLAIN]

    @property
    def fingerprint(self) -> str:
        """Changes with the credential, and not with the time that a signature is of."""
        return digest([self.path, {key: value for key, value in self.body.items() if key not in SIGNED}])


class Login(Protocol):
    """One way to prove who we are; made as `Login(settings, outside)`."""

    def proof(self, address: str) -> Proof:
        """A fresh one, for that address alone; raises Misconfigured or Unavailable."""


def proof(path: str, settings: LoginSettings, **body: str) -> Proof:
    """With the identity and the sub-organisation, where settings have them."""
    more = {"organizationSlug": settings.organization} if settings.organization else {}
    if isinstance(settings, IdentitySettings):
        more["identityId"] = settings.identity_id
    return Proof(path, {**more, **body})


def text(outside: LoginContext, value: str | Reference, key: str, address: str) -> str:
    """The text of a setting, wherever it stands; `key` is its name."""
    if isinstance(value, str):
        return value
    return text_of(outside.credentials.read(value, address, key=key), value, key)


def text_of(found: Any, reference: Reference, key: str) -> str:  # noqa: ANN401
    """What a credential holds, if it is text; raises Misconfigured."""
    # A file's last line break comes along with what people paste.
    if not isinstance(found, str) or not found.strip():
        raise Misconfigured(f"{reference}: {reference.key or key!r} is no text, or empty")
    return found.strip()
