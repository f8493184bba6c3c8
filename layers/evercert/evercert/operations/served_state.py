"""Lines for people about what the probe of a certificate saw, and what its consumers have loaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from evercert.contracts.consumers import ConsumerList
from evercert.contracts.record import Record
from evercert.operations.ages import relative
from evercert.operations.escapes import visible

MOST = 20  # consumers
LONGEST = 100  # characters of a name
LONGEST_PROBLEM = 2_000
_RESULTS = {
    "served": "serves this revision",
    "outdated": "serves another certificate",
    "incomplete": "serves the certificate without that of its issuer",
    "unreachable": "cannot be reached",
    "not-probed": "is not probed",
}


@dataclass(frozen=True)
class ServedLine:
    """Line about a server or a consumer; `late` if it does not have the certificate in use."""

    text: str
    late: bool = False


def probe_line(record: Record, now: datetime) -> ServedLine | None:
    """Return what the last probe saw; None without a probe."""
    probe, last = record.spec.probe, record.probed
    if probe is None:
        return None
    if last is None or last.at is None or last.target != str(probe):
        return ServedLine(f"{probe}: not probed yet")
    text = f"{probe}: {_RESULTS[last.result or 'not-probed']}"
    if last.fingerprint_sha256 is not None and last.result == "outdated":
        ends = "" if last.not_after is None else f", which expires {_moment(last.not_after)}"
        text += f" (SHA-256 {visible(last.fingerprint_sha256, 17)}{ends})"
    if last.problem is not None:
        text += f": {visible(last.problem, LONGEST_PROBLEM)}"
    since = "" if last.since is None or last.since == last.at else f", since {_moment(last.since)}"
    return ServedLine(f"{text}; seen {relative(last.at, now)}{since}", late=last.result != "served")


def consumer_lines(listed: ConsumerList, record: Record, now: datetime) -> Iterator[ServedLine]:
    """Yield a line for each consumer, late ones first."""
    if not listed.known:
        yield ServedLine("no consumer has acknowledged this certificate")
    ordered = sorted(listed.known, key=lambda one: has_current(one.fingerprint_sha256, record))
    for one in ordered[:MOST]:
        current = has_current(one.fingerprint_sha256, record)
        what = f"revision {one.revision}" if one.revision else f"SHA-256 {one.fingerprint_sha256[:16]}…"
        who = f"{visible(one.host, LONGEST)} ({visible(one.consumer, LONGEST)})" if one.host else one.consumer
        when = f"loaded {relative(one.loaded_at, now)}, seen {relative(one.seen_at, now)}"
        yield ServedLine(f"{who}: {'' if current else 'still '}{what}, {when}", late=not current)
    if listed.more or len(ordered) > MOST:
        yield ServedLine(f"and {'at least ' if listed.more else ''}{len(ordered[MOST:])} more")


def has_current(fingerprint: str, record: Record) -> bool:
    """Whether this is the SHA-256 of the certificate in use."""
    return record.facts is not None and record.facts.fingerprint_sha256 == fingerprint


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}Z"
