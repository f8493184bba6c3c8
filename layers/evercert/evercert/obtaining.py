"""From a wish to a saved chain: seal, ask, check the fit, save."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

from evercert.breaker import Breaker
from evercert.certificate import Chain, misfits
from evercert.deadline import Clock
from evercert.errors import GaveUp, Looping, Misconfigured, NotYet, Rejected, SealBroken, Unavailable
from evercert.instants import to_text
from evercert.keys import PrivateKey, public_bytes
from evercert.ports import (
    Canceller,
    Held,
    Inventory,
    Issued,
    Issuers,
    OpenIssuer,
    PendingAnswer,
    Request,
    Revoker,
    Seal,
    SelfIssuer,
)
from evercert.record import Pending, Record, Streak
from evercert.renewal import Reason

LONGEST_PENDING = timedelta(days=30)
SHORTEST_POLL = timedelta(seconds=5)


@dataclass(frozen=True)
class Obtaining:
    """One revision on its way, step by step; every step is written down before the next one begins."""

    inventory: Inventory
    seal: Seal
    issuers: Issuers
    breaker: Breaker
    clock: Clock

    def begin(self, held: Held, record: Record, opened: OpenIssuer, reason: Reason, gave_up: str | None) -> Pending:
        """A new private key (or the kept one), or the user's CSR: sealed and stored before the issuer hears of it."""
        revision = record.next_revision
        sealed_key, csr = None, record.spec.csr
        if csr is None:
            private_key = self._private_key(record)
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
            gave_up=gave_up,
        )
        self.inventory.update(held, {"revision": revision, "state": "pending", "pending": pending})
        return pending

    def ask(self, record: Record, pending: Pending, opened: OpenIssuer) -> Pending:
        """Asks the issuer; the answer is a chain that is still to be saved, or a handle and a time to come back.

        Raises what the issuer raises, GaveUp after its deadline, Rejected for a certificate that does not fit.
        """
        now = self.clock()
        if pending.deadline is not None and now > pending.deadline:
            done = self.give_up(record, pending, opened)
            raise GaveUp(f"issuer {record.spec.issuer} did not finish by {to_text(pending.deadline)}; {done}")
        request = Request(
            certificate=record.name,
            spec=record.spec,
            csr=pending.csr,
            revision=pending.revision,
            token=record.token(pending.revision, pending.csr),
            now=now,
            handle=pending.handle,
        )
        answer = self._answer(request, record, pending, opened)
        if isinstance(answer, PendingAnswer):
            # The first deadline holds, however often the issuer says "later"; and no issuer sets our pace alone.
            deadline = pending.deadline or min(answer.deadline, now + LONGEST_PENDING)
            retry_at = max(min(answer.retry_at, deadline), now + SHORTEST_POLL)
            return pending.model_copy(update={"handle": answer.handle, "retry_at": retry_at, "deadline": deadline})
        self._check(record, pending, answer.chain, opened)
        return pending.model_copy(update={"chain": answer.chain.pem, "obtained_at": now, "retry_at": None})

    def give_up(self, record: Record, pending: Pending, opened: OpenIssuer) -> str:
        """Takes back what nobody wants any more, where the issuer that was asked can; says what was done.

        A refusal is said and no more: what is wanted now must not wait for it.
        """
        what = f"revision {pending.revision} ({pending.reason})"
        if any(delivery.revision == pending.revision for delivery in record.deliveries.values()):
            return f"{what}: left, it is in use"
        asked = self._asked(pending, opened)
        if asked is None:
            return f"{what}: left, issuer {pending.issuer} is no longer what it was when it was asked"
        service = f"issuer {pending.issuer} {asked.identity_hash[:8]}"
        try:
            if pending.chain is not None and isinstance(asked.issuer, Revoker):
                with self.breaker.watch(self.breaker.admit(service, record.uid)):
                    asked.issuer.revoke(Chain.from_pem(pending.chain))
                return f"{what}: revoked"
            if pending.chain is None and pending.handle is not None and isinstance(asked.issuer, Canceller):
                with self.breaker.watch(self.breaker.admit(service, record.uid)):
                    asked.issuer.cancel(pending.handle)
                return f"{what}: cancelled"
        except (Rejected, Unavailable, Misconfigured, NotYet) as error:
            return f"{what}: left, it could not be taken back: {error}"
        return f"{what}: left, the issuer can take nothing back"

    def _asked(self, pending: Pending, opened: OpenIssuer) -> OpenIssuer | None:
        """The issuer that was asked for this revision, if it is still there as it was."""
        if pending.issuer_hash == opened.identity_hash:
            return opened
        try:
            former = self.issuers.open(pending.issuer)
        except (Rejected, Unavailable, Misconfigured):
            return None
        return former if former.identity_hash == pending.issuer_hash else None

    def _private_key(self, record: Record) -> PrivateKey:
        wanted, kept = record.spec.private_key, record.kept_key
        if wanted.rotate == "never" and kept is not None and kept.algorithm == wanted.algorithm:
            try:
                return self.seal.open(kept.sealed_key, record.uid, kept.revision)
            except SealBroken as error:
                raise Misconfigured(
                    f"its private key is to be kept (rotate: never), and does not open: {error}; for a new one "
                    "apply it with rotate: always"
                ) from error
        return PrivateKey.generate(wanted.algorithm)

    def _answer(self, request: Request, record: Record, pending: Pending, opened: OpenIssuer) -> Issued | PendingAnswer:
        if isinstance(opened.issuer, SelfIssuer):
            if pending.sealed_key is None:
                raise Rejected(
                    f"issuer {record.spec.issuer} signs with the subject's own key, and a csr comes without it"
                )
            private_key = self.seal.open(pending.sealed_key, record.uid, pending.revision)
            return opened.issuer.issue_with(request, private_key)
        return opened.issuer.issue(request)

    def _check(self, record: Record, pending: Pending, chain: Chain, opened: OpenIssuer) -> None:
        problems = fit(record, pending, chain, self.clock())
        if not problems:
            return
        done = "it was not revoked: the issuer cannot"
        if isinstance(opened.issuer, Revoker):
            try:
                opened.issuer.revoke(chain)
                done = "it was revoked"
            except (Rejected, Unavailable, Misconfigured) as error:
                done = f"it could not be revoked: {error}"
        raise Rejected(
            f"issuer {record.spec.issuer} answered with a certificate that does not fit: {'; '.join(problems)}; {done}"
        )


