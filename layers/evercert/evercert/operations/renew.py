"""Which certificates a renewal is asked for, and by when each of them is due."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
    """Whom to ask for, soonest expiry first, and who is left out."""

    names: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)  # by an earlier request that is not served yet
    unreadable: list[str] = field(default_factory=list)


def choose(records: Iterable[Record | Unreadable], issuer: str | None = None) -> Renewal:
    """Those of one issuer, or all; an interrupted renewal goes on where it stood when it is asked for again."""
    found, soonest = Renewal(), []
    for record in records:
        if isinstance(record, Unreadable):
            found.unreadable.append(record.name)
        elif issuer not in (None, record.spec.issuer):
            continue
        elif _under_way(record):
            found.asked.append(record.name)
        else:
            soonest.append((_NEVER_ISSUED if record.facts is None else record.facts.not_after, record.name))
    found.names = [name for _, name in sorted(soonest)]
    return found


def ask(names: Sequence[str], specs: Specs, now: datetime, over: timedelta, reason: str | None) -> Iterator[str]:
    """Asks for all of them now, each due a little later than the one before; answers with those that are there."""
    for number, name in enumerate(names):
        if specs.request(name, now, now + over * number / len(names), reason):
            yield name


def cleaned(reason: str | None) -> str | None:
    """A reason as it is kept: one line, and not too long."""
    return (printable(reason, LONGEST_REASON) or None) if reason is not None else None


def _under_way(record: Record) -> bool:
    """A request that failed may be made again: that passes the back-off."""
    if record.requested_at is None or record.requested_at == record.served:
        return False
    return record.last_error is None or record.last_error.requested_at != record.requested_at
