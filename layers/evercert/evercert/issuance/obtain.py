"""Obtain a certificate: seal the key, ask the issuer, check the answer."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from evercert.contracts.issuer import (
    Issued,
    OpenIssuer,
    PendingAnswer,
    Request,
    Revoker,
    SelfIssuer,
)
from evercert.contracts.ports import Changes, ClaimedRecord, RecordStore, Seal
from evercert.contracts.record import Pending, Reason, Record
from evercert.deadline import Clock
from evercert.errors import ExpiredUnread, GaveUp, Misconfigured, Mismatch, Rejected, Unavailable, Unsuited
from evercert.issuance.abandonment import Abandonment, build_request
from evercert.issuance.answer_check import UnusableChain, check, expired_unread
from evercert.issuance.candidates import RequestLasts
from evercert.issuance.private_keys import PrivateKeys, csr_beside_chain
from evercert.pki.certificate import Chain
from evercert.schema import printable
from evercert.timestamps import to_text

LONGEST_PENDING = timedelta(days=30)
SHORTEST_POLL = timedelta(seconds=5)
Watched = AbstractContextManager[None]  # the breaker's context of calls to the issuer


def first_changes(record: Record, pending: Pending) -> Changes:
    """Return the changes that begin this revision in the record."""
    return {"revision": max(record.revision, pending.revision), "state": "pending", "pending": pending}


@dataclass(frozen=True)
class Obtainer:
    """Obtains one revision; each step of an issuer outside is stored before the next one starts."""

    records: RecordStore
    seal: Seal
    abandonment: Abandonment
    clock: Clock

    def prepare(
        self,
        held: ClaimedRecord,
        record: Record,
        opened: OpenIssuer,
        reason: Reason,
        gave_up: str | None,
        *,
        watched: Watched,
    ) -> Pending:
        """Return the pending revision with its sealed private key or CSR; store it before a certificate is requested.

        A self-signed certificate needs no request to another service, so it is stored together with its revision.
        """
        revision = record.next_revision
        sealed_key, csr, nonce = None, record.spec.csr, None
        if record.spec.key_from_issuer:
            nonce = str(uuid4())
        elif csr is None:
            private_key = self._keys.choose(record, opened, watched)
            sealed_key = self.seal.close(private_key, record.uid, revision)
            csr = private_key.sign_csr(record.spec.attributes)
        pending = Pending(
            revision=revision,
            reason=reason,
            generation=record.generation,
            requested_at=record.requested_at,
            issuer=opened.name,
            request_hash=record.spec.request_hash,
            issuer_hash=opened.identity_hash,
            sealed_key=sealed_key,
            csr=csr,
            nonce=nonce,
            followed=record.spec.certificate_id is not None,
            gave_up=gave_up,
        )
        if not isinstance(opened.issuer, SelfIssuer):
            self.records.update(held, first_changes(record, pending))
        return pending

    def request(
        self,
        record: Record,
        pending: Pending,
        opened: OpenIssuer,
        watched: Watched,
        *,
        again: bool,
        lasts: RequestLasts | None = None,
    ) -> tuple[Pending, Chain | timedelta | None]:
        """Ask the issuer; return the revision with the chain (not yet stored), or with a handle.

        Beside a handle is the pause before the next step, or None if it is longer than a run may sleep.
        `again`: an earlier run may have asked already. `lasts`: the longest time until the issuer must have finished.
        Raises the issuer's errors, GaveUp after its deadline,
        ExpiredUnread, Mismatch for a certificate that does not match the request, and UnusableChain.
        """
        now = self.clock()
        request = build_request(record, pending, now, again=again)
        with watched:
            answer = self._answer(request, record, pending, opened)
        if isinstance(answer, PendingAnswer):
            first = pending.deadline if pending.handle is not None else None  # before, it is that of a limit
            if first is not None and now > first:  # after one last poll
                done = self.abandonment.abandon(record, pending, opened, nullcontext())
                raise GaveUp(f"issuer {pending.issuer} did not finish by {to_text(first)}; {done}")
            # The first deadline is kept, and the poll interval is bounded, whatever the issuer answers.
            longest = LONGEST_PENDING
            if lasts is not None:
                longest = lasts.issuer if answer.waits_for is None else lasts.person
                first = first if pending.waits_for or not answer.waits_for else None  # a person has more time
            deadline = min(first or answer.deadline, now + longest)
            retry_at = max(min(answer.retry_at, deadline), now + SHORTEST_POLL)
            handle = {
                "handle": answer.handle,
                "retry_at": retry_at,
                "deadline": deadline,
                "waits_for": answer.waits_for and printable(answer.waits_for),
                "failures": None,
            }
            return pending.model_copy(update=handle), answer.pause
        answer = self._keys.restore(record, pending, answer)
        chain = self._require_match(record, pending, answer, opened, again=again)
        changes = {
            "chain": chain.pem, "obtained_at": now, "retry_at": None, "reference": answer.reference, "waits_for": None,
            "csr": csr_beside_chain(record, pending),
        }  # fmt: skip
        return self._keys.keep(record, pending, answer).model_copy(update=changes), chain

    @property
    def _keys(self) -> PrivateKeys:
        return PrivateKeys(self.seal)

    def _answer(self, request: Request, record: Record, pending: Pending, opened: OpenIssuer) -> Issued | PendingAnswer:
        if isinstance(opened.issuer, SelfIssuer):
            if pending.sealed_key is None:
                raise Unsuited(
                    f"self-signed issuer {pending.issuer} needs the private key: remove `csr` or change issuer"
                )
            private_key = self.seal.open(pending.sealed_key, record.uid, pending.revision)
            return opened.issuer.issue_with(request, private_key)
        return opened.issuer.issue(request)

    def _require_match(
        self, record: Record, pending: Pending, issued: Issued, opened: OpenIssuer, *, again: bool
    ) -> Chain:
        """Return the chain in order; revoke a certificate that does not match, and raise Mismatch.

        Raises UnusableChain if only the chain must change: a new certificate would get the same one. Raises
        ExpiredUnread if an earlier run requested the certificate, and only its expiry is wrong.
        """
        now, issuer = self.clock(), pending.issuer
        verdict = check(record, pending, issued, now)
        if verdict.mismatches:
            if again and not pending.followed and expired_unread(record, pending, issued, now):
                end = to_text(issued.chain.leaf.not_valid_after_utc)
                raise ExpiredUnread(f"the certificate of issuer {issuer} expired at {end}, before evercert read it")
            done = self._revoke(record, issued, opened)
            problems = f"{'; '.join(verdict.mismatches)}; compare the document with the issuer's profile; {done}"
            raise Mismatch(f"the certificate of issuer {issuer} does not match the request: {problems}")
        if verdict.chain_faults:
            raise UnusableChain.of(verdict, record, self._keys.keep(record, pending, issued), issued)
        return verdict.chain

    def _revoke(self, record: Record, issued: Issued, opened: OpenIssuer) -> str:
        if record.spec.certificate_id is not None:
            return "not revoked: it was issued elsewhere"
        if not isinstance(opened.issuer, Revoker):
            return "not revoked: the issuer cannot revoke"
        try:
            opened.issuer.revoke(issued.chain, issued.reference)
        except (Rejected, Unavailable, Misconfigured) as error:
            return f"revocation failed: {error}"
        return "revoked"
