"""Obtain a certificate: seal the key, ask the issuer, check the answer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from evercert.contracts.issuer import (
    Canceller,
    Issued,
    Issuers,
    OpenIssuer,
    PendingAnswer,
    Request,
    Revoker,
    SelfIssuer,
    Withdrawer,
)
from evercert.contracts.ports import ClaimedRecord, RecordStore, Seal
from evercert.contracts.record import Pending, Reason, Record
from evercert.deadline import Clock
from evercert.errors import ExpiredUnread, GaveUp, Misconfigured, Mismatch, NotYet, Rejected, Unavailable
from evercert.issuance.answer_check import UnusableChain, check, expired_unread
from evercert.issuance.circuit_breaker import Breaker
from evercert.issuance.private_keys import PrivateKeys
from evercert.pki.certificate import Chain
from evercert.schema import printable
from evercert.timestamps import to_text

LONGEST_PENDING = timedelta(days=30)
SHORTEST_POLL = timedelta(seconds=5)
Watched = AbstractContextManager[None]  # the breaker's context of calls to the issuer


@dataclass(frozen=True)
class Obtainer:
    """Obtains one revision; each step is stored before the next one starts."""

    records: RecordStore
    seal: Seal
    issuers: Issuers
    breaker: Breaker
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
        """Store the pending revision with its sealed private key or CSR, before a certificate is requested."""
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
            issuer=record.spec.issuer,
            request_hash=record.spec.request_hash,
            issuer_hash=opened.identity_hash,
            sealed_key=sealed_key,
            csr=csr,
            nonce=nonce,
            followed=record.spec.certificate_id is not None,
            gave_up=gave_up,
        )
        self.records.update(held, {"revision": revision, "state": "pending", "pending": pending})
        return pending

    def request(
        self, record: Record, pending: Pending, opened: OpenIssuer, watched: Watched, *, again: bool
    ) -> tuple[Pending, Chain | timedelta | None]:
        """Ask the issuer; return the revision with the chain (not yet stored), or with a handle.

        Beside a handle is the pause before the next step, or None if it is longer than a run may sleep.
        `again`: an earlier run may have asked already. Raises the issuer's errors, GaveUp after its deadline,
        ExpiredUnread, Mismatch for a certificate that does not match the request, and UnusableChain.
        """
        now = self.clock()
        request = _build_request(record, pending, now, again=again)
        with watched:
            answer = self._answer(request, record, pending, opened)
        if isinstance(answer, PendingAnswer):
            if pending.deadline is not None and now > pending.deadline:  # after one last poll
                done = self.abandon(record, pending, opened, nullcontext())
                raise GaveUp(f"issuer {record.spec.issuer} did not finish by {to_text(pending.deadline)}; {done}")
            # The first deadline is kept, and the poll interval is bounded, whatever the issuer answers.
            deadline = min(pending.deadline or answer.deadline, now + LONGEST_PENDING)
            retry_at = max(min(answer.retry_at, deadline), now + SHORTEST_POLL)
            handle = {
                "handle": answer.handle,
                "retry_at": retry_at,
                "deadline": deadline,
                "waits_for": answer.waits_for and printable(answer.waits_for),
            }
            return pending.model_copy(update=handle), answer.pause
        answer = self._keys.restore(record, pending, answer)
        chain = self._require_match(record, pending, answer, opened, again=again)
        changes = {
            "chain": chain.pem, "obtained_at": now, "retry_at": None, "reference": answer.reference, "waits_for": None,
        }  # fmt: skip
        return self._keys.keep(record, pending, answer).model_copy(update=changes), chain

    def abandon(
        self, record: Record, pending: Pending, opened: OpenIssuer, admitted: AbstractContextManager[None] | None
    ) -> str:
        """Revoke or cancel a superseded revision if its issuer supports it; return a summary.

        Errors end up in the summary, so that they do not delay the successor. `admitted` is the breaker's context if
        it has admitted this run to `opened` already; a probing breaker would not admit it twice.
        """
        superseded = f"revision {pending.revision} ({pending.reason})"
        if (why := _reason_to_keep(record, pending)) is not None:
            return f"{superseded}: not revoked: {why}"
        former = self._former_issuer(pending, opened)
        if former is None:
            return f"{superseded}: not revoked: issuer {pending.issuer} was changed or deleted since the request"
        undo = self._undo(record, pending, former)
        if undo is None:
            return f"{superseded}: not revoked: its issuer can neither revoke nor cancel it"
        service = f"issuer {pending.issuer} {former.identity_hash[:8]}"
        try:
            if admitted is None or former is not opened:
                admitted = self.breaker.watch(self.breaker.admit(service, record.uid))
            with admitted:
                return f"{superseded}: {undo()}"
        except (Rejected, Unavailable, Misconfigured, NotYet) as error:
            return f"{superseded}: not revoked: revoking or cancelling failed: {error}"
        except ValueError:  # a manual edit of the CSR or chain
            return f"{superseded}: not revoked: its stored CSR or chain does not parse"

    def _undo(self, record: Record, pending: Pending, former: OpenIssuer) -> Callable[[], str] | None:
        """Return a function that undoes the request and returns a summary; None if the issuer cannot."""
        issuer, handle, chain = former.issuer, pending.handle, pending.chain

        def revoke() -> str:
            if isinstance(issuer, Revoker) and chain is not None:
                issuer.revoke(Chain.from_pem(chain), pending.reference)
            return "revoked"

        def cancel() -> str:
            if isinstance(issuer, Canceller) and handle is not None:
                issuer.cancel(handle)
            return "cancelled"

        def withdraw() -> str:
            request = _build_request(record, pending, self.clock(), again=True)
            found = isinstance(issuer, Withdrawer) and issuer.withdraw(request)
            return "found and revoked or cancelled" if found else "nothing found to revoke or cancel; some may be left"

        if chain is not None:
            return revoke if isinstance(issuer, Revoker) else None
        if handle is not None:
            return cancel if isinstance(issuer, Canceller) else None
        return withdraw if isinstance(issuer, Withdrawer) else None

    def _former_issuer(self, pending: Pending, opened: OpenIssuer) -> OpenIssuer | None:
        """Return the issuer that was asked for this revision, or None if it was changed or deleted."""
        if pending.issuer_hash == opened.identity_hash:
            return opened
        try:
            former = self.issuers.open(pending.issuer)
        except (Rejected, Unavailable, Misconfigured):
            return None
        return former if former.identity_hash == pending.issuer_hash else None

    @property
    def _keys(self) -> PrivateKeys:
        return PrivateKeys(self.seal)

    def _answer(self, request: Request, record: Record, pending: Pending, opened: OpenIssuer) -> Issued | PendingAnswer:
        if isinstance(opened.issuer, SelfIssuer):
            if pending.sealed_key is None:
                raise Rejected(
                    f"self-signed issuer {record.spec.issuer} needs the private key: remove `csr` or change issuer"
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
        now, issuer = self.clock(), record.spec.issuer
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


def _reason_to_keep(record: Record, pending: Pending) -> str | None:
    if any(delivery.revision == pending.revision for delivery in record.deliveries.values()):
        return "it is in use"
    return "it was issued elsewhere" if pending.followed else None


def _build_request(record: Record, pending: Pending, now: datetime, *, again: bool) -> Request:
    # An issuer can renew the delivered certificate only if it issued it for the same request.
    same = (record.request_hash, record.issuer_hash) == (pending.request_hash, pending.issuer_hash)
    return Request(
        certificate=record.name,
        spec=record.spec,
        csr=pending.csr,
        revision=pending.revision,
        token=record.token(pending.revision, pending.asked),
        now=now,
        handle=pending.handle,
        asked_before=again,
        previous=record.facts if same else None,
    )
