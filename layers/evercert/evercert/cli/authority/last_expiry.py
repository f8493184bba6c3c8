"""When the last certificate of a CA expires: the CA is needed for CRLs until then."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pydantic import ValidationError

from evercert.authority.ca.ceiling import POSTDATED, SKEW
from evercert.authority.ca.definition import CA, GRACE
from evercert.authority.ca.leaf_fields import Leaf
from evercert.aws.authority.signing_ledger_reader import Entry


def latest_expiry(ca: CA) -> datetime | None:
    """Return a time at which all certificates have expired under the present ceiling; None if the CA may still sign.

    No certificate outlives that of its CA.
    """
    if not ca.installed or ca.status == "active" or ca.retired_at is None:
        return None
    ends = ca.current.x509.not_valid_after_utc
    if ca.ceiling is None:
        return ends
    return min(ends, ca.retired_at + GRACE + POSTDATED + ca.ceiling.longest + SKEW)


def last_expiry(ca: CA, entries: Iterable[Entry], now: datetime) -> datetime | None:
    """Return when the last certificate in the signing ledger expires; None if the CA may still sign.

    Falls back to the upper bound if the ledger has no certificate of the CA, or one that cannot be read.
    """
    bound = latest_expiry(ca)
    if bound is None or ca.retired_at is None or now < ca.retired_at + GRACE:
        return bound
    ends = [_not_after(entry) for entry in entries if entry.ca == ca.id]
    known = [end for end in ends if end is not None]
    if not known or len(known) < len(ends):
        return ca.current.x509.not_valid_after_utc
    return min(max(known), ca.current.x509.not_valid_after_utc)


def _not_after(entry: Entry) -> datetime | None:
    try:
        return Leaf.model_validate_json(entry.leaf).not_after
    except ValidationError:
        return None