def fit(record: Record, pending: Pending, chain: Chain, now: datetime) -> list[str]:
    """The misfits between what was asked for and what came."""
    public_key = public_bytes(x509.load_pem_x509_csr(pending.csr.encode()).public_key())
    return misfits(chain, record.spec.attributes, public_key, now)


UNASKED = frozenset(["missing", "near-expiry", "drifted"])
MOST_UNASKED = 5


def streak(record: Record, pending: Pending, chain: Chain, now: datetime) -> Streak:
    """The issuances in a row that nobody asked for, this one included."""
    span = chain.leaf.not_valid_after_utc - chain.leaf.not_valid_before_utc
    before = record.streak.times if pending.reason in UNASKED and _goes_on(record) and record.streak else ()
    return Streak(
        times=(*before, now)[-MOST_UNASKED:],
        lifetime=int(span.total_seconds()),
        generation=record.generation,
        requested_at=record.requested_at,
    )


def require_no_loop(record: Record, reason: Reason, now: datetime) -> None:
    """Raises Looping when the next issuance would be the sixth within one lifetime that nobody asked for."""
    if record.streak is None or reason not in UNASKED or not _goes_on(record):
        return
    times, lifetime = record.streak.times, timedelta(seconds=record.streak.lifetime)
    if len(times) == MOST_UNASKED and timedelta(0) <= now - times[0] < lifetime:
        raise Looping(
            f"it was issued {MOST_UNASKED} times within one lifetime, and is to be issued again ({reason}): "
            f"mend what loses it, then run: evercert renew {record.name}"
        )


def _goes_on(record: Record) -> bool:
    """Neither an edit nor a request has come since."""
    streak = record.streak
    return streak is not None and (streak.generation, streak.requested_at) == (record.generation, record.requested_at)
