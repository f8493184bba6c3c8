"""Rollback: a kept revision becomes the revision in progress again, under a new number."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from evercert.contracts.issuer import Issued, StatusChecker
from evercert.contracts.ports import ClaimedRecord, RecordStore, Seal
from evercert.contracts.record import Pending, Record
from evercert.contracts.revisions import KeptRevision, RevisionStore, RollbackRequest
from evercert.deadline import Clock
from evercert.errors import Misconfigured, NotYet, Rejected, SealBroken, Unavailable
from evercert.issuance.abandonment import Abandonment
from evercert.issuance.answer_check import check
from evercert.issuance.candidates import Candidates
from evercert.issuance.circuit_breaker import Breaker
from evercert.pki.certificate import Chain
from evercert.pki.keys import PrivateKey, public_bytes
from evercert.scheduling.decision import Restore
from evercert.scheduling.rollback import LONGEST_WAIT, facts_of, foreign_issuer, refusal


class RollbackRefused(Exception):
    """The requested revision cannot be restored, now or later; nothing was changed."""


@dataclass(frozen=True)
class Restoration:
    """Checks a kept revision and stores it as the revision in progress."""

    records: RecordStore
    revisions: RevisionStore
    seal: Seal
    abandonment: Abandonment
    breaker: Breaker
    clock: Clock

    def prepare(
        self, held: ClaimedRecord, record: Record, candidates: Candidates, decision: Restore
    ) -> tuple[Pending, Chain]:
        """Store the restored revision with its sealed key and its chain; give up the one in progress.

        Raises RollbackRefused; Unavailable and Misconfigured, after which it is tried again.
        """
        found = self._find(record, candidates, decision.rollback)
        self._require_good(record, candidates, found)
        revision, now = record.next_revision, self.clock()
        pending = Pending(
            revision=revision,
            reason="rolled-back",
            generation=record.generation,
            requested_at=record.requested_at,
            issuer=found.issuer,
            request_hash=found.request_hash,
            issuer_hash=found.issuer_hash,
            csr=found.csr,
            chain=found.chain,
            restores=found.revision,
            obtained_at=now,
            reference=found.reference,
        )
        private_key = self._open(record, found)
        self._require_match(record, pending, private_key, now)
        if private_key is not None:
            sealed_key = self.seal.close(private_key, record.uid, revision)
            pending = pending.model_copy(update={"sealed_key": sealed_key})
        if decision.given_up is not None:
            gave_up = self.abandonment.abandon(record, decision.given_up, candidates.opened[0], None)
            pending = pending.model_copy(update={"gave_up": gave_up})
        self.records.update(held, {"revision": revision, "state": "pending", "pending": pending})
        return pending, Chain.from_pem(found.chain)

    def _find(self, record: Record, candidates: Candidates, rollback: RollbackRequest) -> KeptRevision:
        now = self.clock()
        if now - rollback.requested_at > LONGEST_WAIT:
            raise RollbackRefused("it was requested more than a day ago and could not begin; request it again")
        kept = self.revisions.read(record.name, record.uid)
        if (why := refusal(record, rollback.to, kept, now)) is not None:
            raise RollbackRefused(why)
        found = kept.find(rollback.to)
        if found is None:
            raise ValueError("a revision that is not kept was accepted")
        if (why := foreign_issuer(found, candidates.hashes, unknown=bool(candidates.problems))) is not None:
            raise RollbackRefused(why)
        return found

    def _require_good(self, record: Record, candidates: Candidates, found: KeptRevision) -> None:
        """Raise RollbackRefused if the issuer says that the certificate is not good.

        An issuer that does not answer does not prevent a rollback: the next status check asks again.
        """
        opened = next((one for one in candidates.opened if one.identity_hash == found.issuer_hash), None)
        if opened is None or not isinstance(opened.issuer, StatusChecker):
            return
        facts = facts_of(found, found.revision, self.clock())
        try:
            with self.breaker.watch(self.breaker.admit(opened.service, record.uid)):
                status = opened.issuer.status(record.spec, facts)
        except (Rejected, Unavailable, Misconfigured, NotYet):
            return
        if status != "good":
            raise RollbackRefused(f"revision {found.revision} was {status}, according to issuer {found.issuer}")

    def _open(self, record: Record, found: KeptRevision) -> PrivateKey | None:
        if found.sealed_key is None:
            return None
        try:
            return self.seal.open(found.sealed_key, record.uid, found.revision)
        except SealBroken as error:
            raise RollbackRefused(f"the kept private key of revision {found.revision} does not open") from error

    @staticmethod
    def _require_match(record: Record, pending: Pending, private_key: PrivateKey | None, now: datetime) -> None:
        """Raise RollbackRefused unless key, names and chain are as a new certificate of this document must be."""
        answer = Issued(Chain.from_pem(pending.chain or ""), private_key, profiled=True)
        if private_key is not None and private_key.public_bytes() != public_bytes(answer.chain.public_key):
            raise RollbackRefused(f"the kept private key of revision {pending.restores} does not match its certificate")
        try:
            verdict = check(record, pending, answer, now)
        except ValueError as error:  # a manual edit of the CSR
            raise RollbackRefused(f"the kept CSR of revision {pending.restores} does not parse") from error
        if problems := verdict.mismatches + verdict.chain_faults:
            raise RollbackRefused(f"revision {pending.restores} does not fit the document: {'; '.join(problems)}")
