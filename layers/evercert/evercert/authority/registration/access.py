"""Who may see what: profiles by grants, and what was issued by them; the rest is as if it were not there."""

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
_ANY: tuple[Permission, ...] = ("request", "read-key", "administer")
# The contract's words for what a permission allows (§A.8): action and subject.
_ACTIONS: dict[Permission, tuple[str, str]] = {
    "request": ("issue-cert", "certificate-profiles"),
    "read-key": ("read-private-key", "certificates"),
    "administer": ("revoke", "certificates"),
}


def uuid_of(text: str) -> str | None:
    """In the one spelling that is stored; None: it is no UUID, so nothing has it for its id."""
    found = text.lower()
    return found if _UUID.fullmatch(found) else None


class Access:
    """Every look at a profile, a certificate or a request goes through here; all raise Refusal."""

    def __init__(self, configuration: Configuration, certificates: Certificates) -> None:
        self._configuration = configuration
        self._certificates = certificates

    def profile(self, identity: Identity, profile_id: str, permission: Permission | None = None) -> Profile:
        """404 if there is none, 403 if the identity may not do this with it (None: nothing at all)."""
        name = uuid_of(profile_id)
        found = self._configuration.profile(name) if name else None
        if found is None:
            raise not_found("Certificate profile not found")
        if permission is None and not self.sees(identity, found):
            raise permission_denied("read", "certificate-profiles")
        if permission is not None and not identity.may(permission, found.key):
            raise permission_denied(*_ACTIONS[permission])
        return found

    @staticmethod
    def sees(identity: Identity, profile: Profile) -> bool:
        """Whether any grant is about it."""
        return any(identity.may(permission, profile.key) for permission in _ANY)

    def profiles(self, identity: Identity) -> list[Profile]:
        """All that it may see."""
        return [profile for profile in self._configuration.profiles() if self.sees(identity, profile)]

    def certificate(self, identity: Identity, name: str) -> CertificateRecord:
        """By id or by SHA-256 fingerprint; 404 for one of a profile that the identity may not see."""
        found = uuid_of(name) or (name.lower() if _FINGERPRINT.fullmatch(name.lower()) else None)
        kept = self._certificates.certificate(found) if found else None
        return self._seen(identity, kept, not_found("Certificate not found"))

    def request(self, identity: Identity, request_id: str) -> RequestRecord:
        """404 for one of a profile that the identity may not see."""
        found = uuid_of(request_id)
        request = self._certificates.request(found) if found else None
        return self._seen(identity, request, not_found("Certificate request not found"))

    def may_read_key(self, identity: Identity, row: CertificateRecord | RequestRecord) -> bool:
        """Of what it requested itself; of others' only if it administers the profile."""
        held, own = self._held(identity, row), row.identity == identity.id
        return "read-key" in held and (own or "administer" in held)

    def require_key(self, identity: Identity, row: CertificateRecord) -> None:
        """Raises 403."""
        if not self.may_read_key(identity, row):
            raise permission_denied(*_ACTIONS["read-key"])

    def require_revoke(self, identity: Identity, row: CertificateRecord) -> None:
        """What it requested itself, or all of the profile if it administers it; raises 403."""
        held = self._held(identity, row)
        own = row.identity == identity.id and "request" in held
        if not own and "administer" not in held:
            raise permission_denied(*_ACTIONS["administer"])

    def administers(self, identity: Identity, row: CertificateRecord) -> bool:
        """Whether it may do what concerns others."""
        return "administer" in self._held(identity, row)

    def require_own(self, identity: Identity, row: CertificateRecord, *what: str) -> None:
        """What it requested itself, or all of the profile if it administers it; raises 403 for action and subject."""
        if row.identity != identity.id and not self.administers(identity, row):
            raise permission_denied(*what)

    def _held(self, identity: Identity, row: CertificateRecord | RequestRecord) -> frozenset[Permission]:
        """With its profile; one that was taken away since is only for those who may do it with all."""
        profile = self._configuration.profile(row.profile)
        key = profile.key if profile else ""
        return frozenset(permission for permission in _ANY if identity.may(permission, key))

    def _seen(self, identity: Identity, row: Row | None, unknown: Refusal) -> Row:
        if row is None or not self._held(identity, row):
            raise unknown
        return row
