"""Fulfillment of stored requests: order the certificate from the signer and store it, idempotently."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from cryptography import x509

from evercert.authority.api_errors import Refusal
from evercert.authority.ca.definition import CA
from evercert.authority.ca.signing_orders import LeafOrder
from evercert.authority.contracts.ports import Certificates, Configuration, KeySeal, Signer
from evercert.authority.contracts.records import CertificateRecord, RequestRecord
from evercert.authority.registration.blocked_keys import require_uncompromised
from evercert.authority.registration.self_signed import build_self_signed
from evercert.errors import Misconfigured
from evercert.pki.certificate import to_pem
from evercert.pki.csr_parser import public_key_of

_CHECKED_RECENTLY = timedelta(
    seconds=30
)  # upper bound of an API call, which checked the key when it stored the request
_COPIED_FIELDS = (
    "identity", "profile", "application", "project", "ca", "leaf", "lifetime", "csr", "supplied_csr", "metadata",
    "sealed_key", "renews", "spelling",
)  # fmt: skip


class Fulfillment:
    """Complete requests; idempotent and safe to run concurrently."""

    def __init__(
        self,
        configuration: Configuration,
        certificates: Certificates,
        signer: Signer,
        seal: KeySeal,
        clock: Callable[[], datetime],
    ) -> None:
        self._configuration = configuration
        self._certificates = certificates
        self._signer = signer
        self._seal = seal
        self._clock = clock

    def fulfill(self, request: RequestRecord) -> CertificateRecord | RequestRecord:
        """Return the certificate, or the failed request.

        Raises Unavailable or Misconfigured; the request then stays pending.
        """
        if request.status == "failed":
            return request
        if request.status == "issued":
            return self._certificate(request)
        try:
            self._require_certifiable(request)
            record = self._sign(request)
        except Refusal as refusal:
            return self._fail(request, str(refusal))
        return self._certificates.finish(request, record)

    def _require_certifiable(self, request: RequestRecord) -> None:
        """Raise Refusal if the key of a delayed request was revoked as compromised meanwhile."""
        reused = request.supplied_csr or request.renews is not None  # otherwise no other certificate has this key
        if reused and self._clock() - request.created_at > _CHECKED_RECENTLY:
            require_uncompromised(self._certificates, public_key_of(request.csr))

    def _certificate(self, request: RequestRecord) -> CertificateRecord:
        record = self._certificates.certificate(request.certificate_id)
        if record is None:
            missing = f"certificate {request.certificate_id} of request {request.id} is missing in the table"
            raise Misconfigured(f"{missing}; request a new one")
        return record

    def _fail(self, request: RequestRecord, error: str) -> CertificateRecord | RequestRecord:
        """Mark the request as failed, unless a concurrent call completed it."""
        self._certificates.fail(replace(request, updated_at=self._clock()), error)
        stored = self._certificates.request(request.id)
        if stored is not None and stored.status == "issued":
            return self._certificate(stored)
        return stored or replace(request, status="failed", error=error)

    def _sign(self, request: RequestRecord) -> CertificateRecord:
        if not request.ca:
            certificate, chain = self._self_sign(request), ""
        else:
            ca = self._ca(request)
            order = LeafOrder(request.id, request.ca, request.profile, request.leaf, request.csr)
            certificate = x509.load_der_x509_certificate(self._signer.leaf(order))
            chain = "".join(f"{one.strip()}\n" for one in (ca.current.certificate, ca.current.chain) if one.strip())
        now = self._clock()
        pem = to_pem([certificate])
        return CertificateRecord(
            id=request.certificate_id,
            request=request.id,
            created_at=now,
            updated_at=now,
            serial_number=f"{certificate.serial_number:040x}",
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            certificate=pem,
            chain=chain or pem,
            **{name: getattr(request, name) for name in _COPIED_FIELDS},
        )

    def _self_sign(self, request: RequestRecord) -> x509.Certificate:
        if request.sealed_key is None:
            raise Misconfigured(f"request {request.id} for a self-signed certificate has no key; send it again")
        return build_self_signed(request.leaf, self._seal.open(request.sealed_key, request.id))

    def _ca(self, request: RequestRecord) -> CA:
        ca = self._configuration.ca(request.ca)
        if ca is None or not ca.installed:
            missing = f"CA {request.ca} of request {request.id} is missing or has no certificate"
            raise Misconfigured(f"{missing}; import its certificate, or request again from another profile")
        return ca
