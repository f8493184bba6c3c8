"""Rollback requests: choose the kept revision, and check what the issuer function will check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from evercert.contracts.record import Facts, Record
from evercert.contracts.revisions import KeptRevision, KeptRevisions
from evercert.contracts.spec_store import Pause, PauseTarget, pauses_of
from evercert.errors import Rejected
from evercert.operations import pause_notes
from evercert.operations.issuer_identity import identities
from evercert.registry import Component, Registry
from evercert.scheduling.rollback import choose, facts_of, foreign_issuer, refusal, restorable
from evercert.scheduling.schedule import renewal_of


@dataclass(frozen=True)
class RollbackPlan:
    """A rollback that the issuer function will accept, unless the issuer says that the certificate was revoked.

    `renewal`: when the restored certificate will be renewed, None if it is issued once. `others`: further revisions
    that can be chosen.
    """

    current: Facts
    restored: Facts
    renewal: datetime | None
    others: Sequence[int]

    @property
    def revision(self) -> int:
        """The number of the kept revision."""
        return self.restored.revision


def plan(
    record: Record,
    kept: KeptRevisions,
    to: int | None,
    now: datetime,
    *,
    definitions: Mapping[str, Component],
    issuers: Registry,
) -> RollbackPlan | None:
    """Return the plan; None if the revision is in use already. Raises Rejected if it cannot be restored."""
    facts = record.facts
    if facts is None:
        raise _refused(record, "nothing was issued yet")
    if record.spec.certificate_id is None and to == facts.revision:
        return None
    found = _find(record, kept, to, now)
    hashes = identities(record.spec.issuer_names, definitions, issuers)
    unknown = len(hashes) < len(record.spec.issuer_names)
    if (why := foreign_issuer(found, list(hashes.values()), unknown=unknown)) is not None:
        raise _refused(record, why)
    restored = facts_of(found, found.revision, now)
    others = [number for number in restorable(record, kept) if number != found.revision]
    renewal = renewal_of(restored, record.model_copy(update={"advice": None})) if record.spec.renews else None
    return RollbackPlan(facts, restored, renewal, others)


def require_active(record: Record, pauses: Mapping[PauseTarget, Pause]) -> None:
    """Raise Rejected while the certificate is paused: the stack would deliver nothing."""
    held = {target: pauses[target] for target in pauses_of(record, pauses)}
    for line, command in pause_notes.describe(held):
        raise _refused(record, f"{line}; resume it first: {command}")


def _find(record: Record, kept: KeptRevisions, to: int | None, now: datetime) -> KeptRevision:
    if kept.newer:
        raise _refused(record, "a newer evercert wrote the kept revisions; use that version")
    if to is None and record.spec.certificate_id is None:
        default = choose(record, kept)
        if default is None:
            raise _refused(record, _nothing_earlier(record, kept))
        to = default.revision
    if (why := refusal(record, to or 0, kept, now)) is not None:
        raise _refused(record, why)
    found = kept.find(to or 0)
    if found is None:
        raise ValueError("a revision that is not kept was accepted")
    return found


def _nothing_earlier(record: Record, kept: KeptRevisions) -> str:
    if others := restorable(record, kept):
        return f"no earlier revision is kept; choose a later one with --to: {', '.join(map(str, others))}"
    if record.spec.lifecycle.keep_revisions == 0:
        return "its document has lifecycle.keep-revisions: 0, so no revision is kept; raise it for later rollbacks"
    return "no earlier revision is kept; the next renewal leaves one"


def _refused(record: Record, why: str) -> Rejected:
    return Rejected(f"cannot roll back {record.name}: {why}")
