"""Enrollment: check permission and policy, store the request, have it signed and return the certificate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from evercert.authority.api_errors import bad_request
from evercert.authority.configuration.identity import Identity
from evercert.authority.configuration.profiles import Application, Profile
from evercert.authority.contracts.issuance_trail import Asked
from evercert.authority.contracts.ports import Certificates, Configuration, KeySeal
from evercert.authority.contracts.records import CertificateRecord, RequestRecord
from evercert.authority.infisical_api import response_bodies
from evercert.authority.infisical_api.listings import token_digest
from evercert.authority.infisical_api.lookup import Lookup
from evercert.authority.registration.access import Access
from evercert.authority.registration.blocked_keys import open_uncompromised
from evercert.authority.registration.enrollment_options import enrollment_options
from evercert.authority.registration.fulfillment import Fulfillment
from evercert.authority.registration.recorded_refusals import record_pending, recorded_refusals, requested_names
from evercert.authority.registration.request_builder import RequestBuilder, Requester
from evercert.authority.requests import bodies, defaults
from evercert.authority.requests import csr as supplied
from evercert.authority.requests.bodies import IssueBody
from evercert.authority.requests.csr import ParsedCsr
from evercert.canonical_json import digest
from evercert.deadline import Clock
from evercert.errors import Unavailable

MAX_TOKEN_LENGTH = 255
PENDING_MESSAGE = "Certificate request submitted"


def idempotency_token(identity: Identity, header: str | None, reserved: str | None) -> str | None:
    """Return the digest of the idempotency token, or None; raise Refusal if it is invalid.

    The header `Idempotency-Key` takes precedence over the `reserved` metadata of the request body.
    """
    token = header if header is not None else reserved
    if token is None:
        return None
    if not 0 < len(token) <= MAX_TOKEN_LENGTH or not token.isprintable():
        raise bad_request(f"Idempotency-Key: 1 to {MAX_TOKEN_LENGTH} printable characters")
    return token_digest(identity, token)


def request_digest(body: dict[str, Any], **more: str) -> str:
    """Return a digest that is equal for a request and its retries.

    Dates count by presence only: clients compute them from the current time, so that a retry has other ones.
    Raises Refusal if the body is nested too deeply.
    """
    attributes = body.get("attributes") or {}
    dates = dict.fromkeys(("notBefore", "notAfter"), True)
    counted = {name: dates.get(name, value) if value is not None else None for name, value in attributes.items()}
    try:
        return digest({**more, "body": {**body, "attributes": counted}})
    except RecursionError:  # the parser accepts one level more than the digest
        raise bad_request("Body is not valid JSON") from None


@dataclass(frozen=True)
class Enrollment:
    """Issue certificates; idempotent with a token, otherwise each call issues a new one."""

    configuration: Configuration
    certificates: Certificates
    access: Access
    lookup: Lookup
    builder: RequestBuilder
    fulfillment: Fulfillment
    seal: KeySeal
    clock: Clock

    def issue(self, identity: Identity, data: object, key: str | None = None) -> dict[str, Any]:
        """Issue a certificate; `key` is the header Idempotency-Key.

        Raises Refusal, Unavailable, Misconfigured.
        """
        body = bodies.issue(data)
        profile = self.access.profile(identity, body.profile_id, "request")
        asked = Asked(identity.id, "api", profile.id, body.application_id, tuple(requested_names(body.requested)))
        with recorded_refusals(self.certificates, self.clock, asked) as names:
            options = enrollment_options(profile, self._application(body.application_id))
            token = idempotency_token(identity, key, body.token)
            requester = Requester(
                identity.id,
                body.application_id,
                self.lookup.project_id(profile),
                body.remove_roots,
                body.metadata,
                request_digest(cast("dict[str, Any]", data)),
                body.requested,
                spelling=body.spelling,
                renew_before_days=options.renew_before_days if options is not None and options.auto_renew else None,
            )
            request = self.certificates.request_of(token) if token else None
            if request is None:
                built, csr = self._request(identity, requester, profile, body, names)
                request = open_uncompromised(self.certificates, built, token, csr)
            if request.asked != requester.content_digest:
                raise bad_request("Idempotency-Key: used before for another request; send a new key")
        return self._response(identity, request)

    def _request(
        self, identity: Identity, requester: Requester, profile: Profile, body: IssueBody, names: list[str]
    ) -> tuple[RequestRecord, ParsedCsr | None]:
        """Build the request, and return its CSR too; `names` receives those of the CSR."""
        csr = supplied.read(body.csr) if body.csr else None
        if csr is None:
            self.access.require_key_of_new(identity, profile)
        else:
            names += requested_names(csr.requested)
        wanted = defaults.resolve_request(body.requested, csr, profile.defaults)
        return self.builder.request(requester, profile, wanted, csr), csr

    def _application(self, application_id: str | None) -> Application | None:
        if application_id is None:
            return None
        found = self.configuration.application(application_id)
        if found is None:
            raise bad_request("This profile is not attached to the specified Application.")
        return found

    def _response(self, identity: Identity, request: RequestRecord) -> dict[str, Any]:
        """Return the certificate, or a pending request if a service is unavailable.

        An error instead would make a client without a token request another certificate.
        """
        response: dict[str, Any] = {"certificate": None, "certificateRequestId": request.id}
        try:
            found = self.fulfillment.fulfill(request)
            if isinstance(found, CertificateRecord):
                issued = {"certificate": self._certificate(identity, request, found), "status": "issued"}
                return response | issued | response_bodies.notes_message(request)
        except Unavailable:
            record_pending(self.certificates, request)
            return response | {"status": "pending", "message": PENDING_MESSAGE}
        if found.is_open:
            return response | {"status": found.status, "message": response_bodies.waiting_message(found)}
        if found.status == "rejected":
            return response | {"status": found.status, "message": found.error}
        raise bad_request(found.error or "The request has failed")

    def _certificate(self, identity: Identity, request: RequestRecord, record: CertificateRecord) -> dict[str, Any]:
        found = response_bodies.issued_certificate(record, remove_roots=request.remove_roots)
        if record.sealed_key is not None and self.access.may_read_key(identity, record):
            found["privateKey"] = self.seal.open(record.sealed_key, record.request).pem()
        return found
