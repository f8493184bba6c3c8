"""Issuance (contract §B.2): permitted, wished for, allowed, written down, signed, kept, answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from evercert.authority.api_errors import bad_request
from evercert.authority.configuration.identity import Identity
from evercert.authority.configuration.profiles import Profile
from evercert.authority.contracts.ports import Certificates, Configuration, KeySeal
from evercert.authority.contracts.records import CertificateRecord, RequestRecord
from evercert.authority.infisical_api import response_bodies as answers
from evercert.authority.infisical_api.listings import token_digest
from evercert.authority.infisical_api.lookup import Lookup
from evercert.authority.registration.access import Access
from evercert.authority.registration.fulfillment import Fulfillment
from evercert.authority.registration.request_builder import RequestBuilder, Requester
from evercert.authority.requests import bodies, defaults
from evercert.authority.requests import csr as supplied
from evercert.canonical_json import digest
from evercert.errors import Unavailable

LONGEST_TOKEN = 255
WAITS = "Certificate request submitted"


def token_of(identity: Identity, header: str | None, said: str | None) -> str | None:
    """The header `Idempotency-Key`, else the request's own; raises Refusal for one that is none."""
    token = header if header is not None else said
    if token is None:
        return None
    if not 0 < len(token) <= LONGEST_TOKEN or not token.isprintable():
        raise bad_request(f"Idempotency-Key: 1 to {LONGEST_TOKEN} printable characters")
    return token_digest(identity, token)


def digest_of(body: dict[str, Any], **more: str) -> str:
    """Of what is asked for: a retry asks for the same.

    Of its dates it counts that they are said, and not what they say: clients reckon them from the moment at which they
    ask, and ask again a moment later. Raises Refusal for what is nested too deeply.
    """
    attributes = body.get("attributes") or {}
    dates = dict.fromkeys(("notBefore", "notAfter"), True)
    said = {name: dates.get(name, value) if value is not None else None for name, value in attributes.items()}
    try:
        return digest({**more, "body": {**body, "attributes": said}})
    except RecursionError:  # it could just be read, one level less deep
        raise bad_request("Body is not valid JSON") from None


@dataclass(frozen=True)
class Enrollment:
    """Idempotent by token; without one, each call is a certificate."""

    configuration: Configuration
    certificates: Certificates
    seeing: Access
    naming: Lookup
    making: RequestBuilder
    progress: Fulfillment
    seal: KeySeal

    def issue(self, identity: Identity, data: object, key: str | None = None) -> dict[str, Any]:
        """`key` is the header's idempotency key. Raises Refusal, Unavailable, Misconfigured."""
        body = bodies.issue(data)
        profile = self.seeing.profile(identity, body.profile_id, "request")
        application = self._application(profile, body.application_id)
        token, asked = token_of(identity, key, body.token), digest_of(cast("dict[str, Any]", data))
        request = self.certificates.request_of(token) if token else None
        if request is None:
            csr = supplied.read(body.csr) if body.csr else None
            asker = Requester(
                identity.id,
                application,
                self.naming.project_id(profile),
                body.remove_roots,
                body.metadata,
                asked,
            )
            wish = defaults.wish(body.asked, csr, profile.defaults)
            request = self.certificates.open(self.making.request(asker, profile, wish, csr), token)
        if request.asked != asked:
            raise bad_request("Idempotency-Key: it was used before, for another request")
        return self._answer(identity, request)

    def _application(self, profile: Profile, application_id: str | None) -> str | None:
        if application_id is None:
            return None
        found = self.configuration.application(application_id)
        if found is None or found.project != profile.project or profile.slug not in found.profiles:
            raise bad_request("This profile is not attached to the specified Application.")
        return found.id

    def _answer(self, identity: Identity, request: RequestRecord) -> dict[str, Any]:
        """Whatever does not answer leaves the request waiting: a client without a token would ask for another one."""
        said: dict[str, Any] = {"certificate": None, "certificateRequestId": request.id}
        try:
            found = self.progress.drive(request)
            if isinstance(found, CertificateRecord):
                return said | {"certificate": self._parts(identity, request, found), "status": "issued"}
        except Unavailable:
            return said | {"status": "pending", "message": WAITS}
        raise bad_request(found.error or "The request has failed")

    def _parts(self, identity: Identity, request: RequestRecord, kept: CertificateRecord) -> dict[str, Any]:
        found = answers.parts(kept, remove_roots=request.remove_roots)
        if kept.sealed_key is not None and self.seeing.may_read_key(identity, kept):
            found["privateKey"] = self.seal.open(kept.sealed_key, kept.request).pem()
        return found
