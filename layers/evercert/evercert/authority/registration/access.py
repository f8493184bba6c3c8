"""Access control: grants decide which profiles, requests and certificates an identity can see and use."""

from __future__ import annotations

import re
from typing import TypeVar

from evercert.authority.api_errors import Refusal, not_found, permission_denied
from evercert.authority.configuration.identity import Identity, Permission
from evercert.authority.configuration.profiles import Profile
from evercert.authority.contracts.ports import Certificates, Configuration
from evercert.authority.contracts.records import CertificateRecord, RequestRecord

Row = TypeVar("Row", CertificateRecord, RequestRecord)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_ANY: tuple[Permission, ...] = ("request", "read-key", "administer", "approve")
# Action and subject of each permission in error bodies of the Infisical API.
_ACTIONS: dict[Permission, tuple[str, str]] = {
    "request": ("issue-cert", "certificate-profiles"),
    "read-key": ("read-private-key", "certificates"),
    "administer": ("revoke", "certificates"),
    "approve": ("approve", "certificate-requests"),
}

_NO_KEY = "you could not read the private key that the authority would generate: send a CSR, or ask for read-key"


def uuid_of(text: str) -> str | None:
    """Return the UUID in its stored, lower-case form, or None if it is not a UUID."""
    found = text.lower()
    return found if _UUID.fullmatch(found) else None


class Access:
    """Checked access to profiles, certificates and requests; all methods raise Refusal."""

    def __init__(self, configuration: Configuration, certificates: Certificates) -> None:
        self._configuration = configuration
        self._certificates = certificates

    def profile(self, identity: Identity, profile_id: str, permission: Permission | None = None) -> Profile:
        """Return a profile; raise Refusal (404 if missing, 403 without the permission).

        A `permission` of None accepts any permission.
        """
        name = uuid_of(profile_id)
        found = self._configuration.profile(name) if name else None
        if found is None:
            raise not_found("Certificate profile not found")
        if permission is None and not self.can_see(identity, found):
            raise permission_denied("read", "certificate-profiles")
        if permission is not None and not identity.may(permission, found.key):
            raise permission_denied(*_ACTIONS[permission])
        return found

    @staticmethod
    def can_see(identity: Identity, profile: Profile) -> bool:
        """Return whether the identity has any permission for the profile."""
        return any(identity.may(permission, profile.key) for permission in _ANY)

    def profiles(self, identity: Identity) -> list[Profile]:
        """Return all profiles that are visible to the identity."""
        return [profile for profile in self._configuration.profiles() if self.can_see(identity, profile)]

    def administered(self, identity: Identity, profile_id: str, *denied: str) -> Profile:
        """Return a profile that the identity administers; raise Refusal (404, 403 with action and subject)."""
        profile = self.profile(identity, profile_id)
        if not identity.may("administer", profile.key):
            hint = f"the permission administer on {profile.key} is missing; ask an operator to grant it"
            raise permission_denied(*denied, hint=hint)
        return profile

    def visible_profiles(self, identity: Identity) -> tuple[str, ...] | None:
        """Return the ids of visible profiles; None if the identity sees all, deleted ones included."""
        if any(identity.may(permission, "") for permission in _ANY):
            return None
        return tuple(profile.id for profile in self.profiles(identity))

    def certificate(self, identity: Identity, name: str) -> CertificateRecord:
        """Return a certificate by id or SHA-256 fingerprint; raise Refusal (404) if missing or invisible."""
        found = uuid_of(name) or (name.lower() if _FINGERPRINT.fullmatch(name.lower()) else None)
        record = self._certificates.certificate(found) if found else None
        return self._require_visible(identity, record, not_found("Certificate not found"))

    def request(self, identity: Identity, request_id: str) -> RequestRecord:
        """Return a request; raise Refusal (404) if missing or invisible."""
        found = uuid_of(request_id)
        request = self._certificates.request(found) if found else None
        return self._require_visible(identity, request, not_found("Certificate request not found"))

    @staticmethod
    def require_key_of_new(identity: Identity, profile: Profile) -> None:
        """Raise Refusal (403) if the identity could not read a key that the authority generates for it."""
        if not identity.may("read-key", profile.key):
            raise permission_denied(*_ACTIONS["read-key"], hint=_NO_KEY)

    def may_read_key(self, identity: Identity, row: CertificateRecord | RequestRecord) -> bool:
        """Return whether the identity may read private keys of the profile, as in the Infisical API."""
        return "read-key" in self._permissions(identity, row)

    def require_key(self, identity: Identity, row: CertificateRecord) -> None:
        """Raise Refusal (403) unless the identity may read the private key."""
        if not self.may_read_key(identity, row):
            raise permission_denied(*_ACTIONS["read-key"])

    def require_revoke(self, identity: Identity, row: CertificateRecord) -> None:
        """Raise Refusal (403) unless the identity requested the certificate or administers the profile."""
        self.require_change(identity, row, *_ACTIONS["administer"])

    def require_change(self, identity: Identity, row: CertificateRecord, *denied: str) -> None:
        """Raise Refusal (403, with action and subject) unless the identity requested it or administers the profile.

        The identity must still be allowed to request from the profile.
        """
        permissions = self._permissions(identity, row)
        own = row.identity == identity.id and "request" in permissions
        if not own and "administer" not in permissions:
            raise permission_denied(*denied)

    def approves(self, identity: Identity, row: RequestRecord) -> bool:
        """Return whether the identity may approve requests of the profile."""
        return "approve" in self._permissions(identity, row)

    def administers(self, identity: Identity, row: CertificateRecord | RequestRecord) -> bool:
        """Return whether the identity administers the profile."""
        return "administer" in self._permissions(identity, row)

    def require_own(self, identity: Identity, row: CertificateRecord, *denied: str) -> None:
        """Raise Refusal (403, with action and subject) unless the identity requested it or administers the profile."""
        if row.identity != identity.id and not self.administers(identity, row):
            raise permission_denied(*denied)

    def _permissions(self, identity: Identity, row: CertificateRecord | RequestRecord) -> frozenset[Permission]:
        """Return the permissions for the row's profile; if that was deleted, only those for all profiles."""
        profile = self._configuration.profile(row.profile)
        key = profile.key if profile else ""
        return frozenset(permission for permission in _ANY if identity.may(permission, key))

    def _require_visible(self, identity: Identity, row: Row | None, missing: Refusal) -> Row:
        if row is None or not self._permissions(identity, row):
            raise missing
        return row
