"""An in-memory store of requests, certificates and CRLs; passes the contract suite of the table."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from evercert.authority.ca.revocation_reasons import REASONS
from evercert.authority.ca.signing_orders import Revoked
from evercert.authority.contracts.records import CertificateRecord, ListedRequest, RequestRecord
from evercert.pki.keys import public_bytes
from evercert.timestamps import to_text


class FakeCertificates:
    """The certificate store; each call is one transaction."""

    def __init__(self) -> None:
        self.requests: dict[str, RequestRecord] = {}
        self.certificates: dict[str, CertificateRecord] = {}
        self.tokens: dict[str, str] = {}
        self.claims: dict[str, str] = {}
        self.numbers: dict[str, int] = {}
        self.lists: dict[str, tuple[int, bytes]] = {}
        self.leases: dict[str, datetime] = {}
        self.compromised_keys: set[bytes] = set()
        self.read = 0  # requests that a list read
        self._lock = threading.RLock()

    def open(self, request: RequestRecord, token: str | None) -> RequestRecord:
        with self._lock:
            if token is not None and token in self.tokens:
                return self.requests[self.tokens[token]]
            if request.renews is not None and request.renews in self.claims:
                return self.requests[self.claims[request.renews]]
            if request.id in self.requests:
                return self.requests[request.id]
            self.requests[request.id] = request
            if token is not None:
                self.tokens[token] = request.id
            if request.renews is not None:
                self.claims[request.renews] = request.id
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
            stored = self.certificates.setdefault(certificate.id, certificate)
            opened = self.requests[request.id]
            if opened.status != "issued":
                self.requests[request.id] = replace(
                    opened, status="issued", error=None, updated_at=certificate.updated_at
                )
            if request.renews is not None and self.claims.get(request.renews) == request.id:
                old = self.certificates[request.renews]
                if old.renewed_by is None:
                    self.certificates[old.id] = replace(
                        old, renewed_by=certificate.id, updated_at=certificate.updated_at
                    )
            return stored

    def fail(self, request: RequestRecord, error: str) -> None:
        with self._lock:
            opened = self.requests[request.id]
            if opened.status != "pending":
                return
            self.requests[request.id] = replace(opened, status="failed", error=error, updated_at=request.updated_at)
            if request.renews is not None and self.claims.get(request.renews) == request.id:
                del self.claims[request.renews]

    def certificate(self, name: str) -> CertificateRecord | None:
        return self.certificates.get(name) or next(
            (one for one in list(self.certificates.values()) if fingerprint(one) == name), None
        )

    def revoke(self, certificate_id: str, at: datetime, reason: str) -> CertificateRecord | None:
        with self._lock:
            found = self.certificates.get(certificate_id)
            if found is not None and reason == "KEY_COMPROMISE":
                self.compromised_keys.add(_public_key(found))
            if found is None or found.revoked_at is not None:
                return None
            revoked = replace(found, revoked_at=at, reason=reason, updated_at=at)
            self.certificates[certificate_id] = revoked
            return revoked

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
