"""From a wish to a saved chain: seal, ask, check the fit, save."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from cryptography import x509

from evercert.contracts.issuer import (
    Canceller,
    Forgetter,
    Issued,
    Issuers,
    KeyAdviser,
    OpenIssuer,
    PendingAnswer,
    Request,
    Revoker,
    SelfIssuer,
)
from evercert.contracts.ports import ClaimedRecord, RecordStore, Seal
from evercert.contracts.record import Pending, Reason, Record
from evercert.deadline import Clock
from evercert.errors import GaveUp, Misconfigured, NotYet, Rejected, SealBroken, Unavailable
from evercert.issuance.circuit_breaker import Breaker
from evercert.pki.algorithms import KeyAlgorithm, algorithm_of
from evercert.pki.certificate import Chain, misfits
from evercert.pki.keys import PrivateKey, public_bytes
from evercert.schema import printable
from evercert.timestamps import to_text

LONGEST_PENDING = timedelta(days=30)
SHORTEST_POLL = timedelta(seconds=5)
UNADVISED: KeyAlgorithm = "RSA_2048"  # what every peer takes


@dataclass(frozen=True)
class Obtainer:
    """One revision on its way, step by step; every step is written down before the next one begins."""

    inventory: RecordStore
    seal: Seal
    issuers: Issuers
    breaker: Breaker
    clock: Clock

    def begin(
        self, held: ClaimedRecord, record: Record, opened: OpenIssuer, reason: Reason, gave_up: str | None
    ) -> Pending:
        """A new private key (or the kept one), or the user's CSR: sealed and stored before the issuer hears of it."""
        revision = record.next_revision
        sealed_key, csr, nonce = None, record.spec.csr, None
        if record.spec.key_from_issuer:
            nonce = str(uuid4())
        elif csr is None:
            private_key = self._private_key(record, opened)
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
        self.inventory.update(held, {"revision": revision, "state": "pending", "pending": pending})
        return pending

    def ask(self, record: Record, pending: Pending, opened: OpenIssuer, *, again: bool) -> tuple[Pending, Chain | None]:
        """Asks the issuer; the answer is a chain that is still to be saved, or a handle and a time to come back.

        `again`: another run may have asked already. Raises what the issuer raises, GaveUp after its deadline, Rejected
        for a certificate that does not fit.
        """
        now = self.clock()
        request = _request(record, pending, now, again=again)
        answer = self._answer(request, record, pending, opened)
        if isinstance(answer, PendingAnswer):
            if pending.deadline is not None and now > pending.deadline:  # asked once more: it may have come meanwhile
                done = self.give_up(record, pending, opened, nullcontext())
                raise GaveUp(f"issuer {record.spec.issuer} did not finish by {to_text(pending.deadline)}; {done}")
            # The first deadline holds, however often the issuer says "later"; and no issuer sets our pace alone.
            deadline = min(pending.deadline or answer.deadline, now + LONGEST_PENDING)
            retry_at = max(min(answer.retry_at, deadline), now + SHORTEST_POLL)
            handle = {
                "handle": answer.handle,
                "retry_at": retry_at,
                "deadline": deadline,
                "waits_for": answer.waits_for and printable(answer.waits_for),
            }
            return pending.model_copy(update=handle), None
        self._check(record, pending, answer, opened)
        changes = {"chain": answer.chain.pem, "obtained_at": now, "retry_at": None, "reference": answer.reference}
        if pending.csr is None and answer.private_key is not None:
            changes["sealed_key"] = self.seal.close(answer.private_key, record.uid, pending.revision)
        return pending.model_copy(update=changes), answer.chain

    def give_up(
        self, record: Record, pending: Pending, opened: OpenIssuer, admitted: AbstractContextManager[None] | None
    ) -> str:
        """Takes back what nobody wants any more, where the issuer that was asked can; says what was done.

        A refusal is said and no more: what is wanted now must not wait for it. `admitted`: the breaker has let this run
        through to `opened` already, and while it tries out whether the issuer is back it would not do so twice.
        """
        what = f"revision {pending.revision} ({pending.reason})"
        if (why := _why_left(record, pending)) is not None:
            return f"{what}: left, {why}"
        asked = self._asked(pending, opened)
        if asked is None:
            return f"{what}: left, issuer {pending.issuer} is no longer what it was when it was asked"
        take_back = self._way_back(record, pending, asked)
        if take_back is None:
            return f"{what}: left, the issuer can take nothing back"
        service = f"issuer {pending.issuer} {asked.identity_hash[:8]}"
        try:
            if admitted is None or asked is not opened:
                admitted = self.breaker.watch(self.breaker.admit(service, record.uid))
            with admitted:
                return f"{what}: {take_back()}"
        except (Rejected, Unavailable, Misconfigured, NotYet) as error:
            return f"{what}: left, it could not be taken back: {error}"

    def _way_back(self, record: Record, pending: Pending, asked: OpenIssuer) -> Callable[[], str] | None:
        """What takes it back, and then says how; None: this issuer cannot."""
        issuer, handle, chain = asked.issuer, pending.handle, pending.chain

        def revoke() -> str:
            if isinstance(issuer, Revoker) and chain is not None:
                issuer.revoke(Chain.from_pem(chain), pending.reference)
            return "revoked"

        def cancel() -> str:
            if isinstance(issuer, Canceller) and handle is not None:
                issuer.cancel(handle)
            return "cancelled"

        def forget() -> str:
            known = isinstance(issuer, Forgetter) and issuer.forget(_request(record, pending, self.clock(), again=True))
            return "found and taken back" if known else "nothing was found to take back, and something may be left"

        if chain is not None:
            return revoke if isinstance(issuer, Revoker) else None
        if handle is not None:
            return cancel if isinstance(issuer, Canceller) else None
        return forget if isinstance(issuer, Forgetter) else None

    def _asked(self, pending: Pending, opened: OpenIssuer) -> OpenIssuer | None:
        """The issuer that was asked for this revision, if it is still there as it was."""
        if pending.issuer_hash == opened.identity_hash:
            return opened
        try:
            former = self.issuers.open(pending.issuer)
        except (Rejected, Unavailable, Misconfigured):
            return None
        return former if former.identity_hash == pending.issuer_hash else None

    def _private_key(self, record: Record, opened: OpenIssuer) -> PrivateKey:
        wanted, kept = record.spec.private_key, record.kept_key
        if wanted.rotate == "never" and kept is not None and wanted.known in (None, kept.algorithm):
            try:
                return self.seal.open(kept.sealed_key, record.uid, kept.revision)
            except SealBroken as error:
                raise Misconfigured(
                    f"its private key is to be kept (rotate: never), and does not open: {error}; for a new one "
                    "apply it with rotate: always"
                ) from error
        if wanted.known is not None:
            return PrivateKey.generate(wanted.known)
        advised = opened.issuer.key_algorithm() if isinstance(opened.issuer, KeyAdviser) else None
        return PrivateKey.generate(advised or UNADVISED)

    def _answer(self, request: Request, record: Record, pending: Pending, opened: OpenIssuer) -> Issued | PendingAnswer:
        if isinstance(opened.issuer, SelfIssuer):
            if pending.sealed_key is None:
                raise Rejected(
                    f"issuer {record.spec.issuer} signs with the subject's own key, and a csr comes without it"
                )
            private_key = self.seal.open(pending.sealed_key, record.uid, pending.revision)
            return opened.issuer.issue_with(request, private_key)
        return opened.issuer.issue(request)

    def _check(self, record: Record, pending: Pending, issued: Issued, opened: OpenIssuer) -> None:
        problems = fit(record, pending, issued, self.clock())
        if not problems:
            return
        done = "it was not revoked: the issuer cannot"
        if record.spec.certificate_id is not None:
            done = "it is left, it was issued elsewhere"
        elif isinstance(opened.issuer, Revoker):
            try:
                opened.issuer.revoke(issued.chain, issued.reference)
                done = "it was revoked"
            except (Rejected, Unavailable, Misconfigured) as error:
                done = f"it could not be revoked: {error}"
        raise Rejected(
            f"issuer {record.spec.issuer} answered with a certificate that does not fit: {'; '.join(problems)}; {done}"
        )


def _why_left(record: Record, pending: Pending) -> str | None:
    if any(delivery.revision == pending.revision for delivery in record.deliveries.values()):
        return "it is in use"
    return "it was issued elsewhere" if pending.followed else None


def fit(record: Record, pending: Pending, issued: Issued, now: datetime) -> list[str]:
    """The misfits between what was asked for and what came; what is followed may be what it likes, with its own key."""
    attributes = None if record.spec.certificate_id is not None else record.spec.attributes
    if pending.csr is not None:
        public_key = public_bytes(x509.load_pem_x509_csr(pending.csr.encode()).public_key())
    elif issued.private_key is not None:
        public_key = issued.private_key.public_bytes()
    else:
        return ["it came without a private key that can be used"]
    found = misfits(issued.chain, attributes, public_key, now, profiled=issued.profiled)
    wanted = record.spec.private_key.known
    if pending.csr is None and attributes is not None and wanted not in (None, algorithm_of(issued.chain.public_key)):
        found.append(f"its key is no {wanted}")
    return found


def _request(record: Record, pending: Pending, now: datetime, *, again: bool) -> Request:
    # The delivered certificate can be renewed, and not only replaced, if the same issuer made it for the same request.
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
