"""Certificates of orders (RFC 8555 §7.4): finalized once, downloaded, revoked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from evercert.acme import base64url
from evercert.acme.jwk import thumbprint, to_jwk
from evercert.acme.renewal_info import certificate_id
from evercert.authority.acme.ports import Orders
from evercert.authority.acme.problems import Refused, malformed
from evercert.authority.acme.records import Account, Order, is_proven
from evercert.authority.api_errors import Refusal
from evercert.authority.configuration.profiles import Profile, id_of
from evercert.authority.contracts.ports import Certificates
from evercert.authority.contracts.records import CertificateRecord, RequestRecord
from evercert.authority.registration.fulfillment import Fulfillment
from evercert.authority.registration.request_builder import RequestBuilder, Requester
from evercert.authority.requests import csr as supplied
from evercert.authority.requests import defaults
from evercert.authority.requests.csr import ParsedCsr
from evercert.authority.requests.requested_fields import RequestedFields
from evercert.deadline import Clock
from evercert.errors import Misconfigured, Unavailable
from evercert.pki.certificate import to_pem
from evercert.pki.csr_parser import public_key_of
from evercert.pki.keys import public_bytes
from evercert.pki.path.builder import is_self_signed

DEFAULT_LIFETIME = timedelta(days=47)  # if neither order nor profile sets one
LARGEST_CSR = 20_000  # characters of base64url


@dataclass(frozen=True)
class OrderIssuance:
    """Has the certificates of ready orders signed; one order never has two."""

    orders: Orders
    certificates: Certificates
    builder: RequestBuilder
    fulfillment: Fulfillment
    clock: Clock
    stack: str

    def finalize(self, account: Account, profile: Profile, order: Order, members: dict[str, Any]) -> Order:
        """Request the certificate of a ready order; return the order, `valid` or `processing`.

        Idempotent for the same key. Raises Refused; for another key than that of an earlier call too.
        """
        status = order.status_at(self.clock())
        if status in {"processing", "valid"} and order.request is not None:
            _require_same(self.certificates.request(order.request), _read_csr(members.get("csr"), account, order))
            return self.proceed(order)
        if status != "ready":
            raise Refused("orderNotReady", f"the order is {status}")
        if profile.acme is None or (
            profile.acme.ownership == "checked" and not all(map(is_proven, order.authorizations))
        ):
            raise Refused(
                "orderNotReady", "the profile requires challenges since the order was placed; place another one"
            )
        csr = _allowed(_read_csr(members.get("csr"), account, order), profile)
        try:
            request = self.builder.request(
                self._requester(account, profile, order), profile, _wanted(order, profile, csr), csr
            )
        except Refusal as refusal:
            raise Refused("badCSR", str(refusal)) from None
        if set(request.leaf.names) != set(order.names):  # a default of the profile added a name without validation
            raise Refused("badCSR", "the defaults of the profile add names that the order does not have")
        opened = self.certificates.open(request, _token(order))
        _require_same(opened, csr)
        changed = order.next(closed="processing", request=opened.id)
        if not self.orders.replace(changed):
            latest = self.orders.of_id(order.id)
            if latest is None or latest.closed not in {"processing", "valid"}:
                raise Refused("serverInternal", "the order was changed meanwhile; try again", status=503)
            changed = latest
        return self.proceed(changed)

    def proceed(self, order: Order) -> Order:
        """Complete an order in `processing`, if its certificate can be signed now. Idempotent."""
        if order.closed != "processing" or order.request is None:
            return order
        request = self.certificates.request(order.request)
        try:
            found = self.fulfillment.fulfill(request) if request is not None else None
        except Unavailable:
            return order
        if isinstance(found, CertificateRecord):
            return self._finish(order, found)
        error = Refused("badCSR", (found.error if found is not None else None) or "the request has failed").body
        changed = order.next(closed="invalid", error=error)
        return changed if self.orders.replace(changed) else self.orders.of_id(order.id) or order

    def chain(self, order: Order) -> str:
        """Return certificate and issuers in PEM, without the root (§7.4.2); raise Refused."""
        record = self._certificate(order)
        try:
            chain = x509.load_pem_x509_certificates(record.chain.encode())
        except ValueError:
            raise Misconfigured(f"the chain of certificate {record.id} cannot be read; restore it") from None
        return to_pem([record.signed, *(one for one in chain if not is_self_signed(one))])

    def _certificate(self, order: Order) -> CertificateRecord:
        found = self.certificates.certificate(order.certificate) if order.certificate is not None else None
        if found is None:
            raise Refused("orderNotReady", f"the order is {order.status_at(self.clock())}: it has no certificate")
        return found

    def _finish(self, order: Order, record: CertificateRecord) -> Order:
        changed = order.next(closed="valid", certificate=record.id)
        if self.orders.finish(changed, certificate_id(record.signed), record.not_after):
            return changed
        return self.orders.of_id(order.id) or order

    def _requester(self, account: Account, profile: Profile, order: Order) -> Requester:
        return Requester(
            identity=account.id,
            application=order.application,
            project=id_of(self.stack, "project", profile.project),
            remove_roots=True,
            metadata=(("acme-account", account.id), ("acme-order", order.id)),
            content_digest=order.id,
            requested=RequestedFields(),
        )


def _token(order: Order) -> str:
    """Return the idempotency token: two calls at the same time request one certificate."""
    return hashlib.sha256(f"acme order {order.id}".encode()).hexdigest()


def _require_same(request: RequestRecord | None, csr: ParsedCsr) -> None:
    """Raise Refused if the order was finalized with another key: its certificate would not fit that of the client."""
    if request is not None and public_bytes(public_key_of(request.csr)) != public_bytes(csr.public_key):
        raise Refused("orderNotReady", "the order was finalized with another key; place another order")


def _read_csr(found: object, account: Account, order: Order) -> ParsedCsr:
    """Return the CSR with the names of the order, its common name and its key; all else is ignored (§7.4)."""
    if not isinstance(found, str) or len(found) > LARGEST_CSR:
        raise malformed("csr must be the base64url of a CSR in DER")
    try:
        der = base64url.decode(found)
        pem = x509.load_der_x509_csr(der).public_bytes(serialization.Encoding.PEM).decode()
    except ValueError:
        raise Refused("badCSR", "csr does not parse as a PKCS #10 request in DER") from None
    try:
        csr = supplied.read(pem)
    except Refusal as refusal:
        raise Refused("badCSR", str(refusal)) from None
    wanted, named = set(order.names), set(csr.requested.get("names") or ())
    common_name = csr.requested.get("common_name")
    values = {name.value: name for name in wanted}
    if common_name is not None:
        if common_name.lower() not in values:
            raise Refused("badCSR", "the common name of the CSR is not a name of the order")
        named.add(values[common_name.lower()])
    if named != wanted:
        raise Refused("badCSR", "the names of the CSR are not exactly those of the order")
    if _is_account_key(csr, account):
        raise Refused("badCSR", "the key of the CSR is the key of the account")  # §11.1
    fields = RequestedFields(names=tuple(sorted(wanted)), key_algorithm=csr.algorithm)
    if common_name is not None:
        fields["common_name"] = common_name.lower()
    return replace(csr, requested=fields, notes=())


def _allowed(csr: ParsedCsr, profile: Profile) -> ParsedCsr:
    """Return the CSR without its common name if the policy has no rule for one: it is among the names anyway."""
    if any(rule.type == "common_name" for rule in profile.policy.subject):
        return csr
    fields = csr.requested.copy()
    fields.pop("common_name", None)
    return replace(csr, requested=fields)


def _is_account_key(csr: ParsedCsr, account: Account) -> bool:
    try:
        return thumbprint(to_jwk(csr.public_key)) == account.thumbprint  # type: ignore[arg-type]
    except (ValueError, TypeError, AttributeError):  # a key that no account can have
        return False


def _wanted(order: Order, profile: Profile, csr: ParsedCsr) -> Any:  # noqa: ANN401
    requested = RequestedFields()
    if order.not_before is not None:
        requested["not_before"] = order.not_before
    if order.not_after is not None:
        requested["not_after"] = order.not_after
    elif "ttlDays" not in profile.defaults:
        longest = profile.policy.validity.span
        requested["ttl"] = DEFAULT_LIFETIME if longest is None else min(DEFAULT_LIFETIME, longest)
    if not profile.defaults.get("extendedKeyUsages"):
        requested["extended_key_usages"] = ("server_auth",)
    if not profile.defaults.get("keyUsages"):
        requested["key_usages"] = ("digital_signature",)
    own = {key: value for key, value in profile.defaults.items() if key != "commonName"}  # the CSR has it, or none
    return defaults.resolve_request(requested, csr, own)
