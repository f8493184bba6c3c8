"""A request goes on, whoever meets it: ordered from the signer, and kept; the same certificate however often."""

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
from evercert.authority.registration.self_signed import self_signed
from evercert.errors import Misconfigured
from evercert.pki.certificate import to_pem

_LATELY = timedelta(seconds=30)  # a call to the API takes no longer: it has seen to what it opened by itself
_CARRIED = (
    "identity", "profile", "application", "project", "ca", "leaf", "lifetime", "csr", "supplied_csr", "metadata",
    "sealed_key", "renews",
)  # fmt: skip


class Fulfillment:
    """May be repeated, and run by several at once."""

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

    def drive(self, request: RequestRecord) -> CertificateRecord | RequestRecord:
        """The certificate, or the request that failed. Raises Unavailable, Misconfigured: then it still waits."""
        if request.status == "failed":
            return request
        if request.status == "issued":
            return self._issued(request)
        try:
            self._require_certifiable(request)
            kept = self._signed(request)
        except Refusal as refusal:
            return self._failed(request, str(refusal))
        return self._certificates.finish(request, kept)

    def _require_certifiable(self, request: RequestRecord) -> None:
        """What has waited may be for a key that was revoked as compromised meanwhile; raises Refusal."""
        known = request.supplied_csr or request.renews is not None  # else its key is in no other certificate
        if known and self._clock() - request.created_at > _LATELY:
            require_uncompromised(self._certificates, x509.load_pem_x509_csr(request.csr.encode()).public_key())

    def _issued(self, request: RequestRecord) -> CertificateRecord:
        kept = self._certificates.certificate(request.certificate_id)
        if kept is None:
            raise Misconfigured(f"certificate {request.certificate_id} of request {request.id} is not in the table")
        return kept

    def _failed(self, request: RequestRecord, error: str) -> CertificateRecord | RequestRecord:
        """Unless somebody else got it meanwhile."""
        self._certificates.fail(replace(request, updated_at=self._clock()), error)
        stands = self._certificates.request(request.id)
        if stands is not None and stands.status == "issued":
            return self._issued(stands)
        return stands or replace(request, status="failed", error=error)

    def _signed(self, request: RequestRecord) -> CertificateRecord:
        if not request.ca:
            certificate, chain = self._self_signed(request), ""
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
            **{name: getattr(request, name) for name in _CARRIED},
        )

    def _self_signed(self, request: RequestRecord) -> x509.Certificate:
        if request.sealed_key is None:
            raise Misconfigured(f"request {request.id} is for a self-signed certificate, and has no key")
        return self_signed(request.leaf, self._seal.open(request.sealed_key, request.id))

    def _ca(self, request: RequestRecord) -> CA:
        ca = self._configuration.ca(request.ca)
        if ca is None or not ca.installed:
            raise Misconfigured(f"CA {request.ca} of request {request.id} is gone, or has no certificate")
        return ca
