"""Approval of certificate requests: who may decide, and whether the request is still allowed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from evercert.authority.api_errors import bad_request, forbidden, not_found
from evercert.authority.ca.definition import CA
from evercert.authority.configuration.profiles import Profile
from evercert.authority.contracts.approval_terms import DecidedStatus, Decision
from evercert.authority.contracts.approvals import Approvals
from evercert.authority.contracts.ports import Certificates, Configuration
from evercert.authority.contracts.records import RequestRecord
from evercert.authority.policy import evaluation
from evercert.authority.registration.approved_dates import date_problem
from evercert.authority.registration.approvers import Approver
from evercert.authority.registration.enrollment_options import enrollment_options
from evercert.authority.requests.effective_request import EffectiveRequest
from evercert.authority.requests.requested_fields import fields_of_leaf
from evercert.errors import Unavailable
from evercert.pki.algorithms import algorithm_of
from evercert.pki.csr_parser import public_key_of
from evercert.schema import printable
from evercert.timestamps import to_text

ATTEMPTS = 4
LONGEST_REASON = 500  # characters


class ApprovalStore(Certificates, Approvals, Protocol):
    """Requests with their decisions."""


class AcmeRequesters(Protocol):
    """The accounts that request certificates by ACME."""

    def identity(self, account_id: str) -> str | None:
        """Return the id of the identity behind the account, or None."""

    def problem(self, account_id: str, profile: Profile) -> str | None:
        """Return why the account could not order a certificate of the profile now, or None."""


@dataclass(frozen=True)
class ApprovalDecisions:
    """Approve and reject requests; a decision is final, and idempotent for its approver."""

    configuration: Configuration
    certificates: ApprovalStore
    clock: Callable[[], datetime]
    acme: Callable[[], AcmeRequesters]

    def approve(self, approver: Approver, request_id: str, reason: str = "") -> RequestRecord:
        """Approve a request; the last approval that it needs makes it `pending`, which means: to be signed.

        Raise Refusal: 404; 403 for the requester; 400 if it was decided, is late, is no longer allowed, or named
        dates that have passed.
        """
        return self._decide(approver, request_id, reason, approved=True)

    def reject(self, approver: Approver, request_id: str, reason: str = "") -> RequestRecord:
        """Reject a request for good; raise Refusal as `approve` does, except about the policy."""
        return self._decide(approver, request_id, reason, approved=False)

    def _decide(self, approver: Approver, request_id: str, reason: str, *, approved: bool) -> RequestRecord:
        reason = printable(reason.strip(), LONGEST_REASON)
        for _ in range(ATTEMPTS):
            self.configuration.refresh()  # each attempt checks the request by the current configuration
            request = self.certificates.request(request_id)
            if request is None:
                raise not_found("Certificate request not found")
            now = self.clock()
            if self._is_repeated(request, approver, approved=approved):
                return request
            self._require_other(request, approver)
            terms = _require_open(request, approver, now)
            if approved:
                self._require_allowed(request, now)
            decision = Decision(approver.id, approver.name, now, approved, reason, approver.origin)
            given = sum(one.approved for one in request.decisions) + approved
            status: DecidedStatus = "pending" if given >= terms else "pending_approval"
            error = None
            if not approved:
                status, error = "rejected", f"rejected by {approver.name}{f': {reason}' if reason else ''}"
            if (changed := self.certificates.decide(request, decision, status, error)) is not None:
                return changed
        raise Unavailable(f"request {request_id} was decided by others at the same time; try again")

    @staticmethod
    def _is_repeated(request: RequestRecord, approver: Approver, *, approved: bool) -> bool:
        return any(one.by == approver.id and one.approved is approved for one in request.decisions)

    def _require_other(self, request: RequestRecord, approver: Approver) -> None:
        """Raise Refusal (403) if the approver made the request, or may log in as the identity that did.

        The credential of that identity may have registered the ACME account of an order.
        """
        requester = self.acme().identity(request.identity) if request.origin == "acme" else request.identity
        if requester is None:
            return
        if approver.id == requester:
            raise forbidden("You cannot approve or reject your own certificate request")
        if approver.requested(self.configuration.identity(requester)):
            raise forbidden(
                "You cannot approve or reject your own certificate request: its identity logs in as your AWS principal"
            )

    def _require_allowed(self, request: RequestRecord, now: datetime) -> None:
        """Raise Refusal (400) if the request could not be made today: policy, permission or enrollment changed."""
        profile = self.configuration.profile(request.profile)
        if profile is None:
            raise bad_request("Certificate profile of the request was deleted: reject the request")
        ca = self.configuration.ca(request.ca) if request.ca else None
        if request.ca and (ca is None or not ca.may_sign(now)):
            raise bad_request("The CA of the request was replaced or disabled: reject it, and have it requested again")
        if not _same_issuer(profile, request, ca):
            raise bad_request("The profile now has another issuer: reject the request, and have it requested again")
        if request.origin == "acme":
            if problem := self.acme().problem(request.identity, profile):
                raise bad_request(f"{problem}: reject the request")
        else:
            identity = self.configuration.identity(request.identity)
            if identity is None or not identity.may("request", profile.key):
                raise bad_request("The requester may no longer request certificates of the profile: reject the request")
            application = self.configuration.application(request.application) if request.application else None
            if request.application and application is None:
                raise bad_request("The application of the request was deleted: reject the request")
            enrollment_options(profile, application)
        if late := date_problem(request, now):
            raise bad_request(f"The request waited too long: {late}; reject it, and have it requested again")
        algorithm = algorithm_of(public_key_of(request.csr))
        listed = profile.policy.algorithms is not None and profile.policy.algorithms.key_algorithm is not None
        # Without a list, requests cannot choose an algorithm, and the authority chose that of its own key.
        fields = fields_of_leaf(request.leaf, algorithm if request.supplied_csr or listed else None)
        wanted = EffectiveRequest.of({**fields, "ttl": timedelta(seconds=request.lifetime)})
        if problems := evaluation.find_violations(wanted, profile.policy, now, algorithm):
            raise bad_request(f"The request now violates the policy: {'; '.join(problems)}; reject it")


def _same_issuer(profile: Profile, request: RequestRecord, ca: CA | None) -> bool:
    """Return whether the profile still has the issuer of the request; a replaced CA completes its open requests."""
    if request.external or profile.issuer is not None:
        return request.external == profile.issuer
    if ca is None:
        return profile.issuer_type == "self-signed"
    return ca.name in profile.cas or ca.status == "retired"


def _require_open(request: RequestRecord, approver: Approver, now: datetime) -> int:
    """Return the number of approvals that the request needs; raise Refusal (400)."""
    if request.status != "pending_approval" or request.approval is None:
        raise bad_request(f"Certificate request does not wait for an approval: it is {request.status}")
    if now >= request.approval.until:
        raise bad_request(
            f"The deadline for approvals has passed: {to_text(request.approval.until)}; have it requested again"
        )
    if any(one.by == approver.id for one in request.decisions):
        raise bad_request("You have already decided about this certificate request; a decision is final")
    return request.approval.needed
