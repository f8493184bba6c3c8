"""Dates of certificates whose requests waited for an approval."""

from __future__ import annotations

from datetime import datetime, timedelta

from evercert.authority.ca import ceiling
from evercert.authority.ca.leaf_fields import Leaf
from evercert.authority.contracts.records import RequestRecord
from evercert.authority.requests.effective_request import BACKDATED
from evercert.timestamps import to_text

SIGNED_WITHIN = timedelta(hours=1)  # after the approval, also if the signer does not answer at once


def with_approved_dates(request: RequestRecord) -> Leaf:
    """Return the leaf with the dates that the client did not name moved to the approval; the same at every call.

    A named date remains. Without an approval, the leaf is unchanged.
    """
    leaf, terms = request.leaf, request.approval
    if request.approved_at is None or terms is None:
        return leaf
    approved_at = request.approved_at.replace(microsecond=0)
    if terms.movable:
        waited = approved_at - request.created_at.replace(microsecond=0)
        moved = {"not_before": leaf.not_before + waited, "not_after": leaf.not_after + waited}
    elif terms.named_begin:
        return leaf
    else:
        moved = {"not_before": max(leaf.not_before, approved_at - BACKDATED)}
    return leaf.model_copy(update=moved)


def date_problem(request: RequestRecord, now: datetime) -> str | None:
    """Return why a certificate that is approved now cannot have the dates that its client named, or None.

    External issuers choose notBefore.
    """
    terms, leaf = request.approval, request.leaf
    if terms is None or terms.movable:
        return None
    if leaf.not_after <= now:
        return f"the requested notAfter {to_text(leaf.not_after)} has passed"
    if terms.named_begin and not request.external and leaf.not_before < now + SIGNED_WITHIN - ceiling.BACKDATED:
        return f"the requested notBefore {to_text(leaf.not_before)} has passed by too much to be signed"
    return None
