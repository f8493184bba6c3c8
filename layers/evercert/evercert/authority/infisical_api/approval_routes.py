"""Routes with which identities approve and reject certificate requests."""

from __future__ import annotations

from evercert.authority.infisical_api.endpoint import Route
from evercert.authority.infisical_api.services import Services

_REQUESTS = "/api/v1/cert-manager/certificates/certificate-requests"
APPROVAL_ROUTES: tuple[Route[Services], ...] = (
    Route(
        "POST",
        f"{_REQUESTS}/{{id}}/approve",
        lambda services, call: services.approvals.approve(call.caller, call.ids["id"], call.body),
        "Approve a request that waits for an approval",
        "Decided",
        body="Decision",
    ),
    Route(
        "POST",
        f"{_REQUESTS}/{{id}}/reject",
        lambda services, call: services.approvals.reject(call.caller, call.ids["id"], call.body),
        "Reject a request that waits for an approval, for good",
        "Decided",
        body="Decision",
    ),
)
