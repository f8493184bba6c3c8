"""Give up a superseded revision: revoke or cancel it where its issuer can."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

from evercert.contracts.issuer import Canceller, Issuers, OpenIssuer, Request, Revoker, Withdrawer
from evercert.contracts.record import Pending, Record
from evercert.deadline import Clock
from evercert.errors import Misconfigured, NotYet, Rejected, Unavailable
from evercert.issuance.circuit_breaker import Breaker
from evercert.pki.certificate import Chain


@dataclass(frozen=True)
class Abandonment:
    """Gives up revisions that no destination will get."""

    issuers: Issuers
    breaker: Breaker
    clock: Clock

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
            accepted = pending.chain or pending.handle
            unable = "not revoked: its issuer can neither revoke nor cancel it"
            return f"{superseded}: {unable if accepted else 'nothing known to revoke or cancel'}"
        try:
            if admitted is None or former is not opened:
                admitted = self.breaker.watch(self.breaker.admit(former.service, record.uid))
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
            request = build_request(record, pending, self.clock(), again=True)
            found = isinstance(issuer, Withdrawer) and issuer.withdraw(request)
            return "found and revoked or cancelled" if found else "nothing found to revoke or cancel; some may be left"

        if chain is not None:
            return revoke if isinstance(issuer, Revoker) else None
        if handle is not None:
            return cancel if isinstance(issuer, Canceller) else None
        return withdraw if isinstance(issuer, Withdrawer) else None

    def _former_issuer(self, pending: Pending, opened: OpenIssuer) -> OpenIssuer | None:
        """Return the issuer that was asked for this revision, or None if it was changed or deleted."""
        if (pending.issuer, pending.issuer_hash) == (opened.name, opened.identity_hash):
            return opened
        try:
            former = self.issuers.open(pending.issuer)
        except (Rejected, Unavailable, Misconfigured):
            return None
        return former if former.identity_hash == pending.issuer_hash else None


def _reason_to_keep(record: Record, pending: Pending) -> str | None:
    if any(delivery.revision == pending.revision for delivery in record.deliveries.values()):
        return "it is in use"
    if pending.chain is not None and any(delivery.in_doubt for delivery in record.deliveries.values()):
        return "it may be in use"
    if pending.restores is not None:
        return f"it is the certificate of revision {pending.restores}"
    return "it was issued elsewhere" if pending.followed else None


def build_request(record: Record, pending: Pending, now: datetime, *, again: bool) -> Request:
    """Return the request for the revision in progress; `again`: an earlier run may have sent it."""
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
