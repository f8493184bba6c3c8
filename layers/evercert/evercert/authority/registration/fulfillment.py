"""Fulfillment of stored requests: order the certificate from the signer and store it, idempotently."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from cryptography import x509

from evercert.authority.api_errors import Refusal
from evercert.authority.ca.definition import CA
from evercert.authority.ca.signing_orders import LeafOrder
from evercert.authority.contracts.external import ExternalRequests
from evercert.authority.contracts.ports import Certificates, Configuration, KeySeal, Signer
from evercert.authority.contracts.records import CertificateRecord, RequestRecord
from evercert.authority.registration.approved_dates import with_approved_dates
from evercert.authority.registration.blocked_keys import require_uncompromised
from evercert.authority.registration.renewal_schedule import renewal_time
from evercert.authority.registration.self_signed import build_self_signed
from evercert.errors import Misconfigured
from evercert.pki.certificate import to_pem
from evercert.pki.csr_parser import public_key_of
from evercert.timestamps import to_text

_CHECKED_RECENTLY = timedelta(
    seconds=30
)  # upper bound of an API call, which checked the key when it stored the request
_COPIED_FIELDS = (
    "identity", "profile", "application", "project", "ca", "leaf", "lifetime", "csr", "supplied_csr", "metadata",
    "sealed_key", "renews", "spelling", "renew_before_days",
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
        *,
        external: ExternalRequests | None = None,
    ) -> None:
        self._external = external
        self._configuration = configuration
        self._certificates = certificates
        self._signer = signer
        self._seal = seal
        self._clock = clock

    def fulfill(self, request: RequestRecord) -> CertificateRecord | RequestRecord:
        """Return the certificate, or the request: failed, rejected, or waiting for an approval or an external issuer.

        Raises Unavailable or Misconfigured; the request then stays pending.
        """
        if request.status in {"failed", "rejected"}:
            return request
        if request.status == "issued":
            return self._certificate(request)
        if request.status == "pending_approval":
            return self._waiting(request)
        if request.external:
            return self._hand_over(request)
        try:
            self._require_certifiable(request)
            record = self._sign(replace(request, leaf=with_approved_dates(request)))
        except Refusal as refusal:
            return self._fail(request, str(refusal))
        return self._certificates.finish(request, record)

    def _waiting(self, request: RequestRecord) -> CertificateRecord | RequestRecord:
        """Return the request; it fails once its time for an approval is over."""
        if request.approval is None or self._clock() < request.approval.until:
            return request
        return self._fail(
            request, f"not approved before the deadline {to_text(request.approval.until)}: request it again"
        )

    def _hand_over(self, request: RequestRecord) -> RequestRecord:
        """Return the request, which the issuer function fulfills; its `error` says what it waits for.

        The status `pending_validation` is never stored: a person has to act at the issuer.
        """
        if self._external is None:
            raise Misconfigured("this function cannot hand requests over to external issuers")
        work = self._external.find(request.id)
        if work is None:
            self._external.begin(request.id, self._clock())
            return request
        return replace(
            request, error=work.message or None, status="pending_validation" if work.validating else request.status
        )

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
        begin, end, days = certificate.not_valid_before_utc, certificate.not_valid_after_utc, request.renew_before_days
        return CertificateRecord(
            id=request.certificate_id,
            request=request.id,
            created_at=now,
            updated_at=now,
            serial_number=f"{certificate.serial_number:040x}",
            not_before=begin,
            not_after=end,
            due_at=None if days is None else renewal_time(begin, end, days),
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
