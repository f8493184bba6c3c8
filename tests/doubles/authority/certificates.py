"""An in-memory store of requests, certificates and CRLs; passes the contract suite of the table."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from evercert.authority.api_errors import compromised_key
from evercert.authority.ca.revocation_reasons import REASONS
from evercert.authority.ca.signing_orders import Revoked
from evercert.authority.contracts.approval_terms import DecidedStatus, Decision, DueNotice
from evercert.authority.contracts.automatic_renewals import REFUSED
from evercert.authority.contracts.inventory import Criteria, InvalidSearch, ListedCertificate, Page
from evercert.authority.contracts.issuance_trail import Actor, IssuanceEntry, is_delayed
from evercert.authority.contracts.records import CertificateRecord, DueCertificate, ListedRequest, RequestRecord
from evercert.authority.requests.requested_fields import Metadata
from evercert.pki.keys import public_bytes
from evercert.timestamps import to_text


class FakeCertificates:
    """The certificate store; each call is one transaction."""

    def __init__(self) -> None:
        self.requests: dict[str, RequestRecord] = {}
        self.certificates: dict[str, CertificateRecord] = {}
        self.fingerprints: dict[str, str] = {}
        self.tokens: dict[str, str] = {}
        self.claims: dict[str, str] = {}
        self.numbers: dict[str, int] = {}
        self.lists: dict[str, tuple[int, bytes]] = {}
        self.leases: dict[str, datetime] = {}
        self.compromised_keys: set[bytes] = set()
        self.due_notices: dict[str, datetime] = {}  # by request
        self.read = 0  # requests that a list read
        self.trail: dict[tuple[datetime, str], IssuanceEntry] = {}
        self._lock = threading.RLock()

    def open(self, request: RequestRecord, token: str | None, key: bytes | None = None) -> RequestRecord:
        with self._lock:
            if token is not None and token in self.tokens:
                return self.requests[self.tokens[token]]
            if request.renews is not None and request.renews in self.claims:
                return self.requests[self.claims[request.renews]]
            if request.id in self.requests:
                return self.requests[request.id]
            if key is not None and self.compromised(key):
                raise compromised_key()
            self.requests[request.id] = request
            self._notice(request.id, request.created_at)
            if token is not None:
                self.tokens[token] = request.id
            if request.renews is not None:
                self.claims[request.renews] = request.id
            if is_delayed(request):
                self.record(IssuanceEntry.pending(request))
            return request

    def request(self, request_id: str) -> RequestRecord | None:
        return self.requests.get(request_id)

    def request_of(self, token: str) -> RequestRecord | None:
        found = self.tokens.get(token)
        return None if found is None else self.requests[found]

    def renewal_of(self, certificate_id: str) -> RequestRecord | None:
        found = self.claims.get(certificate_id)
        return None if found is None else self.requests[found]

    def finish(self, request: RequestRecord, certificate: CertificateRecord) -> CertificateRecord:
        with self._lock:
            if certificate.id not in self.certificates:
                self.fingerprints[fingerprint(certificate)] = certificate.id
                self.record(IssuanceEntry.issued(request, certificate))
            stored = self.certificates.setdefault(certificate.id, certificate)
            opened = self.requests[request.id]
            if opened.status != "issued":
                self.requests[request.id] = replace(
                    opened, status="issued", error=None, updated_at=certificate.updated_at
                )
            if request.renews is not None and self.claims.get(request.renews) == request.id:
                old = self.certificates[request.renews]
                if old.renewed_by is None:
                    ended = {"due_at": None, "renewal_error": None, "updated_at": certificate.updated_at}
                    self.certificates[old.id] = replace(old, renewed_by=certificate.id, **ended)
            return stored

    def fail(self, request: RequestRecord, error: str, by: Actor | None = None) -> None:
        with self._lock:
            opened = self.requests[request.id]
            if opened.status != request.status:
                return
            self.record(IssuanceEntry.failed(request, error, by))
            self.requests[request.id] = replace(opened, status="failed", error=error, updated_at=request.updated_at)
            self._notice(request.id, request.updated_at)
            if request.renews is not None and self.claims.get(request.renews) == request.id:
                del self.claims[request.renews]

    def _notice(self, request_id: str, at: datetime) -> None:
        if self.requests[request_id].approval is not None:
            self.due_notices[request_id] = at

    def decide(
        self, seen: RequestRecord, decision: Decision, status: DecidedStatus, error: str | None
    ) -> RequestRecord | None:
        with self._lock:
            stored = self.requests[seen.id]
            if stored.status != "pending_approval" or stored.decisions != seen.decisions:
                return None
            approved_at = decision.at if status == "pending" else None
            changes = {"status": status, "error": error, "updated_at": decision.at, "approved_at": approved_at}
            changed = replace(stored, decisions=(*stored.decisions, decision), **changes)
            self.requests[seen.id] = changed
            self.record(IssuanceEntry.decided(seen, decision))
            if status == "rejected":
                self.record(IssuanceEntry.failed(replace(seen, updated_at=decision.at), error or "rejected"))
            if status == "rejected" and self.claims.get(seen.renews or "") == seen.id:
                del self.claims[seen.renews or ""]
            if status != "pending_approval":
                self._notice(seen.id, decision.at)
            return changed

    def notices(self, now: datetime, limit: int) -> Sequence[DueNotice]:
        return [one for one in self.waiting(limit) if one.due_at <= to_text(now)]

    def waiting(self, limit: int) -> Sequence[DueNotice]:
        found = [DueNotice(name, to_text(at)) for name, at in self.due_notices.items()]
        return sorted(found, key=lambda one: (one.due_at, one.request))[:limit]

    def settle_notice(self, notice: DueNotice, following: datetime | None) -> bool:
        with self._lock:
            if to_text(self.due_notices.get(notice.request, datetime.max)) != notice.due_at:
                return False
            if following is None:
                del self.due_notices[notice.request]
            else:
                self.due_notices[notice.request] = following
            return True

    def certificate(self, name: str) -> CertificateRecord | None:
        return self.certificates.get(name) or self.certificates.get(self._of_fingerprint(name))

    def _of_fingerprint(self, digest: str) -> str:
        """Return the id of the certificate; tests may store certificates without an entry."""
        found = self.fingerprints.get(digest)
        return found or next((one.id for one in list(self.certificates.values()) if fingerprint(one) == digest), "")

    def add_imported(self, record: CertificateRecord) -> CertificateRecord:
        with self._lock:
            digest = fingerprint(record)
            if (found := self._of_fingerprint(digest)) or record.id in self.certificates:
                return self.certificates[found or record.id]
            self.fingerprints[digest] = record.id
            self.certificates[record.id] = record
            self.record(IssuanceEntry.imported(record))
            return record

    def imported_of(self, profile_id: str, limit: int) -> Sequence[ListedCertificate]:
        found = [one for one in list(self.certificates.values()) if one.imported and one.profile == profile_id]
        listed = [ListedCertificate(one.id, to_text(one.created_at)) for one in found]
        return sorted(listed, key=lambda one: one.created_at, reverse=True)[:limit]

    def set_metadata(self, certificate_id: str, metadata: Metadata, at: datetime) -> CertificateRecord | None:
        with self._lock:
            found = self.certificates.get(certificate_id)
            if found is None:
                return None
            self.certificates[certificate_id] = replace(found, metadata=metadata, updated_at=at)
            return self.certificates[certificate_id]

    def revoke(self, certificate_id: str, at: datetime, reason: str, by: Actor) -> CertificateRecord | None:
        with self._lock:
            found = self.certificates.get(certificate_id)
            if found is not None and found.imported:
                return None
            if found is not None and reason == "KEY_COMPROMISE":
                self.compromised_keys.add(_public_key(found))
            if found is None or found.revoked_at is not None:
                return None
            revoked = replace(found, revoked_at=at, reason=reason, updated_at=at, due_at=None)
            self.certificates[certificate_id] = revoked
            self.record(IssuanceEntry.revoked(found, at, reason, by))
            return revoked

    def record(self, entry: IssuanceEntry) -> None:
        self.trail.setdefault((entry.at, entry.id), entry)

    def search(self, criteria: Criteria, limit: int, cursor: str | None = None) -> Page:
        """Return a page by expiry; the cursor has the criteria and the last place."""
        self._check(criteria)
        mark = str(replace(criteria, now=datetime.min))
        if cursor is not None and not cursor.startswith(f"{mark}\n"):
            raise InvalidSearch("the cursor belongs to another search: repeat the search without a cursor")
        places = {f"{to_text(one.not_after)}#{one.id}": one for one in list(self.certificates.values())}
        after = "" if cursor is None else cursor.removeprefix(f"{mark}\n")
        found = [
            place
            for place in sorted(places)
            if place > after
            and criteria.matches(places[place])
            and criteria.fingerprint in (None, fingerprint(places[place]))
            and (criteria.fingerprint is None or self._of_fingerprint(criteria.fingerprint) == places[place].id)
        ]
        page = [places[place] for place in found[:limit]]
        return Page(page, f"{mark}\n{found[limit - 1]}" if len(found) > limit else None)

    @staticmethod
    def _check(criteria: Criteria) -> None:
        if criteria.zone is not None and "." not in criteria.zone:
            raise InvalidSearch(f"name *.{criteria.zone} is too wide: write at least 2 labels after *.")

    def set_renewal(
        self, certificate_id: str, days: int | None, due_at: datetime | None, at: datetime, by: Actor
    ) -> CertificateRecord | None:
        with self._lock:
            found = self.certificates.get(certificate_id)
            if found is None or (due_at and (certificate_id in self.claims or found.revoked_at is not None)):
                return None
            changes = {"renew_before_days": days, "due_at": due_at, "renewal_error": None, "updated_at": at}
            self.certificates[certificate_id] = replace(found, **changes)
            self.record(IssuanceEntry.configured(found, at, days, by))
            return self.certificates[certificate_id]

    def due(self, now: datetime, limit: int) -> Sequence[DueCertificate]:
        due = [one for one in list(self.certificates.values()) if one.due_at is not None and one.due_at <= now]
        found = [DueCertificate(one.id, to_text(one.due_at), to_text(one.not_after)) for one in due if one.due_at]
        return sorted(found, key=lambda one: (one.not_after, one.id))[:limit]

    def record_renewal_failure(self, due: DueCertificate, until: datetime | None, error: str | None) -> bool:
        with self._lock:
            found = self.certificates.get(due.id)
            if found is None or found.due_at is None or to_text(found.due_at) != due.due_at:
                return False
            self.certificates[due.id] = replace(found, due_at=until, renewal_error=error)
            return True

    def record_refused_renewal(self, certificate_id: str, reason: str, at: datetime) -> bool:
        with self._lock:
            found = self.certificates.get(certificate_id)
            if found is None or found.renewed_by or not (found.renewal_error or REFUSED).startswith(REFUSED):
                return False
            self.certificates[certificate_id] = replace(found, renewal_error=f"{REFUSED}{reason}", updated_at=at)
            return True

    def compromised(self, public_key: bytes) -> bool:
        return public_key in self.compromised_keys

    def requests_of(
        self, profile_id: str, limit: int, since: datetime | None = None, until: datetime | None = None
    ) -> Sequence[ListedRequest]:
        found = [
            ListedRequest(one.id, to_text(one.created_at))
            for one in list(self.requests.values())
            if one.profile == profile_id
            and (since is None or since <= one.created_at)
            and (until is None or one.created_at <= until)
        ]
        return sorted(found, key=lambda one: one.created_at, reverse=True)[:limit]

    def requests_by_id(self, ids: Sequence[str]) -> Sequence[RequestRecord]:
        self.read += len(ids)
        return [self.requests[one] for one in ids if one in self.requests]

    def revoked(self, ca_id: str, expiring_after: datetime) -> Iterable[Revoked]:
        for one in list(self.certificates.values()):
            if one.ca == ca_id and one.revoked_at is not None and one.not_after > expiring_after:
                yield Revoked(int(one.serial_number, 16), one.revoked_at, REASONS[one.reason or "UNSPECIFIED"])

    def next_crl_number(self, ca_id: str, *, at_least: int = 1) -> int:
        with self._lock:
            self.numbers[ca_id] = max(self.numbers.get(ca_id, 0) + 1, at_least)
            return self.numbers[ca_id]

    def lease_crl(self, ca_id: str, now: datetime, until: datetime) -> bool:
        with self._lock:
            if self.leases.get(ca_id, now) > now:
                return False
            self.leases[ca_id] = until
            return True

    def release_crl(self, ca_id: str, until: datetime) -> None:
        with self._lock:
            if self.leases.get(ca_id) == until:
                del self.leases[ca_id]

    def publish(self, ca_id: str, number: int, der: bytes) -> None:
        with self._lock:
            if number >= self.lists.get(ca_id, (0, b""))[0]:
                self.lists[ca_id] = (number, der)

    def published(self, ca_id: str) -> bytes | None:
        return self.lists[ca_id][1] if ca_id in self.lists else None


def _public_key(certificate: CertificateRecord) -> bytes:
    return public_bytes(x509.load_pem_x509_certificate(certificate.certificate.encode()).public_key())


def fingerprint(certificate: CertificateRecord) -> str:
    return x509.load_pem_x509_certificate(certificate.certificate.encode()).fingerprint(hashes.SHA256()).hex()
