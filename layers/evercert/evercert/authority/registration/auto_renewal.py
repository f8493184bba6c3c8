"""Automatic renewal: certificates with keys of the authority, before they expire, without a call of their client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from evercert.authority.api_errors import Refusal
from evercert.authority.contracts.ports import Certificates, RenewalAnnouncer
from evercert.authority.contracts.records import CertificateRecord, DueCertificate, RequestRecord
from evercert.authority.registration.renewal_schedule import next_attempt
from evercert.errors import EvercertError, OutOfTime, Unavailable, Unexpected

MAX_RENEWALS = 5_000  # certificates of one run; the next run continues
MOST_OUTAGES = 3  # in a row, after which a run leaves the rest to the next one
OUTAGE_PAUSE = timedelta(minutes=15)  # of a certificate that met an outage, so that the next run begins with others
WAITS = "waits for"  # prefix of the stored error while the request is open; the error ends with the id of the request
APPROVAL_PAUSE = timedelta(hours=1)  # between checks of a renewal that waits; the approval itself completes it at once
Outcome = Literal["renewed", "failed", "ended", "unavailable", "waiting"]


class Renewer(Protocol):
    """Renewal of one certificate with the permissions of its identity."""

    def renew_unattended(self, record: CertificateRecord) -> CertificateRecord | RequestRecord:
        """Return the new certificate, or the failed request; idempotent. Raise Refusal, Unavailable, Misconfigured."""


@dataclass(frozen=True)
class Attempt:
    """One certificate of a run; `problem` is set for the outcomes `failed` and `unavailable`."""

    certificate: str
    outcome: Outcome
    problem: str = ""


@dataclass(frozen=True)
class AutoRenewal:
    """Renew what is due, soonest expiry first; a crash or a second run at the same time renews nothing twice."""

    certificates: Certificates
    renewals: Renewer
    announcer: RenewalAnnouncer
    clock: Callable[[], datetime]

    def run(self) -> Iterator[Attempt]:
        """Yield one attempt for each due certificate, until the time of the invocation ends."""
        outages = 0
        for due in self.certificates.due(self.clock(), MAX_RENEWALS):
            try:
                attempt = self._attempt(due)
            except OutOfTime:
                return
            except Unavailable as error:
                attempt = Attempt(due.id, "unavailable", str(error))
            except Exception as error:  # noqa: BLE001 (one certificate must not stop the others)
                known = error if isinstance(error, EvercertError) else Unexpected.of(error)
                attempt = Attempt(due.id, "failed", str(known))
            outages = outages + 1 if attempt.outcome == "unavailable" else 0
            yield attempt
            if outages >= MOST_OUTAGES:
                return

    def _attempt(self, due: DueCertificate) -> Attempt:
        record = self.certificates.certificate(due.id)
        now = self.clock()
        if record is None or record.due_at is None or record.due_at > now:  # the index is behind
            return Attempt(due.id, "ended")
        if record.not_after <= now:
            return self._failed(due, record, "the certificate expired before it was renewed: request a new one", None)
        if (ended := self._ended_wait(record)) is not None:
            return self._failed(due, record, ended, next_attempt(now, record.not_after))
        return self._renew(due, record, now)

    def _renew(self, due: DueCertificate, record: CertificateRecord, now: datetime) -> Attempt:
        """Renew a certificate that is due, and store when to try again if that did not end."""
        try:
            found = self.renewals.renew_unattended(record)
        except OutOfTime:
            raise
        except Unavailable as error:
            self.certificates.record_renewal_failure(due, _after(OUTAGE_PAUSE, now, record), record.renewal_error)
            return Attempt(due.id, "unavailable", str(error))
        except (Refusal, EvercertError) as error:
            return self._failed(due, record, str(error), next_attempt(now, record.not_after))
        if isinstance(found, CertificateRecord):
            return Attempt(due.id, "renewed")
        if not found.is_open:
            problem = found.error or "the request failed"
            return self._failed(due, record, problem, next_attempt(now, record.not_after))
        approval = found.status == "pending_approval"
        what, pause = ("an approval", APPROVAL_PAUSE) if approval else (f"issuer {found.external}", OUTAGE_PAUSE)
        until = _after(pause, now, record)
        self.certificates.record_renewal_failure(due, until, f"{WAITS} {what}: request {found.id}")
        return Attempt(due.id, "waiting")

    def _ended_wait(self, record: CertificateRecord) -> str | None:
        """Return why the request that the certificate waited for has failed, or None."""
        if record.renewal_error is None or not record.renewal_error.startswith(WAITS):
            return None
        request = self.certificates.request(record.renewal_error.rpartition(" ")[2])
        if request is None or request.status not in {"failed", "rejected"}:
            return None
        return request.error or f"the request was {request.status}"

    def _failed(self, due: DueCertificate, record: CertificateRecord, problem: str, until: datetime | None) -> Attempt:
        """Announce the error unless the last attempt failed for the same reason, then store it.

        An error that the topic did not accept is not stored: the next attempt announces it. A crash in between
        announces it twice.
        """
        stored: str | None = problem
        if problem != record.renewal_error:
            try:
                self.announcer.failed(record, problem, until)
            except Unavailable:
                stored, until = record.renewal_error, _after(OUTAGE_PAUSE, self.clock(), record)
        if not self.certificates.record_renewal_failure(due, until, stored):
            return Attempt(due.id, "ended")
        return Attempt(due.id, "failed", problem)


def _after(pause: timedelta, now: datetime, record: CertificateRecord) -> datetime:
    """Return when to try again; sooner for a certificate that ends soon."""
    return min(now + pause, next_attempt(now, record.not_after) or now + pause)
