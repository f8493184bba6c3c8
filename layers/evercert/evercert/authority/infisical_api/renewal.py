"""Renewal (contract §B.4, §D.6): all of the old certificate that is not said anew, under the policy of today."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from cryptography import x509

from evercert.authority.api_errors import bad_request
from evercert.authority.configuration.identity import Identity
from evercert.authority.configuration.profiles import Profile
from evercert.authority.contracts.ports import Certificates, Configuration, KeySeal
from evercert.authority.contracts.records import CertificateRecord, RequestRecord
from evercert.authority.infisical_api import response_bodies as answers
from evercert.authority.infisical_api.enrollment import digest_of, token_of
from evercert.authority.registration.access import Access
from evercert.authority.registration.fulfillment import Fulfillment
from evercert.authority.registration.request_builder import RequestBuilder, Requester
from evercert.authority.requests import bodies, defaults
from evercert.authority.requests import csr as supplied
from evercert.authority.requests.bodies import RenewBody
from evercert.authority.requests.csr import ParsedCsr
from evercert.authority.requests.effective_request import EffectiveRequest
from evercert.authority.requests.requested_fields import RequestedFields, again
from evercert.errors import Unavailable
from evercert.pki.algorithms import KeyAlgorithm, algorithm_of
from evercert.pki.keys import PrivateKey

_EMPTY = ("certificate", "issuingCaCertificate", "certificateChain", "serialNumber", "certificateId")
_ONCE = "certificate has already been renewed"


@dataclass(frozen=True)
class Renewals:
    """A certificate is renewed once; the old one stays valid, and both know of each other."""

    configuration: Configuration
    certificates: Certificates
    seeing: Access
    making: RequestBuilder
    progress: Fulfillment
    seal: KeySeal
    clock: Callable[[], datetime]

    def renew(self, identity: Identity, name: str, data: object, key: str | None = None) -> dict[str, Any]:
        """Whoever repeats a renewal with its token, or with its CSR, is answered the same certificate."""
        body = bodies.renew(data)
        old = self.seeing.certificate(identity, name)
        profile = self.seeing.profile(identity, old.profile, "request")
        token, asked = token_of(identity, key, None), digest_of(cast("dict[str, Any]", data or {}), renews=old.id)
        known = self.certificates.request_of(token) if token else None
        request = known or self.certificates.renewal_of(old.id)
        if request is None:
            request = self.certificates.open(self._request(identity, old, profile, body, asked), token)
        if request.renews != old.id:
            raise bad_request("Idempotency-Key: it was used before, for another request")
        same = request.asked == asked and request.identity == identity.id
        if not same or (request.status == "issued" and known is None and not request.supplied_csr):
            self.progress.drive(request)  # what somebody began is finished, so that it can be found
            raise bad_request(f"Certificate is not eligible for renewal: {_ONCE}")
        return self._answer(request)

    def _request(
        self, identity: Identity, old: CertificateRecord, profile: Profile, body: RenewBody, asked: str
    ) -> RequestRecord:
        if reasons := self._reasons(old):
            raise bad_request(f"Certificate is not eligible for renewal: {', '.join(reasons)}")
        csr, private_key = self._key(identity, old, profile, body)
        asker = Requester(
            identity.id, old.application, old.project, body.remove_roots, old.metadata, asked, renews=old.id
        )
        wish = EffectiveRequest.of(self._asked(old, profile, body, csr, private_key))
        if body.asked or _changed(old, wish):
            self.seeing.require_own(identity, old, "edit", "certificates")
        return self.making.request(asker, profile, wish, csr, private_key)

    def _reasons(self, old: CertificateRecord) -> list[str]:
        status = answers.status(old, self.clock())
        reasons = [_ONCE] if old.renewed_by else []
        if status != "active":
            reasons.append(f"certificate is {status}")
        ca = self.configuration.ca(old.ca) if old.ca else None
        if old.ca and (ca is None or ca.status != "active"):
            reasons.append("CA is not active")
        return reasons

    def _key(
        self, identity: Identity, old: CertificateRecord, profile: Profile, body: RenewBody
    ) -> tuple[ParsedCsr | None, PrivateKey | None]:
        """What it is for: a CSR (sent, or the old one), the old key, or neither: then a new key is made.

        Whoever renews may read the key of what it renewed, so that it reuses no key that is somebody else's.
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
            return None, None
        if old.sealed_key is not None:
            self.seeing.require_own(identity, old, "read-private-key", "certificates")
            return None, self.seal.open(old.sealed_key, old.request)
        return supplied.read(old.csr), None

    def _asked(
        self, old: CertificateRecord, profile: Profile, body: RenewBody, csr: ParsedCsr | None, key: PrivateKey | None
    ) -> RequestedFields:
        """The old certificate's, what a new CSR carries, what the body says; None drops, lists replace."""
        said = body.asked
        if body.csr and csr is not None and (twice := defaults.carried(csr, said)):
            raise bad_request(f"Attributes that the CSR carries cannot be sent with it: {', '.join(twice)}")
        algorithm = csr.algorithm if csr else key.algorithm if key else None
        if algorithm is not None and said.get("key_algorithm") not in (None, algorithm):
            raise bad_request("attributes.keyAlgorithm: it cannot change while the key is kept, or comes with a CSR")
        kept = again(old.leaf, algorithm or said.get("key_algorithm") or _algorithm(old))
        if algorithm is None and said.get("key_algorithm") is None and not _lists_keys(profile):
            kept.pop("key_algorithm", None)  # nobody could ask for one: the profile's CAs say it, as they did before
        if body.csr and csr is not None:
            kept = cast("RequestedFields", {**kept, **csr.asked})
        whole: dict[str, Any] = {**kept, **{name: value for name, value in said.items() if name != "key_algorithm"}}
        if whole.get("ttl") is None and whole.get("not_after") is None:
            begin = whole.get("not_before")
            whole |= {"not_after": begin + span(old)} if begin else {"ttl": span(old)}
        return cast("RequestedFields", whole)

    def _answer(self, request: RequestRecord) -> dict[str, Any]:
        """Without the private key, as in the contract: bundle, private-key and the request's poll have it."""
        try:
            found = self.progress.drive(request)
        except Unavailable:
            return {**dict.fromkeys(_EMPTY, ""), "certificateRequestId": request.id}
        if not isinstance(found, CertificateRecord):
            raise bad_request(found.error or "The request has failed")
        return {**answers.parts(found, remove_roots=request.remove_roots), "certificateRequestId": request.id}


def span(old: CertificateRecord) -> timedelta:
    """What was asked for, to the second: rounded down to its largest unit, it would shrink (contract §D.6 does so)."""
    return timedelta(seconds=old.lifetime)


def _lists_keys(profile: Profile) -> bool:
    """A policy without a list of key algorithms lets nobody ask for one (contract §D.3)."""
    return profile.policy.algorithms is not None and profile.policy.algorithms.key_algorithm is not None


def _changed(old: CertificateRecord, wish: EffectiveRequest) -> bool:
    """Whether it would say anything else than the old one: a new CSR can, too."""
    before = EffectiveRequest.of(again(old.leaf, None))
    return wish.subject != before.subject or any(
        set(new) != set(known)
        for new, known in (
            (wish.names, before.names),
            (wish.key_usages, before.key_usages),
            (wish.extended_key_usages, before.extended_key_usages),
        )
    )


def _algorithm(old: CertificateRecord) -> KeyAlgorithm | None:
    return algorithm_of(x509.load_pem_x509_certificate(old.certificate.encode()).public_key())
