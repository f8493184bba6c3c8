"""Doubles of a simulated year: a CA with a limit and outages, and certificates without signatures.

Certificates are dates without a signature, so that a renewal takes less than a millisecond. Everything that decides about
time is evercert's own: schedule, decision, back-off, circuit breaker, conclusion. `test_year.py` shows that real keys and
certificates change no time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from cryptography import x509

from evercert.contracts.issuer import Advice, Issued, RenewalWindow, Request
from evercert.contracts.order_buckets import OrderLimit
from evercert.contracts.ports import ClaimedRecord, Ports
from evercert.contracts.record import Facts, Pending, Reason, Record
from evercert.documents.spec import Component, Spec
from evercert.errors import Misconfigured, NotYet, Unavailable
from evercert.issuance.obtain import Obtainer
from evercert.issuance.steps import Steps
from evercert.pki.certificate import Chain
from tests.doubles.acme import FakeOrderBuckets

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Dates(Chain):
    """A certificate of which only the dates and the serial number matter."""

    certificates: tuple[x509.Certificate, ...] = ()
    first: datetime = datetime.min
    last: datetime = datetime.max
    number: int = 0

    common_name = None
    identifiers = ()

    @property
    def begins(self) -> datetime:
        return self.first

    @property
    def ends(self) -> datetime:
        return self.last

    @property
    def leaf(self) -> Any:
        return SimpleNamespace(not_valid_before_utc=self.first, not_valid_after_utc=self.last)

    @property
    def serial_number(self) -> str:
        return f"{self.number:x}"

    @property
    def fingerprint_sha256(self) -> str:
        return f"{self.number:064x}"

    @property
    def pem(self) -> str:
        return f"{self.first.isoformat()} {self.last.isoformat()} {self.number}"

    @classmethod
    def from_pem(cls, pem: str) -> Dates:
        first, last, number = pem.split()
        return cls((), (), datetime.fromisoformat(first), datetime.fromisoformat(last), int(number))


@contextmanager
def dates_for_chains() -> Iterator[None]:
    """Let evercert read the stored dates where it reads a stored chain, and compute the hashes of each spec once."""
    with (
        patch.object(Chain, "from_pem", Dates.from_pem),
        patch.object(Component, "key", _computed_once(Component.key)),
        patch.object(Spec, "request_hash", _computed_once(Spec.request_hash)),
    ):
        yield


def _computed_once(attribute: Any) -> property:
    """Return a property of frozen objects that remembers its values."""
    known: dict[int, tuple[object, str]] = {}

    def read(one: object) -> str:
        found = known.get(id(one))
        if found is None:
            found = known[id(one)] = one, attribute.fget(one)  # a reference, so that no other object has this id
        return found[1]

    return property(read)


class DatesObtainer(Obtainer):
    """Obtains dates: without key, CSR, and comparison of the answer with the request."""

    def prepare(
        self, held: ClaimedRecord, record: Record, opened: Any, reason: Reason, gave_up: str | None, *, watched: Any
    ) -> Pending:
        pending = Pending(
            revision=record.next_revision,
            reason=reason,
            generation=record.generation,
            requested_at=record.requested_at,
            issuer=opened.name,
            request_hash=record.spec.request_hash,
            issuer_hash=opened.identity_hash,
            nonce=f"{record.uid} {record.next_revision}",
            gave_up=gave_up,
        )
        self.records.update(held, {"revision": pending.revision, "state": "pending", "pending": pending})
        return pending

    def request(self, record: Record, pending: Pending, opened: Any, watched: Any, **_: Any) -> tuple[Pending, Any]:
        now = self.clock()
        wanted = Request(record.name, record.spec, None, pending.revision, "", now, previous=record.facts)
        with watched:
            chain = opened.issuer.issue(wanted).chain
        return pending.model_copy(update={"chain": chain.pem, "obtained_at": now, "retry_at": None}), chain


class DateSteps(Steps):
    """Steps of a run that obtains dates."""

    def __init__(self, ports: Ports) -> None:
        super().__init__(ports)
        self.obtainer = DatesObtainer(ports.records, ports.seal, self.abandonment, ports.clock)


@dataclass
class YearCA:
    """A CA: issues for `lifetime`, does not answer in `outages`, and refuses the first `refusals` attempts of a revision.

    `limit` is of new orders. With `window`, a share of the lifetime, it suggests renewals there, which need no token.
    """

    lifetime: timedelta
    outages: tuple[tuple[datetime, datetime], ...] = ()
    refusals: int = 0
    limit: OrderLimit | None = None
    issued: list[tuple[datetime, str, int]] = field(default_factory=list)  # with name and revision
    attempts: dict[tuple[str, int], int] = field(default_factory=dict)
    asked: dict[tuple[str, int], datetime] = field(default_factory=dict)  # the first time
    waits: int = 0  # for a token

    def __post_init__(self) -> None:
        self._buckets = FakeOrderBuckets()

    def issue(self, request: Request) -> Issued:
        asked = request.certificate, request.revision
        self.asked.setdefault(asked, request.now)
        if any(start <= request.now < end for start, end in self.outages):
            raise Unavailable("the CA does not answer")
        self.attempts[asked] = self.attempts.get(asked, 0) + 1
        if request.revision > 1 and self.attempts[asked] <= self.refusals:
            raise Misconfigured("the CA refuses, as after an edit of its rules")
        again = self._take_token(request)
        if again is not None:
            self.waits += 1
            raise NotYet("the account has used up its orders", again)
        self.issued.append((request.now, *asked))
        return Issued(self._sign(request))

    suggests = False

    def _take_token(self, request: Request) -> datetime | None:
        """Return None, or when to try again; Let's Encrypt exempts the renewals that it suggests."""
        if self.limit is None or (self.suggests and request.previous is not None):
            return None
        return self._buckets.take("account", self.limit, request.now)

    def _sign(self, request: Request) -> Any:
        begins = request.now.replace(microsecond=0)
        return Dates((), (), begins, begins + self.lifetime, len(self.issued))


class SuggestingCA(YearCA):
    """A CA with renewal information (RFC 9773): a window of 2 % of the lifetime, as Let's Encrypt suggests."""

    suggests = True

    def advise(self, facts: Facts, now: datetime) -> Advice:
        share = 1 / 2 if facts.lifetime < 10 * DAY else 2 / 3
        middle, half = facts.not_before + facts.lifetime * share, facts.lifetime / 100
        return Advice(now + DAY, RenewalWindow(middle - half, middle + half))
