"""One-time credentials that machine identities fetch over the API: a host with a role stores no secret."""

from __future__ import annotations

import hashlib
import hmac
import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from evercert.acme import base64url
from evercert.authority.configuration.profiles import EabCredential
from evercert.errors import Misconfigured

if TYPE_CHECKING:
    from evercert.authority.acme.ports import EabCredentials
    from evercert.authority.configuration.identity import Identity
    from evercert.authority.configuration.profiles import Profile
    from evercert.authority.contracts.ports import Configuration
    from evercert.deadline import Clock

LIFETIME = timedelta(hours=1)
_PREFIX = "h"
_UUID, _TIME, _RANDOM = 16, 4, 10  # bytes
_LENGTH = 2 * _UUID + _TIME + _RANDOM


@dataclass(frozen=True)
class HostCredentials:
    """Credentials of identities, and those of operators.

    The key id contains identity, profile and end. The MAC key is derived from the key id, the generation of the profile
    and a secret of the server: nothing is stored before an account is bound, a key id without its MAC key is useless,
    and a later profile of the same name has other MAC keys.
    """

    configured: EabCredentials
    configuration: Configuration
    secret: Callable[[], bytes]
    clock: Clock

    def issue(self, identity: Identity, profile: Profile) -> tuple[EabCredential, bytes]:
        """Return a credential that binds one account within an hour, and its MAC key; raise Misconfigured."""
        try:
            whose = uuid.UUID(identity.id).bytes + uuid.UUID(profile.id).bytes
        except ValueError:
            raise Misconfigured("the id of the identity or the profile is not a UUID; create it again") from None
        until = int((self.clock() + LIFETIME).timestamp())
        key_id = _PREFIX + base64url.encode(whose + until.to_bytes(_TIME, "big") + os.urandom(_RANDOM))
        self.configuration.refresh()  # the call has read identity and profile before
        found = self.of_id(key_id)
        if found is None:
            raise Misconfigured("the identity or the profile was deleted meanwhile")
        return found, self.mac_key(found)

    def of_id(self, credential_id: str) -> EabCredential | None:
        """Return the credential, or None; it is revoked once its identity may not request certificates any more."""
        return find_credential(self.configuration, credential_id)

    def mac_key(self, credential: EabCredential) -> bytes:
        """Return the MAC key."""
        if _parse(credential.id) is None:
            return self.configured.mac_key(credential)
        subject = f"eab {credential.id} {credential.generation}".rstrip()
        return without_leading_hyphen(hmac.new(self.secret(), subject.encode(), hashlib.sha256).digest())


def find_credential(configuration: Configuration, credential_id: str) -> EabCredential | None:
    """Return a credential of an operator or an identity, or None."""
    fields = _parse(credential_id)
    if fields is None:
        return configuration.eab_credential(credential_id)
    identity_id, profile_id, until = fields
    identity, profile = configuration.identity(identity_id), configuration.profile(profile_id)
    if identity is None or profile is None:
        return None
    values = {
        "id": credential_id,
        "profile": profile_id,
        "sealed": "",
        "created-at": until - LIFETIME,
        "expires-at": until,
        "once": True,
        "generation": profile.generation,
        "revoked": not identity.may("request", profile.key) or profile.acme_enrollment is None,
    }
    return EabCredential.model_validate(values)


def without_leading_hyphen(mac_key: bytes) -> bytes:
    """Return the key with its first bit cleared: its base64url never begins with `-`, which starts an option."""
    return bytes([mac_key[0] & 0x7F]) + mac_key[1:]


def owner_of(credential_id: str) -> str:
    """Return the owner of the rate limits of a credential: the identity that fetched it, or the credential itself."""
    fields = _parse(credential_id)
    return credential_id if fields is None else f"identity#{fields[0]}"


def identity_of(credential_id: str) -> str | None:
    """Return the id of the identity that fetched a credential, None for a credential of an operator."""
    fields = _parse(credential_id)
    return None if fields is None else fields[0]


def _parse(credential_id: str) -> tuple[str, str, datetime] | None:
    """Return identity, profile and end of a key id, or None for one of an operator's credential (a UUID)."""
    if not credential_id.startswith(_PREFIX):
        return None
    try:
        raw = base64url.decode(credential_id.removeprefix(_PREFIX))
    except ValueError:
        return None
    if len(raw) != _LENGTH:
        return None
    until = datetime.fromtimestamp(int.from_bytes(raw[2 * _UUID : 2 * _UUID + _TIME], "big"), UTC)
    return str(uuid.UUID(bytes=raw[:_UUID])), str(uuid.UUID(bytes=raw[_UUID : 2 * _UUID])), until
