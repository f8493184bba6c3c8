"""What is counted: metrics by which alarms tell that something is late, silent or failing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from evercert.scheduling.checker import Tick
from evercert.timestamps import from_text

if TYPE_CHECKING:  # the checker must not load what a report is made from
    from evercert.issuance.outbox import Report

KINDS = {"rejected", "unavailable", "misconfigured", "unexpected"}
Measure = tuple[str, Literal["Count", "Seconds", "None", "Percent"], float]


def of_tick(tick: Tick, soonest_expiry: str | None, now: datetime) -> Iterator[Measure]:
    """One tick of the checker; an expiry in the past counts negative days."""
    yield "Ticks", "Count", 1
    yield "CertificatesDue", "Count", tick.sent
    yield "LeftForNextTick", "Count", tick.left
    yield "OldestDueSeconds", "Seconds", _since(tick.oldest_due, now)
    if soonest_expiry is not None:
        yield "SoonestExpiryDays", "None", -_since(soonest_expiry, now) / timedelta(days=1).total_seconds()


def _since(text: str | None, now: datetime) -> float:
    try:
        return 0.0 if text is None else (now - from_text(text)).total_seconds()
    except ValueError:
        return 0.0  # written by hand; the sweep mends it


def of_report(report: Report) -> Iterator[tuple[str, Literal["Count", "Percent"], float, dict[str, str]]]:
    """One run of the issuer, with more dimensions where an alarm wants them."""
    facts = report.facts
    if report.outcome in {"certificate.issued", "certificate.renewed"}:
        yield "CertificatesIssued", "Count", 1, {}
    if report.outcome == "certificate.expired":
        yield "CertificatesExpired", "Count", 1, {}
    kinds = {part["kind"] for part in facts.get("undelivered", ())} & KINDS
    for kind in sorted(kinds | ({facts["kind"]} if facts.get("kind") in KINDS else set())):
        yield "IssuanceFailures", "Count", 1, {"kind": kind}
    if "imports_used_percent" in facts:
        yield "AcmImportsShare", "Percent", facts["imports_used_percent"], {}
