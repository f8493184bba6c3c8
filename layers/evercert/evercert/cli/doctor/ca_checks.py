"""Checks of `doctor` for the life of a CA: its expiry, and its replacement by a CA with a new key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from evercert.cli.arguments import counted
from evercert.cli.authority.document_plan import newest
from evercert.cli.authority.last_expiry import latest_expiry
from evercert.cli.doctor.stack_checks import Check
from evercert.durations import to_text

if TYPE_CHECKING:
    from evercert.authority.ca.definition import CA
    from evercert.authority.configuration.profiles import Profile

EXPIRY_WARNING = {"issuing": timedelta(days=90), "root": timedelta(days=365)}


def lifetime(ca: CA, every: Sequence[CA], profiles: Iterable[Profile], now: datetime) -> Check:
    """Check whether a CA can issue for its profiles, and what its replacement needs."""
    own = [profile for profile in profiles if ca.name in profile.cas]
    if ca.status == "pending":
        return _pending(ca, every)
    if ca.status == "retired" or (ca.status == "disabled" and ca.retired_at is not None):
        return _retired(ca, every, own, now)
    if ca.status == "active" and (new := newest(ca, every)) is not None:
        found = f"is being replaced by {new.name}; {counted(len(own), 'profile')} to move"
        return Check(f"CA {ca.name}", "warning", found, f"evercert authority ca replace {ca.name}")
    return _validity(ca, every, own, now)


def _pending(ca: CA, every: Iterable[CA]) -> Check:
    remedy = "evercert authority init continues; if an external CA signs it: ca csr, then ca import"
    replaced = next((one for one in every if one.replaced_by == ca.id), None)
    if replaced is not None:
        external = f"ca csr {ca.name} and ca import, then " if ca.parent is None else ""
        remedy = f"evercert authority {external}ca replace {replaced.name}"
    return Check(f"CA {ca.name}", "warning", "has no certificate yet", remedy)


def _retired(ca: CA, every: Iterable[CA], own: Sequence[Profile], now: datetime) -> Check:
    name, new = f"CA {ca.name}", newest(ca, every)
    if own:
        found = f"was replaced, but {counted(len(own), 'profile')} cannot issue until moved: {own[0].key}"
        return Check(name, "failed", found, f"evercert authority ca replace {ca.name}")
    ends = latest_expiry(ca)
    by = "" if new is None else f", replaced by {new.name}"
    if ends is None or ends > now:
        until = "" if ends is None else f"; its certificates expire by {ends:%Y-%m-%d}"
        return Check(name, "ok", f"{ca.status}{by}{until}")
    advice = f"evercert authority ca delete {ca.name} removes it after its last certificate has expired"
    return Check(name, "ok", f"{ca.status}{by}; {advice}")


def _validity(ca: CA, every: Iterable[CA], own: Sequence[Profile], now: datetime) -> Check:
    name, left = f"CA {ca.name}", ca.current.x509.not_valid_after_utc - now
    found = f"{ca.status}, expires in {left.days} days"
    if left <= timedelta():
        return Check(name, "failed", "has expired", _remedy(ca, every))
    if ca.status == "active" and (uncovered := _uncovered(ca, own, left)) is not None:
        profile, longest = uncovered
        return Check(
            name,
            "warning",
            f"{found}, but profile {profile.key} allows certificates of {to_text(longest)}",
            _remedy(ca, every),
        )
    if left <= EXPIRY_WARNING[ca.kind]:
        return Check(name, "warning", found, _remedy(ca, every))
    if ca.status == "active":
        return Check(name, "ok", found)
    return Check(name, "warning", found, f"to allow it to sign again: evercert authority ca enable {ca.name}")


def _uncovered(ca: CA, own: Iterable[Profile], left: timedelta) -> tuple[Profile, timedelta] | None:
    """Return the profile with the longest validity, if the CA ends earlier than such a certificate."""
    if ca.ceiling is None:
        return None
    spans = [(profile, min(profile.policy.validity.span or ca.ceiling.longest, ca.ceiling.longest)) for profile in own]
    longest = max(spans, key=lambda one: one[1], default=None)
    return longest if longest is not None and longest[1] > left else None


def _remedy(ca: CA, every: Iterable[CA]) -> str:
    """Return the commands for the same key, and for a new one; no issuing CA outlives its root."""
    if ca.kind == "root":
        return f"evercert authority ca renew {ca.name}"
    same = f"evercert authority ca renew {ca.name}"
    root = next((one for one in every if one.id == ca.parent), None)
    if ca.parent is None:
        same = f"evercert authority ca csr {ca.name}, then ca import"
    elif root is not None and root.current.x509.not_valid_after_utc <= ca.current.x509.not_valid_after_utc:
        return f"evercert authority ca renew {root.name}, then ca renew {ca.name} (same key)"
    return f"{same} (same key), or ca replace {ca.name} (new key)"
