"""The inventory: search in all certificates in pages of bounded cost, imported certificates, and metadata."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, Protocol

from evercert.authority.contracts.issuance_trail import names_of
from evercert.authority.contracts.records import CertificateRecord
from evercert.authority.requests.requested_fields import Metadata
from evercert.errors import Rejected
from evercert.pki.identifiers import parse_valid
from evercert.schema import printable

Status = Literal["active", "expired", "revoked"]
SERIAL_NUMBER = re.compile(r"[0-9a-f]{1,40}")
FINGERPRINT = re.compile(r"[0-9a-f]{64}")


class InvalidSearch(Rejected):
    """A criterion or cursor that cannot be used."""


@dataclass(frozen=True)
class Criteria:
    """Criteria that a certificate must match; None matches all. Texts are in lower case.

    `name` is a common or alternative name; `zone` is a domain that has such a name below it.
    """

    now: datetime
    name: str | None = None
    zone: str | None = None
    fragment: str | None = None  # of a common or alternative name
    common_name: str | None = None
    serial_number: str | None = None  # hexadecimal, without leading zeros
    fingerprint: str | None = None
    expires_after: datetime | None = None
    expires_before: datetime | None = None
    profiles: tuple[str, ...] | None = None  # ids
    identity: str | None = None  # id of the requester
    status: Status | None = None

    def names_found(self, record: CertificateRecord) -> list[str]:
        """Return the names of the certificate that match `name` or `zone`, all without one."""
        names = [name.lower() for name in names_of(record.leaf)]
        if self.name is not None:
            return [name for name in names if name == self.name]
        return names if self.zone is None else [name for name in names if is_below(name, self.zone)]

    def matches(self, record: CertificateRecord) -> bool:
        """Return whether the certificate matches all criteria; `fingerprint` is left to the lookup that found it."""
        common = [name.lower() for name in record.leaf.subject.get("common_name", ())]
        named = self.name is not None or self.zone is not None
        return (
            (not named or bool(self.names_found(record)))
            and (self.fragment is None or any(self.fragment in name.lower() for name in names_of(record.leaf)))
            and self.common_name in (None, *common)
            and self.serial_number in (None, record.serial_number.lstrip("0"))
            and (self.expires_after is None or record.not_after >= self.expires_after)
            and (self.expires_before is None or record.not_after <= self.expires_before)
            and (self.profiles is None or record.profile in self.profiles)
            and self.identity in (None, record.identity)
            and self.status in (None, self.status_of(record))
        )

    def status_of(self, record: CertificateRecord) -> Status:
        """Return the status of a certificate; a renewed one stays active until it expires."""
        if record.revoked_at is not None:
            return "revoked"
        return "expired" if record.not_after <= self.now else "active"


@dataclass(frozen=True)
class Page:
    """Certificates, and the cursor of the next page; None after the last. A page may be empty before the last."""

    records: Sequence[CertificateRecord]
    cursor: str | None


@dataclass(frozen=True)
class ListedCertificate:
    """An entry of the index of a profile's imported certificates."""

    id: str
    created_at: str  # as stored; sorts by time


class Inventory(Protocol):
    """All certificates; every write is conditional."""

    def search(self, criteria: Criteria, limit: int, cursor: str | None = None) -> Page:
        """Return the next certificates, each once, by at most three reads.

        By expiry, or by name if that is searched. Raise InvalidSearch for a cursor of another search.
        """

    def add_imported(self, record: CertificateRecord) -> CertificateRecord:
        """Store an imported certificate and its entry of the issuance trail atomically.

        Idempotent; returns the stored certificate, or the one that has its fingerprint already. `finish` takes the
        fingerprint over: an import never hides a certificate that was issued for a request.
        """

    def imported_of(self, profile_id: str, limit: int) -> Sequence[ListedCertificate]:
        """Return index entries of a profile's newest imports, newest first; eventually consistent."""

    def set_metadata(self, certificate_id: str, metadata: Metadata, at: datetime) -> CertificateRecord | None:
        """Replace the metadata of a certificate; return None if it is missing."""


def is_below(name: str, zone: str) -> bool:
    """Return whether a name is a host below a domain."""
    return name.endswith(f".{zone}") and is_host(name)


def is_host(name: str) -> bool:
    """Return whether a name in lower case consists of labels; an address, URI or mailbox does not."""
    if not name.isascii() or any(mark in name for mark in " :/@#") or not all(name.split(".")):
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return True
    return False


def with_name(criteria: Criteria, text: str) -> Criteria:
    """Add a name to the criteria: `*.example.com` is a zone, `*shop*` a fragment, any other text a whole name."""
    plain = text.strip().lower()
    if plain.startswith("*.") and "*" not in plain[1:]:
        return replace(criteria, zone=_canonical(plain.removeprefix("*.")))
    if "*" in plain:
        if (part := plain.strip("*")) == "" or "*" in part or not (plain[0] == plain[-1] == "*"):
            raise InvalidSearch(f"invalid name {printable(text, 100)}: write a name, *.example.com or *part*")
        return replace(criteria, fragment=part)
    return replace(criteria, name=_canonical(plain))


def plain_hexadecimal(text: str, form: re.Pattern[str]) -> str | None:
    """Return a number without colons and leading zeros, or a digest; None if it does not have this form."""
    found = text.replace(":", "").lower()
    if form is SERIAL_NUMBER:
        found = found.lstrip("0")
    return found if form.fullmatch(found) else None


def _canonical(name: str) -> str:
    """Return a name in the form that certificates have; text that is no such name, as it is."""
    found = parse_valid(name)
    return name if found is None else found.value.lower()
