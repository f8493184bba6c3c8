"""Issuer for ACME CAs (RFC 8555): one step of an order for each call, resumed from stored progress."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import UnsupportedAlgorithm

from evercert.acme.renewal_info import certificate_id
from evercert.contracts.issuer import Advice, Issued, PendingAnswer, Request
from evercert.errors import EvercertError, GaveUp, Misconfigured, NotProven, Rejected, Unsuited
from evercert.issuers.acme.account import Account
from evercert.issuers.acme.account_changes import AccountChanges
from evercert.issuers.acme.authorizations import Authorizations, summary
from evercert.issuers.acme.challenges import LAST_TRIES, Challenges
from evercert.issuers.acme.connection import shared_connection
from evercert.issuers.acme.errors import PASSING, REFUSED, refusal
from evercert.issuers.acme.order_tokens import OrderTokens
from evercert.issuers.acme.orders import Orders, ReadOrder
from evercert.issuers.acme.progress import Progress
from evercert.issuers.acme.renewal import RenewalInfo
from evercert.issuers.acme.requirements import require_supported
from evercert.issuers.acme.settings import AcmeSettings
from evercert.pki.certificate import Chain
from evercert.pki.csr_parser import public_key_of
from evercert.pki.identifiers import parse_valid
from evercert.pki.keys import public_bytes
from evercert.schema import printable

if TYPE_CHECKING:
    from evercert.acme.problem import Problem
    from evercert.acme.resources import Order
    from evercert.contracts.record import Facts
    from evercert.issuers.context import IssuerContext

SUPERSEDED = 4  # reason of a revocation (RFC 5280 §5.3.1)
LONGEST_POLL = timedelta(minutes=15)
# Seconds between two polls of an order without Retry-After: a fast CA needs no second run.
POLLS = (0.25, 0.5, 1, 1, 2, 2, 5, 10, 20, 30, 60, 120, 300)
LONGEST_PAUSE = timedelta(seconds=2)  # that a run sleeps; longer waits are stored
NO_PAUSE = timedelta(0)
# Answers that cannot be removed delay the certificate by half a minute at most.
FIRST_RECHECK = 4  # polls of a pending order, after which its challenges are read too
MOST_CLEAN_UPS, CLEAN_UP_LATER = 6, timedelta(seconds=5)


class Acme:
    """Issuer for one account and profile of one directory."""

    Settings = AcmeSettings

    def __init__(self, settings: AcmeSettings, context: Callable[[], IssuerContext]) -> None:
        self.settings = settings
        made = context()
        self._connection = shared_connection(settings, made)
        self._account = Account(self._connection, settings, made)
        self.account = AccountChanges(self._account, self._connection, settings)
        self._orders = Orders(self._connection, self._account, OrderTokens(settings, made), settings, made.clock)
        self._renewal_info = RenewalInfo(self._connection, made.clock)
        if made.acme is None:
            raise Misconfigured("cannot open an ACME issuer here: only the issuer function can")
        self._challenges = Challenges(self._account, settings, made.acme.solvers, made.clock, made.http.sleep)
        self._authorizations = Authorizations(self._account, self._challenges, made.clock)

    @staticmethod
    def identity(settings: AcmeSettings) -> dict[str, Any]:
        """Return directory and profile."""
        return settings.identity

    def issue(self, request: Request) -> Issued | PendingAnswer:
        """Take the next step of the order; without a handle, place it."""
        require_supported(request.spec)
        progress = Progress() if request.handle is None else Progress.parse(request.handle)
        try:
            return self._step(request, progress)
        except EvercertError as error:
            if error.abandons:  # the handle is forgotten
                self._challenges.clean_up(request.certificate, progress, LAST_TRIES)
            raise

    def revoke(self, chain: Chain, reference: str | None) -> None:  # noqa: ARG002 (ACME revokes by the certificate)
        """Revoke the leaf with the account of the issuer."""
        self._orders.revoke(chain, SUPERSEDED)

    def cancel(self, handle: str) -> None:
        """Deactivate the order's open authorizations and remove its answers; revoke its certificate if it has one."""
        progress = Progress.parse(handle)
        self._challenges.clean_up("", progress, LAST_TRIES)
        found = None if progress.order is None else self._orders.read(progress.order)
        if found is not None and found.order.status == "valid":
            chain = self._orders.certificate(found.order)
            if _digest_of(chain.public_key) == progress.key:  # else another certificate has finished the order
                self._orders.revoke(chain, SUPERSEDED)
        elif found is not None:
            self._authorizations.close(found.order)

    def advise(self, facts: Facts, now: datetime) -> Advice | None:  # noqa: ARG002 (the connection has a clock)
        """Return the CA's renewal window; raises nothing."""
        return self._renewal_info.read(facts)

    def reach(self) -> None:
        """Read the directory; register nothing."""
        directory = self._connection.directory(latest=True)
        if directory.needs_external_account and self.settings.external_account is None:
            raise Misconfigured(
                f"{self.settings.directory} needs an external account; set external-account of the issuer"
            )

    def caa_identities(self) -> tuple[str, ...]:
        """Return the CAA identities of the directory."""
        return self._connection.directory().caa_identities

    def check_credentials(self) -> str:
        """Read the HMAC key of the external account."""
        return self._account.check_credentials()

    def check_account(self) -> str:
        """Return whether the account is registered; register nothing."""
        return self._account.check()

    def check_name(self, name: str) -> str:
        """Return the solver for the name; raise Rejected for a name that no ACME CA certifies."""
        found = parse_valid(name)
        if found is None or found.kind not in ("dns", "ip"):
            raise Rejected(f"{printable(name, 100)!r} is not a DNS name or IP address; correct it")
        return f"solver {self._challenges.check(found.value)}"

    def _step(self, request: Request, progress: Progress) -> Issued | PendingAnswer:
        if progress.order is None:
            return self._place(request, progress)
        if (published := self._challenges.publish(request.certificate, progress)) is not None:
            return self._later(request, published, NO_PAUSE)
        found = self._orders.read(progress.order)
        if found is None:
            return self._restart(request, progress, "the CA no longer has the order")
        return self._advance(request, progress, found)

    def _place(self, request: Request, progress: Progress) -> PendingAnswer:
        if request.csr is None:
            raise Unsuited("an ACME CA needs a CSR; use private-key with source: local")
        self._challenges.check_some([name.value for name in request.spec.attributes.identifiers])
        order = self._orders.place(request)
        key = _digest_of(public_key_of(request.csr))
        return self._later(request, Progress(order=order, key=key, restarts=progress.restarts), NO_PAUSE)

    def _advance(self, request: Request, progress: Progress, found: ReadOrder) -> Issued | PendingAnswer:
        match found.order.status:
            case "pending":
                return self._authorize(request, progress, found)
            case "ready":
                return self._finalize(request, progress, found.order)
            case "processing":
                return self._poll(request, progress, found.wait)
            case "valid":
                return self._collect(request, progress, found.order)
            case _:
                return self._fail(request, progress, found.order)

    def _authorize(self, request: Request, progress: Progress, found: ReadOrder) -> PendingAnswer:
        """Present the challenges, wait until the CA will find them, and answer them; then poll."""
        ordered = {name.value for name in request.spec.attributes.identifiers}
        if (chosen := self._authorizations.choose(found.order, progress, ordered)) is not None:
            return self._later(request, chosen, NO_PAUSE)
        looked, look_at = self._challenges.look(request.certificate, progress)
        if look_at is not None:
            return self._later(request, looked.polled(), look_at - request.now)
        if (answered := self._authorizations.answer(looked)) is not None:
            return self._later(request, *answered)
        if looked.polls < FIRST_RECHECK:
            return self._poll(request, looked, found.wait)
        rechecked, failed = self._authorizations.recheck(found.order, looked)
        if failed:
            raise NotProven(_failure_message(failed, None))
        return self._poll(request, rechecked, found.wait)

    def _finalize(self, request: Request, progress: Progress, order: Order) -> Issued | PendingAnswer:
        if request.csr is None:
            raise Rejected("the order has no CSR; run: evercert renew NAME")
        answer = self._orders.finalize(order, request.csr)
        if answer is None or answer.order.status == "ready":
            return self._poll(request, progress, None)
        return self._advance(request, progress, answer)

    def _collect(self, request: Request, progress: Progress, order: Order) -> Issued | PendingAnswer:
        if progress.presented:
            left = self._challenges.clean_up(request.certificate, progress)
            if left.presented and progress.clean_ups < MOST_CLEAN_UPS:
                return self._later(request, replace(left, clean_ups=left.clean_ups + 1), CLEAN_UP_LATER)
            return self._later(request, replace(progress, presented={}, settled=(), polls=0), NO_PAUSE)
        chain = self._orders.certificate(order)
        if request.csr is not None and _digest_of(chain.public_key) != _digest_of(public_key_of(request.csr)):
            # CAs give one order to two certificates with the same names: the other one may be in use, so do not revoke.
            if progress.restarts:
                raise Rejected("the CA answered twice with a certificate for another key than that of the CSR; ask it")
            return self._restart(request, progress, "the certificate is for another key")
        return Issued(chain, reference=certificate_id(chain.leaf), handle=progress.text, profiled=True)

    def _fail(self, request: Request, progress: Progress, order: Order) -> PendingAnswer:
        """Raise the reason why the order is invalid; if it only expired, place another one."""
        failed = self._authorizations.failures(order)
        if not failed and order.error is None:
            return self._restart(request, progress, "the order expired")
        problems = [problem for problem in [order.error, *failed.values()] if problem is not None]
        message = _failure_message(failed, order.error)
        kinds = frozenset[str]().union(*(problem.kinds for problem in problems))
        if kinds & REFUSED:
            raise refusal(kinds, message)
        if not failed and any(problem.kind in PASSING for problem in problems):
            raise GaveUp(message)
        raise NotProven(message)

    def _restart(self, request: Request, progress: Progress, why: str) -> PendingAnswer:
        again = progress.restarted()
        if again is None:
            raise GaveUp(f"{self.settings.directory}: {why}, {progress.restarts + 1} times for one certificate")
        self._challenges.clean_up(request.certificate, progress, LAST_TRIES)
        return self._later(request, again, NO_PAUSE)

    def _poll(self, request: Request, progress: Progress, asked: timedelta | None) -> PendingAnswer:
        usual = timedelta(seconds=POLLS[min(progress.polls, len(POLLS) - 1)])
        return self._later(request, progress.polled(), usual if asked is None else max(asked, usual))

    def _later(self, request: Request, progress: Progress, wait: timedelta) -> PendingAnswer:
        wait = min(max(wait, NO_PAUSE), LONGEST_POLL)
        return PendingAnswer(
            handle=progress.text,
            retry_at=request.now + wait,
            deadline=request.now + self.settings.pending_for,
            pause=wait if wait <= LONGEST_PAUSE else None,
        )


def _digest_of(public_key: object) -> str:
    """Return the digest of a public key; empty for one that cannot be parsed, which the core refuses."""
    try:
        return hashlib.sha256(public_bytes(public_key)).hexdigest()
    except (ValueError, UnsupportedAlgorithm):
        return ""


def _failure_message(failed: dict[str, Problem | None], error: Problem | None) -> str:
    own = "" if error is None else f"; the order: {error}"
    if not failed:
        return f"the CA refused the order: {error}"
    names = f"{len(failed)} name(s): {summary(failed)}"
    return f"the CA could not verify control of {names}{own}; check DNS, web host and solver"
