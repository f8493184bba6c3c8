"""Requests for renewal: choose the certificates and spread their due times."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Record
from evercert.contracts.spec_store import Specs
from evercert.schema import printable

SPREAD = timedelta(hours=1)
LONGEST_REASON = 200
_NEVER_ISSUED = datetime.min.replace(tzinfo=UTC)


@dataclass
class Renewal:
    """Certificates to renew, soonest expiry first, and those left out."""

    names: list[str] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)  # an earlier request is not served yet
    unreadable: list[str] = field(default_factory=list)


def choose(
    records: Iterable[Record | Unreadable],
    issuers: Collection[str] = (),
    issuer_of: Callable[[Record], str | None] = lambda _: None,
) -> Renewal:
    """Choose the certificates of these issuers, or all; repeating an interrupted renewal skips pending requests.

    `issuer_of` returns which of several issuers issued a certificate, or None if none of them did.
    """
    found, soonest = Renewal(), []
    for record in records:
        if isinstance(record, Unreadable):
            found.unreadable.append(record.name)
        elif issuers and _issuer(record, issuer_of) not in issuers:
            continue
        elif _is_requested(record):
            found.requested.append(record.name)
        else:
            soonest.append((_NEVER_ISSUED if record.facts is None else record.facts.not_after, record.name))
    found.names = [name for _, name in sorted(soonest)]
    return found


def request_renewals(
    names: Sequence[str], specs: Specs, now: datetime, over: timedelta, reason: str | None
) -> Iterator[str]:
    """Request renewal of all, with due times spread over `over`; yield the names that exist."""
    for number, name in enumerate(names):
        if specs.request(name, now, now + over * number / len(names), reason):
            yield name


def clean_reason(reason: str | None) -> str | None:
    """Return the reason as one line of at most 200 characters, or None if empty."""
    return (printable(reason, LONGEST_REASON) or None) if reason is not None else None


def _issuer(record: Record, issuer_of: Callable[[Record], str | None]) -> str:
    return (issuer_of(record) if record.spec.issuers else None) or record.spec.issuer


def _is_requested(record: Record) -> bool:
    """Whether a request is pending; a failed request may be repeated, which ignores the back-off."""
    if record.requested_at is None or record.requested_at == record.served:
        return False
    return record.last_error is None or record.last_error.requested_at != record.requested_at
