"""The dates of an order (RFC 8555 §7.4)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from evercert.acme import times
from evercert.authority.acme.problems import malformed
from evercert.deadline import CLOCK_TOLERANCE

LATEST_BEGIN = timedelta(days=30)  # of the certificate, as for all certificates of the authority
LONGEST = timedelta(days=36_500)
Dates = tuple[datetime | None, datetime | None]


def read(members: Mapping[str, Any], now: datetime, longest: timedelta | None, latest: datetime | None) -> Dates:
    """Return notBefore and notAfter; raise Refused if no certificate of the profile could have them.

    `longest` is the lifetime that the policy allows, `latest` the end of the profile's CAs. The clock of a client may
    be wrong by a few minutes: notBefore may be as long ago, and a lifetime that is too long by as much is cut.
    """
    begin, end = (_date(members, name) for name in ("notBefore", "notAfter"))
    start = begin or now.replace(microsecond=0)
    if start < now - CLOCK_TOLERANCE:
        raise malformed("notBefore is in the past; leave it out to begin now")
    if start > now + LATEST_BEGIN:
        raise malformed(f"notBefore must be within {LATEST_BEGIN.days} days")
    if end is None:
        return begin, None
    if end <= start or end <= now or end > start + LONGEST:
        raise malformed("notAfter must be in the future, after notBefore, and within 100 years")
    if latest is not None and end > latest:
        raise malformed(f"notAfter is later than the end of the CA, {latest:%Y-%m-%d}")
    if longest is not None and end - start > longest:
        if end - start > longest + CLOCK_TOLERANCE:
            raise malformed(f"the policy allows certificates of at most {longest.days} days; notAfter is later")
        end = start + longest
    return begin, end


def require_none(members: Mapping[str, Any]) -> None:
    """Raise Refused if the order has dates: an external issuer chooses them, and none may be changed (§7.4)."""
    if any(members.get(name) is not None for name in ("notBefore", "notAfter")):
        raise malformed("the issuer of this profile chooses the dates: leave out notBefore and notAfter")


def _date(members: Mapping[str, Any], name: str) -> datetime | None:
    if members.get(name) is None:
        return None
    try:
        return times.parse(members[name]).replace(microsecond=0)
    except ValueError as error:
        raise malformed(f"{name} is {error}") from None
