"""Certificates of orders (RFC 8555 §7.4): finalized once, downloaded, revoked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any

from cryptography import x509

from evercert.acme.renewal_info import certificate_id
from evercert.authority.acme.order_request import read_csr, requested_fields, thumbprint_of, with_allowed_subject
from evercert.authority.acme.ports import Accounts, Orders
from evercert.authority.acme.problems import Refused
from evercert.authority.acme.records import Account, Order, is_proven, scope_of
from evercert.authority.acme.replacements import is_renewal_id
from evercert.authority.api_errors import Refusal
from evercert.authority.configuration.profiles import Profile, id_of
from evercert.authority.contracts.issuance_trail import Asked
from evercert.authority.contracts.ports import Certificates, Configuration
from evercert.authority.contracts.records import CertificateRecord, RequestRecord
from evercert.authority.registration.blocked_keys import open_uncompromised
from evercert.authority.registration.fulfillment import Fulfillment
from evercert.authority.registration.recorded_refusals import record_pending, recorded_refusals
from evercert.authority.registration.request_builder import RequestBuilder, Requester
from evercert.authority.requests.csr import ParsedCsr
from evercert.authority.requests.requested_fields import RequestedFields
from evercert.deadline import Clock
from evercert.errors import Misconfigured, Unavailable
from evercert.pki.algorithms import family
from evercert.pki.certificate import to_pem
from evercert.pki.csr_parser import public_key_of
from evercert.pki.keys import public_bytes
from evercert.pki.path.builder import is_self_signed

MOST_ALTERNATES = 9  # chains of one certificate


@dataclass(frozen=True)
class OrderIssuance:
    """Has the certificates of ready orders signed; one order never has two."""

    accounts: Accounts
    orders: Orders
    configuration: Configuration
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
            _require_same(self.certificates.request(order.request), read_csr(members.get("csr"), order))
            return self.proceed(order)
        if status != "ready":
            raise Refused("orderNotReady", f"the order is {status}")
        if profile.acme_enrollment is None or (
            profile.acme_enrollment.ownership == "checked" and not all(map(is_proven, order.authorizations))
        ):
            raise Refused(
                "orderNotReady", "the profile requires challenges since the order was placed; place another one"
            )
        names = tuple(name.value for name in order.names)
        asked = Asked(account.id, "acme", profile.id, order.application, names)
        with recorded_refusals(self.certificates, self.clock, asked, Refused):
            csr = with_allowed_subject(read_csr(members.get("csr"), order), profile)
            opened = self._opened(self._request(account, profile, order, csr), order)
        changed = order.next(closed="processing", request=opened.id)
        if not self.orders.replace(changed, opened.approval.until if opened.approval is not None else None):
            latest = self.orders.of_id(order.id)
            if latest is None or latest.closed not in {"processing", "valid"}:
                raise Refused("serverInternal", "the order was changed meanwhile; try again", status=503)
            changed = latest
        _require_same(opened, csr)  # an earlier call that died had another key: its certificate will be issued
        return self.proceed(changed)

    def _request(self, account: Account, profile: Profile, order: Order, csr: ParsedCsr) -> RequestRecord:
        self._require_no_account_key(profile, csr)
        if profile.issuer is not None and (order.not_before is not None or order.not_after is not None):
            raise Refused(
                "orderNotReady", "the issuer chooses the dates since the order was placed; place another one without"
            )
        try:
            wanted = requested_fields(order, profile, csr, self.clock(), self._latest_end(profile, csr))
            request = self.builder.request(self._requester(account, profile, order), profile, wanted, csr)
        except Refusal as refusal:
            raise Refused("badCSR", str(refusal)) from None
        if set(request.leaf.names) != set(order.names):  # a default of the profile added a name without validation
            raise Refused("badCSR", "the defaults of the profile add names that the order does not have")
        return replace(request, origin="acme")

    def _opened(self, request: RequestRecord, order: Order) -> RequestRecord:
        try:
            return open_uncompromised(self.certificates, request, _token(order))
        except Refusal as refusal:
            raise Refused("badCSR", str(refusal)) from None

    def proceed(self, order: Order) -> Order:
        """Complete an order in `processing`, if its certificate can be signed now. Idempotent."""
        if order.closed != "processing" or order.request is None:
            return order
        request = self.certificates.request(order.request)
        try:
            found = self.fulfillment.fulfill(request) if request is not None else None
        except Unavailable:
            if request is not None:
                record_pending(self.certificates, request)
            return order
        if isinstance(found, CertificateRecord):
            return self._finish(order, found)
        if found is not None and found.is_open:
            return order
        changed = order.next(closed="invalid", error=_failure(found).body)
        return changed if self.orders.replace(changed) else self.orders.of_id(order.id) or order

    def chains(self, order: Order) -> list[str]:
        """Return certificate and issuers in PEM, without the root (§7.4.2), for each way to a root; raise Refused.

        The first one is the default. Others exist while the CA has other certificates for its key.
        """
        record = self._certificate(order)
        try:
            chain = x509.load_pem_x509_certificates(record.chain.encode())
        except ValueError:
            raise Misconfigured(f"the chain of certificate {record.id} cannot be read; restore it") from None
        chains = [chain, *islice(self._alternates(record, chain), MOST_ALTERNATES)]
        leaf = record.signed  # an external issuer may have sent it alone: then it is its own chain in the record
        above = [[one for one in found if one != leaf and not is_self_signed(one)] for found in chains]
        return [to_pem([leaf, *found]) for found in above]

    def _alternates(self, record: CertificateRecord, chain: list[x509.Certificate]) -> Iterator[list[x509.Certificate]]:
        """Yield the chains of the CA's other certificates that are valid now, newest first."""
        ca, now = self.configuration.ca(record.ca) if record.ca else None, self.clock()
        for installed in reversed(ca.installed if ca is not None else ()):
            own = installed.x509
            fits = own.subject == record.signed.issuer and own.not_valid_before_utc <= now < own.not_valid_after_utc
            if fits and own not in chain:
                above = x509.load_pem_x509_certificates(installed.chain.encode()) if installed.chain else []
                yield [own, *above]

    def _certificate(self, order: Order) -> CertificateRecord:
        found = self.certificates.certificate(order.certificate) if order.certificate is not None else None
        if found is None:
            raise Refused("orderNotReady", f"the order is {order.status_at(self.clock())}: it has no certificate")
        return found

    def _finish(self, order: Order, record: CertificateRecord) -> Order:
        """Store the certificate, without renewal information if an external issuer repeated the id of another one."""
        changed = order.next(closed="valid", certificate=record.id)
        own = certificate_id(record.signed)
        for renewal_id in (own if is_renewal_id(own) else None, None):
            if self.orders.finish(changed, renewal_id, record.not_after):
                return changed
            latest = self.orders.of_id(order.id)
            if latest is None or latest.version != order.version:
                return latest or order
        return order

    def _require_no_account_key(self, profile: Profile, csr: ParsedCsr) -> None:
        """Raise Refused if the key of the CSR is that of any account (§11.1)."""
        found = thumbprint_of(csr)
        if found is not None and self.accounts.of_key(scope_of(profile.id, profile.generation), found) is not None:
            raise Refused(
                "badCSR", "the key of the CSR is the key of an account; generate another key for the certificate"
            )

    def _latest_end(self, profile: Profile, csr: ParsedCsr) -> datetime | None:
        """Return when the certificate of the issuing CA ends, or None without such a CA."""
        of_family = [ca for ca in self.builder.cas(profile) if family(ca.algorithm) == family(csr.algorithm)]
        return of_family[0].current.x509.not_valid_after_utc if of_family and of_family[0].installed else None

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


def _failure(request: RequestRecord | None) -> Refused:
    """Return why the order is invalid: others refused its request, or the CA cannot certify the CSR.

    Anyone may register an account at some profiles, so the name of an approver, which can be an ARN, stays inside.
    """
    if request is None:
        return Refused("serverInternal", "the request of the order is missing; place another order")
    error = request.error or "the request has failed"
    if request.status == "rejected":
        reasons = [one.reason for one in request.decisions if not one.approved and one.reason]
        error = ": ".join(["rejected by an approver", *reasons])
    undecided = request.approval is not None and request.approved_at is None  # rejected, cancelled or late
    return Refused("unauthorized" if undecided or request.external else "badCSR", error)


def _require_same(request: RequestRecord | None, csr: ParsedCsr) -> None:
    """Raise Refused if the order was finalized with another key: its certificate would not fit that of the client."""
    if request is not None and public_bytes(public_key_of(request.csr)) != public_bytes(csr.public_key):
        raise Refused("orderNotReady", "the order was finalized with another key; place another order")
