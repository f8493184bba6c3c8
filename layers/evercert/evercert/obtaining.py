"""From a wish to a saved chain: seal, ask, check the fit, save."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from evercert.certificate import Chain, misfits
from evercert.deadline import Clock
from evercert.errors import EvercertError, GaveUp, Rejected
from evercert.instants import to_text
from evercert.keys import PrivateKey, public_bytes
from evercert.ports import (
    Canceller,
    Held,
    Inventory,
    Issued,
    OpenIssuer,
    PendingAnswer,
    Request,
    Revoker,
    Seal,
    SelfIssuer,
)
from evercert.record import Pending, Record
from evercert.renewal import Reason


@dataclass(frozen=True)
class Obtaining:
    """One revision on its way, step by step; every step is written down before the next one begins."""

    inventory: Inventory
    seal: Seal
    clock: Clock

    def begin(self, held: Held, record: Record, opened: OpenIssuer, reason: Reason, gave_up: str | None) -> Pending:
        """A new private key, sealed and stored before the issuer hears of it."""
        private_key = PrivateKey.generate(record.spec.private_key.algorithm)
        revision = record.revision + 1
        pending = Pending(
            revision=revision,
            reason=reason,
            generation=record.generation,
            requested_at=record.requested_at,
            request_hash=record.spec.request_hash,
            issuer_hash=opened.identity_hash,
            sealed_key=self.seal.close(private_key, record.uid, revision),
            csr=private_key.sign_csr(record.spec.attributes),
            gave_up=gave_up,
        )
        self.inventory.update(held, {"revision": revision, "state": "pending", "pending": pending})
        return pending

    def ask(self, record: Record, pending: Pending, opened: OpenIssuer) -> Pending:
        """Asks the issuer; the answer is a saved-to-be chain, or a handle and a time to come back.

        Raises what the issuer raises, GaveUp after its deadline, Rejected for a certificate that does not fit.
        """
        now = self.clock()
        if pending.deadline is not None and now > pending.deadline:
            self.give_up(pending, opened)
            raise GaveUp(f"issuer {record.spec.issuer} did not finish by {to_text(pending.deadline)}")
        request = Request(
            certificate=record.name,
            spec=record.spec,
            csr=pending.csr,
            revision=pending.revision,
            token=record.token(pending.revision),
            now=now,
            handle=pending.handle,
        )
        answer = self._answer(request, record, pending, opened)
        if isinstance(answer, PendingAnswer):
            return pending.model_copy(
                update={
                    "handle": answer.handle,
                    "retry_at": answer.retry_at,
                    "deadline": pending.deadline or answer.deadline,
                }
            )
        self._check(record, pending, answer.chain, opened)
        return pending.model_copy(update={"chain": answer.chain.pem, "retry_at": None})

    def give_up(self, pending: Pending, opened: OpenIssuer) -> str:
        """Takes back what nobody wants any more, where the issuer can; says what was done, for the history."""
        what = f"revision {pending.revision} ({pending.reason})"
        if pending.issuer_hash != opened.identity_hash:
            return f"{what}: left, its issuer is no longer defined"
        try:
            if pending.chain is not None and isinstance(opened.issuer, Revoker):
                opened.issuer.revoke(Chain.from_pem(pending.chain))
                return f"{what}: revoked"
            if pending.chain is None and pending.handle is not None and isinstance(opened.issuer, Canceller):
                opened.issuer.cancel(pending.handle)
                return f"{what}: cancelled"
        except Rejected as error:
            return f"{what}: left, the issuer refused: {error}"
        return f"{what}: left, the issuer can take nothing back"

    def _answer(self, request: Request, record: Record, pending: Pending, opened: OpenIssuer) -> Issued | PendingAnswer:
        if isinstance(opened.issuer, SelfIssuer):
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
            except EvercertError as error:
                if not isinstance(error, Rejected):
                    raise
                done = f"it was not revoked: {error}"
        raise Rejected(
            f"issuer {record.spec.issuer} answered with a certificate that does not fit: {'; '.join(problems)}; {done}"
        )


def fit(record: Record, pending: Pending, chain: Chain, now: datetime) -> list[str]:
    """The misfits between what was asked for and what came."""
    public_key = public_bytes(x509.load_pem_x509_csr(pending.csr.encode()).public_key())
    return misfits(chain, record.spec.attributes, public_key, now)
