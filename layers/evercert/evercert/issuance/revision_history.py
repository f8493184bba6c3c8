"""Kept revisions: what remains of each delivery for a rollback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evercert.canonical_json import canonical_json
from evercert.contracts.record import Pending, Record
from evercert.contracts.revisions import KeptRevision, KeptRevisions, RevisionsToKeep, RevisionStore
from evercert.deadline import Clock
from evercert.errors import Misconfigured, Unavailable
from evercert.pki.certificate import Chain

LARGEST = 300_000  # bytes of all revisions; DynamoDB's limit of an item is 400 KB


@dataclass(frozen=True)
class RevisionHistory:
    """Keeps the delivered revision and as many earlier ones as the spec says."""

    store: RevisionStore
    clock: Clock

    def add(self, record: Record, pending: Pending, problems: list[str]) -> RevisionsToKeep | None:
        """Return what to keep with the conclusion of this delivery, which removes the sealed key from the record.

        None if nothing changes. What cannot be read must not delay a renewal: it adds a warning to `problems`.
        """
        if pending.chain is None or record.spec.lifecycle.keep_revisions == 0 or pending.followed:
            return None
        try:
            seen = self.store.read(record.name, record.uid)
        except (Unavailable, Misconfigured) as error:
            problems.append(not_kept(pending.revision, str(error)))
            return None
        if seen.newer:
            problems.append(not_kept(pending.revision, "a newer evercert wrote the kept revisions"))
            return None
        revisions = self._with(seen, record, pending, pending.chain)
        return None if revisions == seen.revisions else RevisionsToKeep(record.uid, seen, revisions)

    def _with(self, seen: KeptRevisions, record: Record, pending: Pending, chain: str) -> tuple[KeptRevision, ...]:
        """Return the revisions with this one first; a restored certificate is kept only once."""
        same = [kept.origin for kept in seen.revisions if kept.chain == chain]
        new = KeptRevision(
            revision=pending.revision,
            origin=min(same, default=pending.revision),
            generation=pending.generation,
            issuer=pending.issuer,
            request_hash=pending.request_hash,
            issuer_hash=pending.issuer_hash,
            sealed_key=pending.sealed_key,
            csr=pending.csr,
            chain=chain,
            obtained_at=pending.obtained_at,
            reference=pending.reference,
        )
        others = [kept for kept in seen.revisions if kept.chain != chain and self._is_useful(kept, record)]
        return _fitting([new, *others[: record.spec.lifecycle.keep_revisions]])

    def _is_useful(self, kept: KeptRevision, record: Record) -> bool:
        """Whether the certificate is still valid, and was not found to be revoked or replaced at its issuer."""
        finding = record.finding
        if finding is not None and finding.reason != "drifted" and finding.revision == kept.revision:
            return False
        try:
            return self.clock() < Chain.from_pem(kept.chain).ends
        except ValueError:
            return False


def _fitting(revisions: Sequence[KeptRevision]) -> tuple[KeptRevision, ...]:
    """Return as many of the first revisions as fit into an item."""
    fitting, size = list[KeptRevision](), 0
    for kept in revisions:
        size += len(canonical_json(kept.model_dump(mode="json", exclude_none=True)))
        if size > LARGEST:
            break
        fitting.append(kept)
    return tuple(fitting)


def not_kept(revision: int, why: str) -> str:
    """Return the warning in the event of a delivery."""
    return f"revision {revision} cannot be restored by a rollback later, because it was not kept: {why}"
