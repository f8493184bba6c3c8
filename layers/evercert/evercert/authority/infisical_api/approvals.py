"""Calls with which identities approve and reject certificate requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import StringConstraints, ValidationError

from evercert.authority.api_errors import invalid, permission_denied
from evercert.authority.configuration.identity import Identity
from evercert.authority.contracts.records import CertificateRecord, RequestRecord
from evercert.authority.infisical_api.response_bodies import waiting_message
from evercert.authority.registration.access import Access
from evercert.authority.registration.approvals import LONGEST_REASON, ApprovalDecisions
from evercert.authority.registration.approvers import Approver
from evercert.authority.registration.fulfillment import Fulfillment
from evercert.authority.requests.attribute_fields import Body
from evercert.authority.requests.bodies import to_refusal
from evercert.errors import Unavailable

Decide = Callable[[Approver, str, str], RequestRecord]


class DecisionBody(Body):
    """The reason of a decision, for its requester."""

    reason: Annotated[str, StringConstraints(max_length=LONGEST_REASON)] = ""


@dataclass(frozen=True)
class ApprovalCalls:
    """Decide about requests of profiles on which the identity has the permission `approve`."""

    access: Access
    decisions: ApprovalDecisions
    fulfillment: Fulfillment

    def approve(self, identity: Identity, request_id: str, data: object) -> dict[str, Any]:
        """Approve a request; the last approval has the certificate signed. Raise Refusal (404, 403, 400)."""
        return self._decide(identity, request_id, data, self.decisions.approve)

    def reject(self, identity: Identity, request_id: str, data: object) -> dict[str, Any]:
        """Reject a request for good. Raise Refusal (404, 403, 400)."""
        return self._decide(identity, request_id, data, self.decisions.reject)

    def _decide(self, identity: Identity, request_id: str, data: object, decide: Decide) -> dict[str, Any]:
        request = self.access.request(identity, request_id)
        if not self.access.approves(identity, request):
            raise permission_denied("approve", "certificate-requests")
        decided = decide(Approver(identity.id, identity.name), request.id, _parsed(data).reason)
        status, message = decided.status, decided.error
        try:
            found = self.fulfillment.fulfill(decided)
            status = "issued" if isinstance(found, CertificateRecord) else found.status
            message = None if isinstance(found, CertificateRecord) else found.error
        except Unavailable:
            pass  # the next call of the requester completes it, and so does the renewal function
        if status == "pending_approval":
            message = waiting_message(decided)
        return {"certificateRequestId": request.id, "status": status, "message": message}


def _parsed(data: object) -> DecisionBody:
    if data is None:
        return DecisionBody()
    if not isinstance(data, dict):
        raise invalid([((), "Expected an object")])
    try:
        return DecisionBody.model_validate(data)
    except ValidationError as error:
        raise to_refusal(error) from None
