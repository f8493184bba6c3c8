"""Stored certificates and requests."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from tests.doubles.infisical.ca import algorithm_of, key_pem, pem
from tests.doubles.infisical.configuration import Application, Identity, Profile, identifier
from tests.doubles.infisical.errors import Refusal

OPEN = ("pending_approval", "pending", "pending_validation")
SPKI = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


@dataclass
class Certificate:
    """A signed certificate; `key` is None if the server never had it."""

    signed: x509.Certificate
    chain: list[str]
    profile: Profile
    application: Application | None
    wanted: dict[str, Any]
    metadata: list[dict[str, str]]
    created: datetime
    key: Any = None
    csr: str | None = None
    id: str = field(default_factory=identifier)
    revoked: datetime | None = None
    reason: str | None = None
    renewed_by: str | None = None
    renews: str | None = None
    renewal_error: str | None = None
    request_id: str | None = None

    @property
    def pem(self) -> str:
        return pem(self.signed)

    @property
    def serial_number(self) -> str:
        return f"{self.signed.serial_number:040x}"

    @property
    def public_key(self) -> bytes:
        """The public key as DER, to count certificates per key."""
        return self.signed.public_key().public_bytes(*SPKI)

    @property
    def private_key(self) -> str | None:
        return key_pem(self.key) if self.key is not None else None

    @property
    def key_algorithm(self) -> str:
        return algorithm_of(self.signed.public_key())

    def fingerprint(self, algorithm: hashes.HashAlgorithm) -> str:
        return self.signed.fingerprint(algorithm).hex()


@dataclass
class Request:
    """A certificate request; `outcome` is its result once it proceeds."""

    status: str
    outcome: str
    profile: Profile
    application: Application | None
    identity: Identity | None
    wanted: dict[str, Any]
    metadata: list[dict[str, str]]
    created: datetime
    updated: datetime
    csr: str | None = None
    key: Any = None  # the reused key of a renewal
    renews: Certificate | None = None
    certificate: Certificate | None = None
    error: str | None = None
    pending: str | None = None
    id: str = field(default_factory=identifier)


class Store:
    """Certificates and requests in creation order; each call holds `lock`."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.certificates: dict[str, Certificate] = {}
        self.requests: dict[str, Request] = {}

    def certificate(self, name: str) -> Certificate:
        """Return a certificate by id or thumbprint."""
        if name in self.certificates:
            return self.certificates[name]
        for one in self.certificates.values():
            prints = (one.fingerprint(hashes.SHA1()), one.fingerprint(hashes.SHA256()))
            if name.lower() in prints:
                return one
        raise Refusal(404, f"Certificate with ID '{name}' not found")

    def request(self, name: str) -> Request:
        if name not in self.requests:
            raise Refusal(404, "Certificate request not found")
        return self.requests[name]

    def open_requests(self) -> list[Request]:
        return [request for request in self.requests.values() if request.status in OPEN]

    def latest(self, certificate: Certificate) -> Certificate | None:
        """Return the latest renewal of a certificate, or None if it was not renewed."""
        last = certificate
        while last.renewed_by:
            last = self.certificates[last.renewed_by]
        return last if last is not certificate else None
