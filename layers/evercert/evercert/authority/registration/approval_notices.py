"""Announcement of approvals: requests that wait for one, and their end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from evercert.authority.contracts.approval_terms import DueNotice
from evercert.authority.contracts.records import CertificateRecord, RequestRecord
from evercert.authority.registration.approvals import ApprovalStore
from evercert.authority.registration.fulfillment import Fulfillment
from evercert.errors import EvercertError, OutOfTime, Unexpected

MAX_NOTICES = 1_000  # of one run
PAUSE = timedelta(minutes=15)  # after an outage, so that one request does not stop the others
State = Literal["requested", "approved", "rejected", "ended"]


class ApprovalAnnouncer(Protocol):
    """Publication of approvals."""

    def approval(self, request: RequestRecord, state: State, message: str) -> None:
        """Publish that a request waits or was decided; raise Unavailable or Misconfigured."""


@dataclass(frozen=True)
class Notice:
    """One request of a run; `problem` is set if it is tried again later."""

    request: str
    state: State
    problem: str = ""


@dataclass(frozen=True)
class ApprovalNotices:
    """Announce each state once, or twice after a crash; complete approved requests, end late ones."""

    certificates: ApprovalStore
    fulfillment: Fulfillment
    announcer: ApprovalAnnouncer
    clock: Callable[[], datetime]

    def run(self) -> Iterator[Notice]:
        """Yield one notice for each due entry, until the time of the invocation ends."""
        for due in self.certificates.notices(self.clock(), MAX_NOTICES):
            try:
                notice = self._notice(due)
            except OutOfTime:
                return
            except Exception as error:  # noqa: BLE001 (one request must not stop the others)
                known = error if isinstance(error, EvercertError) else Unexpected.of(error)
                with suppress(EvercertError):  # it is due again then
                    self.certificates.settle_notice(due, self.clock() + PAUSE)
                notice = Notice(due.request, "ended", str(known))
            yield notice

    def _notice(self, due: DueNotice) -> Notice:
        request = self.certificates.request(due.request)
        if request is None or request.approval is None:
            self.certificates.settle_notice(due, None)
            return Notice(due.request, "ended")
        found = self.fulfillment.fulfill(request)
        if isinstance(found, CertificateRecord):
            state: State = "approved"
            message, following = f"certificate {found.id} issued", None
        elif found.status == "pending_approval":
            state, message, following = "requested", "", request.approval.until
        elif found.is_open:
            state, message, following = "approved", f"requested from issuer {found.external}", None
        else:
            state = "rejected" if found.status == "rejected" else "ended"
            message, following = found.error or "", None
        if not _is_stored(request, found):
            return Notice(request.id, state)  # it ended just now: its own entry is due
        self.announcer.approval(request, state, message)
        self.certificates.settle_notice(due, following)
        return Notice(request.id, state)


def _is_stored(request: RequestRecord, found: CertificateRecord | RequestRecord) -> bool:
    """Return whether the request had this state when it was read."""
    return isinstance(found, CertificateRecord) or found.is_open or found.status == request.status
