"""Deprecated calls that issue certificates, as other forms of the issue endpoint: same checks, flat answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evercert.authority.api_errors import bad_request, invalid
from evercert.authority.ca.definition import CA
from evercert.authority.configuration.identity import Identity
from evercert.authority.contracts.ports import Configuration
from evercert.authority.infisical_api.enrollment import Enrollment
from evercert.authority.registration.access import Access, uuid_of
from evercert.authority.requests.attribute_fields import AttributesBody
from evercert.errors import Unavailable
from evercert.pki.identifiers import parse

_ATTRIBUTES = tuple(field.alias or name for name, field in AttributesBody.model_fields.items())
# Usages in the oldest calls, which have the names of RFC 5280.
_OLD_USAGES = {
    "digitalSignature": "digital_signature",
    "nonRepudiation": "non_repudiation",
    "keyEncipherment": "key_encipherment",
    "dataEncipherment": "data_encipherment",
    "keyAgreement": "key_agreement",
    "keyCertSign": "key_cert_sign",
    "cRLSign": "crl_sign",
    "encipherOnly": "encipher_only",
    "decipherOnly": "decipher_only",
    "clientAuth": "client_auth",
    "serverAuth": "server_auth",
    "codeSigning": "code_signing",
    "emailProtection": "email_protection",
    "timeStamping": "time_stamping",
    "ocspSigning": "ocsp_signing",
}


@dataclass(frozen=True)
class DeprecatedForms:
    """Translate older bodies; raises what the issue endpoint raises.

    Flat answers have no place for a request that waits. It is refused (400) with its id, so that clients do not repeat
    the call, which would request another certificate.
    """

    configuration: Configuration
    access: Access
    enrollment: Enrollment
    address: str

    def issue(self, identity: Identity, data: object, key: str | None) -> dict[str, Any]:
        """Issue a certificate from attributes at the top level of the body."""
        body = _object(data)
        return self._issued(identity, {**_shared_fields(body), "attributes": _attributes(body)}, key)

    def sign(self, identity: Identity, data: object, key: str | None) -> dict[str, Any]:
        """Issue a certificate for a CSR."""
        body = _object(data)
        if not body.get("csr"):
            self.access.profile(identity, str(body.get("profileId")), "request")  # first: others get 403, not 422
            raise invalid([(("csr",), "Required")])
        return self._issued(
            identity, {**_shared_fields(body), "csr": body["csr"], "attributes": _attributes(body)}, key
        )

    def order(self, identity: Identity, data: object, key: str | None) -> dict[str, Any]:
        """Return the certificate as a completed order, or a pending order without it.

        The CAs of this authority need no challenges.
        """
        body = _object(data)
        names = body.get("subjectAlternativeNames", body.get("altNames")) or []
        attributes = _attributes({**body, "altNames": names})
        wanted = {**_shared_fields(body), **_csr(body), "attributes": attributes}
        answer = _unless_rejected(self.enrollment.issue(identity, wanted, key))
        request, issued = answer["certificateRequestId"], answer["certificate"]
        status = "pending" if issued is None else "valid"
        return {
            "orderId": request,
            "status": status,
            "subjectAlternativeNames": [{**one, "status": status} for one in names if isinstance(one, dict)],
            "authorizations": [],
            "finalize": self._url(request),
            "certificate": None if issued is None else issued["certificate"],
        }

    def sign_by_ca(self, identity: Identity, data: object, key: str | None) -> dict[str, Any]:
        """Issue a certificate for a CSR from the profile of a template or a CA, as the oldest clients name it."""
        body = _object(data)
        return self.sign(identity, {**body, "profileId": self._profile(identity, body)}, key)

    def issue_by_ca(self, identity: Identity, data: object, key: str | None) -> dict[str, Any]:
        """Issue a certificate from the profile of a template or a CA, with usages and names in the oldest spelling."""
        body = _object(data)
        for usages in ("keyUsages", "extendedKeyUsages"):
            if isinstance(body.get(usages), list):
                body[usages] = [_OLD_USAGES.get(one, one) if isinstance(one, str) else one for one in body[usages]]
        return self.issue(identity, {**body, "profileId": self._profile(identity, body)}, key)

    def _issued(self, identity: Identity, body: dict[str, Any], key: str | None) -> dict[str, Any]:
        answer = _unless_rejected(self.enrollment.issue(identity, body, key))
        request = answer["certificateRequestId"]
        if answer["certificate"] is None:
            if key is not None and self._waits_for_signer(request):
                raise Unavailable(
                    f"certificate request {request} is pending: repeat the call with the same Idempotency-Key"
                )
            state = f"Certificate request {request} is {answer['status']}: {answer['message']}"
            raise bad_request(
                f"{state}. Get its status, and then its certificate, from {self._url(request)}; a repeated call without"
                " Idempotency-Key requests another certificate"
            )
        return {**answer["certificate"], "certificateRequestId": request}

    def _waits_for_signer(self, request_id: str) -> bool:
        """Return whether a request needs only the signer, which answers soon; others wait for people or issuers."""
        request = self.enrollment.certificates.request(request_id)
        return request is not None and request.status in {"pending", "issued"} and not request.external

    def _url(self, request_id: str) -> str:
        return f"{self.address}/api/v1/cert-manager/certificates/certificate-requests/{request_id}"

    def _profile(self, identity: Identity, body: Mapping[str, Any]) -> str:
        """Return the id of the profile: the template, or the only one of the CA that the identity may use."""
        template, ca_id = body.get("certificateTemplateId") or body.get("profileId"), body.get("caId")
        if isinstance(template, str):
            return template
        if not isinstance(ca_id, str):
            raise invalid([(("certificateTemplateId",), "Required: the id of a certificate profile")])
        ca = self.configuration.ca(uuid_of(ca_id) or "") if uuid_of(ca_id) else None
        name = ca.name if isinstance(ca, CA) else ""
        found = [
            profile.id
            for profile in self.access.profiles(identity)
            if name in profile.cas and identity.may("request", profile.key)
        ]
        if len(found) != 1:
            raise bad_request(
                f"caId does not identify one profile: the identity may use {len(found)} profiles of this CA; send"
                " certificateTemplateId"
            )
        return found[0]


def _unless_rejected(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the answer of the issue endpoint; raise Refusal (400) if the request was rejected."""
    if answer.get("status") == "rejected":
        raise bad_request(answer["message"] or "The request was rejected")
    return answer


def _object(data: object) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise invalid([((), "Expected an object")])
    return dict(data)


def _shared_fields(body: Mapping[str, Any]) -> dict[str, Any]:
    names = ("profileId", "applicationId", "removeRootsFromChain", "metadata")
    return {name: body[name] for name in names if body.get(name) is not None}


def _csr(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"csr": body["csr"]} if body.get("csr") else {}


def _attributes(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes at the top level of a body; names may be a text with commas."""
    found = {name: body[name] for name in _ATTRIBUTES if body.get(name) not in (None, "", [])}
    names = found.get("altNames")
    if isinstance(names, str):
        found["altNames"] = [_typed(name.strip()) for name in names.split(",") if name.strip()]
    return found


def _typed(name: str) -> dict[str, str]:
    """Return an alternative name with the type that it looks like."""
    if "://" in name:
        return {"type": "uri", "value": name}
    if "@" in name:
        return {"type": "email", "value": name}
    try:
        return {"type": "ip_address", "value": parse(f"ip:{name}").value}
    except ValueError:
        return {"type": "dns_name", "value": name}
