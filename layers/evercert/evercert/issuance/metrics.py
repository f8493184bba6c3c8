"""CloudWatch metrics; alarms use them to detect late, silent or failing parts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from evercert.scheduling.checker import Tick
from evercert.timestamps import from_text

if TYPE_CHECKING:  # the checker must not load the modules behind a report
    from evercert.issuance.outbox import RunReport

KINDS = {"rejected", "unavailable", "misconfigured", "unexpected"}
Measure = tuple[str, Literal["Count", "Seconds", "None", "Percent"], float]


def tick_metrics(tick: Tick, soonest_expiry: str | None, now: datetime) -> Iterator[Measure]:
    """Yield the metrics of one checker tick; days since an expiry in the past are negative."""
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
        return 0.0  # a manual edit; the sweep fixes it


def report_metrics(report: RunReport) -> Iterator[tuple[str, Literal["Count", "Percent"], float, dict[str, str]]]:
    """Yield the metrics of one issuer run, each with the extra dimensions that alarms need."""
    details = report.details
    if report.outcome in {"certificate.issued", "certificate.renewed"}:
        yield "CertificatesIssued", "Count", 1, {}
    if report.outcome == "certificate.expired":
        yield "CertificatesExpired", "Count", 1, {}
    if report.outcome == "certificate.stale" or "stale" in details:
        yield "CertificatesStale", "Count", 1, {}
    kinds = {part["kind"] for part in details.get("undelivered", ())} & KINDS
    for kind in sorted(kinds | ({details["kind"]} if details.get("kind") in KINDS else set())):
        yield "IssuanceFailures", "Count", 1, {"kind": kind}
    if "imports_used_percent" in details:
        yield "AcmImportsShare", "Percent", details["imports_used_percent"], {}
