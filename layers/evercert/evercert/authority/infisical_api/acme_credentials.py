"""One-time credentials with which hosts register ACME accounts, for identities that may request certificates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evercert.acme import base64url
from evercert.authority.acme.paths import directory_url
from evercert.authority.api_errors import bad_request
from evercert.authority.configuration.identity import Identity
from evercert.authority.configuration.profiles import EabCredential, Profile
from evercert.authority.registration.access import Access
from evercert.timestamps import to_text

IssueCredential = Callable[[Identity, Profile], tuple[EabCredential, bytes]]


class AcmeCredentials:
    """Hand out credentials; `issue` makes one with its MAC key."""

    def __init__(self, access: Access, issue: IssueCredential, address: str) -> None:
        self._access = access
        self._issue = issue
        self._address = address

    def create(self, identity: Identity, profile_id: str) -> dict[str, Any]:
        """Return a new credential of the profile; raise Refusal (400) if that serves no ACME clients."""
        profile = self._access.profile(identity, profile_id, "request")
        if profile.acme_enrollment is None:
            raise bad_request(f"profile {profile.slug} serves no ACME clients: an operator can add `acme` to it")
        credential, mac_key = self._issue(identity, profile)
        return {
            "profileId": profile.id,
            "directoryUrl": directory_url(self._address, profile.id),
            "eabKid": credential.id,
            "eabSecret": base64url.encode(mac_key),
            "expiresAt": None if credential.expires_at is None else to_text(credential.expires_at),
        }
