"""Conclusions of rollbacks that changed nothing."""

from __future__ import annotations

from dataclasses import replace

from evercert.contracts.revisions import RollbackRequest
from evercert.errors import Rejected
from evercert.issuance.conclusion import build_conclusion
from evercert.issuance.event_data import request_data
from evercert.issuance.run_result import MESSAGE_LIMIT, Attempt, Conclusion, RunWithoutOutcome
from evercert.timestamps import to_text


def conclude_refusal(attempt: Attempt, rollback: RollbackRequest, why: str) -> Conclusion:
    """Announce a rollback that cannot be carried out, and remove its request.

    It is no failure of the certificate: state, errors and retry times remain, and the next run follows at once.
    """
    record, facts = attempt.record, attempt.record.facts
    attempt = replace(attempt, pending=None)  # the event is about the certificate in use
    revision = facts.revision if facts is not None else record.revision
    message = f"cannot roll back to revision {rollback.to}: {why}; nothing was changed"
    data = request_data(record, attempt.issuer) | {
        "reason": "rolled-back",
        "request": rollback.reason,
        "revision": revision,
        "kind": Rejected.kind,
        "message": message[:MESSAGE_LIMIT],
        "attempt": 1,
        "not_after": facts and to_text(facts.not_after),
    }
    changes = {"rollback": None}
    return build_conclusion(
        attempt, "certificate.failed", "warning", revision=revision, data=data, changes=changes, retry=attempt.now
    )


def end_rollback(attempt: Attempt, message: str) -> RunWithoutOutcome:
    """Remove the request of a rollback that has nothing to do; the next run follows at once."""
    now = attempt.now
    return RunWithoutOutcome("nothing-to-do", {"rollback": None}, now, {"message": message}, nudge_at=now)
