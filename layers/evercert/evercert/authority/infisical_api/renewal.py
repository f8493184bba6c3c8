"""Renewal: reuse the old certificate's fields unless the request overrides them, under the current policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast

from evercert.authority.api_errors import bad_request
from evercert.authority.configuration.identity import Identity
from evercert.authority.configuration.profiles import Profile
from evercert.authority.contracts.issuance_trail import Asked, names_of
from evercert.authority.contracts.ports import Certificates, Configuration, KeySeal
from evercert.authority.contracts.records import CertificateRecord, RequestRecord
from evercert.authority.infisical_api import response_bodies
from evercert.authority.infisical_api.enrollment import idempotency_token, request_digest
from evercert.authority.registration.access import Access
from evercert.authority.registration.blocked_keys import open_uncompromised
from evercert.authority.registration.enrollment_options import enrollment_options
from evercert.authority.registration.fulfillment import Fulfillment
from evercert.authority.registration.recorded_refusals import record_pending, recorded_refusals, requested_names
from evercert.authority.registration.request_builder import RequestBuilder, Requester
from evercert.authority.requests import bodies, defaults
from evercert.authority.requests import csr as supplied
from evercert.authority.requests.bodies import RenewBody
from evercert.authority.requests.csr import ParsedCsr
from evercert.authority.requests.effective_request import EffectiveRequest, PolicyRefusal
from evercert.authority.requests.requested_fields import AS_CERTIFIED, RequestedFields, fields_of_leaf
from evercert.errors import Unavailable
from evercert.pki.algorithms import KeyAlgorithm, algorithm_of
from evercert.pki.keys import PrivateKey

_EMPTY = ("certificate", "issuingCaCertificate", "certificateChain", "serialNumber", "certificateId")
_RENEWABLE = ("active", "retired")  # states of the old certificate's CA; the profile names the CA of the new one
_ONCE = "certificate has already been renewed"


@dataclass(frozen=True)
class Renewals:
    """Renew each certificate once; the old one stays valid, and both link to each other."""

    configuration: Configuration
    certificates: Certificates
    access: Access
    builder: RequestBuilder
    fulfillment: Fulfillment
    seal: KeySeal
    clock: Callable[[], datetime]

    def renew(self, identity: Identity, name: str, data: object, key: str | None = None) -> dict[str, Any]:
        """Renew a certificate; a repeated call with the same token or CSR returns the same one."""
        body = bodies.renew(data)
        old = self.access.certificate(identity, name)
        profile = self.access.profile(identity, old.profile, "request")
        names = tuple(requested_names(body.requested)) or names_of(old.leaf)
        asked = Asked(identity.id, "api", profile.id, old.application, names, old.id)
        content_digest = request_digest(cast("dict[str, Any]", data or {}), renews=old.id)
        with recorded_refusals(self.certificates, self.clock, asked):
            token = idempotency_token(identity, key, None)
            known = self.certificates.request_of(token) if token else None
            request = known or self.certificates.renewal_of(old.id)
            if request is None:
                try:
                    opened = self._request(identity, old, profile, body, content_digest)
                except PolicyRefusal as refusal:
                    self.certificates.record_refused_renewal(old.id, str(refusal), self.clock())
                    raise
                request = open_uncompromised(self.certificates, opened, token)
            if request.renews != old.id:
                raise bad_request("Idempotency-Key: used before for another request; send a new key")
            same = request.asked == content_digest and request.identity == identity.id
            if not same or (request.status == "issued" and known is None and not request.supplied_csr):
                self.fulfillment.fulfill(request)  # complete the other renewal, so that clients can find it
                raise bad_request(f"Certificate is not eligible for renewal: {_ONCE}")
        return self._response(request)

    def renew_unattended(self, record: CertificateRecord) -> CertificateRecord | RequestRecord:
        """Renew a certificate with a new key and the permissions of the identity that requested it.

        Idempotent: returns the certificate of an earlier or concurrent renewal. Raise Refusal, Unavailable,
        Misconfigured.
        """
        if (request := self.certificates.renewal_of(record.id)) is None:
            names = names_of(record.leaf)
            asked = Asked(record.identity, "automatic", record.profile, record.application, names, record.id)
            with recorded_refusals(self.certificates, self.clock, asked):
                request = self._opened_unattended(record)
        try:
            return self.fulfillment.fulfill(request)
        except Unavailable:
            record_pending(self.certificates, request)
            raise

    def _opened_unattended(self, record: CertificateRecord) -> RequestRecord:
        identity = self.configuration.identity(record.identity)
        if identity is None:
            raise bad_request("the identity that requested the certificate was deleted: renew it with another identity")
        profile = self.access.profile(identity, record.profile, "request")
        content_digest = request_digest({}, renews=record.id)
        body = RenewBody(None, {}, remove_roots=False, key_source="new")
        request = self._request(identity, record, profile, body, content_digest)
        return open_uncompromised(self.certificates, replace(request, origin="automatic"), None)

    def _request(
        self, identity: Identity, old: CertificateRecord, profile: Profile, body: RenewBody, content_digest: str
    ) -> RequestRecord:
        if reasons := self._ineligibility(old):
            raise bad_request(f"Certificate is not eligible for renewal: {', '.join(reasons)}")
        application = self.configuration.application(old.application) if old.application else None
        enrollment_options(profile, application)
        csr, private_key = self._resolve_key(identity, old, profile, body)
        requester = Requester(
            identity.id,
            old.application,
            old.project,
            body.remove_roots,
            old.metadata,
            content_digest,
            body.requested,
            renews=old.id,
            spelling=AS_CERTIFIED if body.csr or body.requested else old.spelling,
            renew_before_days=old.renew_before_days,
        )
        wanted = EffectiveRequest.of(self._merged_fields(old, profile, body, csr, private_key))
        changed = bool(body.requested) or _changed(old, wanted.for_key(wanted.key_algorithm))
        if changed or profile.approval is not None:  # a request that waits would hold up the owner's renewal
            self.access.require_own(identity, old, "edit", "certificates")
        requester = replace(requester, unchanged=not changed and old.identity == identity.id)
        return self.builder.request(requester, profile, wanted, csr, private_key)

    def _ineligibility(self, old: CertificateRecord) -> list[str]:
        status = response_bodies.status(old, self.clock())
        reasons = [_ONCE] if old.renewed_by else []
        if old.imported:
            reasons.append("certificate was imported; request a new one")
        if status != "active":
            reasons.append(f"certificate is {status}")
        ca = self.configuration.ca(old.ca) if old.ca else None
        if old.ca and (ca is None or ca.status not in _RENEWABLE):
            reasons.append("CA is not active")
        return reasons

    def _resolve_key(
        self, identity: Identity, old: CertificateRecord, profile: Profile, body: RenewBody
    ) -> tuple[ParsedCsr | None, PrivateKey | None]:
        """Return the CSR (new or old) or the old key; neither if a new key is to be generated.

        The requester can read the key of the new certificate, so that reusing another identity's key is refused.
        """
        source = body.key_source or ("csr" if body.csr or old.supplied_csr else "new")
        if body.csr and source != "csr":
            raise bad_request("A CSR can only be sent with the renewal key source csr")
        if source == "csr":
            if profile.issuer_type == "self-signed":
                raise bad_request("Self-signed certificates are not supported for CSR signing")
            text = body.csr or (old.csr if body.key_source is None else None)
            if text is None:
                raise bad_request("A CSR is required for this renewal key source")
            return supplied.read(text), None
        if source == "new":
            self.access.require_key_of_new(identity, profile)
            return None, None
        if profile.issuer is not None:
            raise bad_request("The renewal key source reuse is not supported by external CAs: use new or csr")
        if old.sealed_key is not None:
            self.access.require_own(identity, old, "read-private-key", "certificates")
            return None, self.seal.open(old.sealed_key, old.request)
        return supplied.read(old.csr), None

    def _merged_fields(
        self, old: CertificateRecord, profile: Profile, body: RenewBody, csr: ParsedCsr | None, key: PrivateKey | None
    ) -> RequestedFields:
        """Merge the fields of old certificate, new CSR and body; None removes a field, lists replace it."""
        overrides = body.requested
        if body.csr and csr is not None and (twice := defaults.find_repeated_attributes(csr, overrides)):
            raise bad_request(f"Attributes that the CSR carries cannot be sent with it: {', '.join(twice)}")
        algorithm = csr.algorithm if csr else key.algorithm if key else None
        if algorithm is not None and overrides.get("key_algorithm") not in (None, algorithm):
            raise bad_request("attributes.keyAlgorithm: cannot change if the key is reused or comes from a CSR")
        fields = fields_of_leaf(old.leaf, algorithm or overrides.get("key_algorithm") or _algorithm(old))
        if algorithm is None and overrides.get("key_algorithm") is None and not _lists_keys(profile):
            fields.pop("key_algorithm", None)  # requests cannot choose one: the profile's CAs determine it
        if body.csr and csr is not None:
            fields = cast("RequestedFields", {**fields, **csr.requested})
        whole: dict[str, Any] = {
            **fields,
            **{name: value for name, value in overrides.items() if name != "key_algorithm"},
        }
        if whole.get("ttl") is None and whole.get("not_after") is None:
            begin = whole.get("not_before")
            whole |= {"not_after": begin + requested_lifetime(old)} if begin else {"ttl": requested_lifetime(old)}
        return cast("RequestedFields", whole)

    def _response(self, request: RequestRecord) -> dict[str, Any]:
        """Return the renewed certificate without its private key, like the Infisical API.

        Clients read the key from the bundle, from private-key or from the request.
        """
        try:
            found = self.fulfillment.fulfill(request)
        except Unavailable:
            record_pending(self.certificates, request)
            return {**dict.fromkeys(_EMPTY, ""), "certificateRequestId": request.id}
        if not isinstance(found, CertificateRecord):
            if found.is_open:
                return {**dict.fromkeys(_EMPTY, ""), "certificateRequestId": request.id}
            raise bad_request(found.error or "The request has failed")
        return {
            **response_bodies.issued_certificate(found, remove_roots=request.remove_roots),
            "certificateRequestId": request.id,
            **response_bodies.notes_message(request),
        }


def requested_lifetime(old: CertificateRecord) -> timedelta:
    """Return the requested lifetime; exact to the second, so that repeated renewals do not shorten it."""
    return timedelta(seconds=old.lifetime)


def _lists_keys(profile: Profile) -> bool:
    """Return whether the policy lists key algorithms; without a list, requests cannot choose one."""
    return profile.policy.algorithms is not None and profile.policy.algorithms.key_algorithm is not None


def _changed(old: CertificateRecord, wanted: EffectiveRequest) -> bool:
    """Return whether the new certificate would differ from the old one; a new CSR can change it too."""
    before = EffectiveRequest.of(fields_of_leaf(old.leaf, None))
    return wanted.subject != before.subject or any(
        set(new) != set(known)
        for new, known in (
            (wanted.names, before.names),
            (wanted.key_usages, before.key_usages),
            (wanted.extended_key_usages, before.extended_key_usages),
        )
    )


def _algorithm(old: CertificateRecord) -> KeyAlgorithm | None:
    return algorithm_of(old.signed.public_key())
