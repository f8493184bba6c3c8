"""Withdrawal of what an external issuer did for a request that ends without its certificate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from evercert.authority.api_errors import Refusal
from evercert.authority.contracts.external import Work
from evercert.authority.contracts.records import RequestRecord
from evercert.contracts.issuer import Canceller, Issued, Issuers, OpenIssuer, Revoker, Withdrawer
from evercert.errors import EvercertError, Misconfigured, NotYet, OutOfTime, Rejected, Unavailable
from evercert.issuance.circuit_breaker import Breaker
from evercert.operations.external_orders import is_other, past_request_of


@dataclass(frozen=True)
class Withdrawals:
    """Cancel or revoke orders at external issuers; idempotent."""

    issuers: Issuers
    breaker: Breaker
    clock: Callable[[], datetime]

    def withdraw(self, request: RequestRecord, work: Work) -> None:
        """Cancel or revoke the order if its issuer can and is still the same; raise as `Issuer.issue` does."""
        opened = self.issuers.open(request.external)
        if is_other(opened, work):
            return
        past = past_request_of(request, opened, work, self.clock())
        with self.breaker.watch(self.breaker.admit(opened.service, request.id)):
            if past.handle is not None:
                if isinstance(opened.issuer, Canceller):
                    opened.issuer.cancel(past.handle)
            elif past.asked_before and isinstance(opened.issuer, Withdrawer):
                opened.issuer.withdraw(past)

    def abandon(self, request: RequestRecord, work: Work) -> None:
        """Withdraw an order that another one follows, whatever the issuer answers; raise OutOfTime only."""
        try:
            self.withdraw(request, work)
        except OutOfTime:
            raise
        except (EvercertError, Refusal):
            return  # the limit of orders bounds what remains at the issuer


def revoke(opened: OpenIssuer, issued: Issued) -> str:
    """Revoke a certificate that is not stored; return what happened, for people."""
    if not isinstance(opened.issuer, Revoker):
        return "not revoked: the issuer cannot revoke"
    try:
        opened.issuer.revoke(issued.chain, issued.reference)
    except (Rejected, Unavailable, Misconfigured, NotYet) as error:
        return f"not revoked: {error}"
    return "revoked"
