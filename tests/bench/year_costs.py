"""Calls and costs of a simulated year: those of one renewal and of one status check, times their numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tests.bench.costs import MESSAGES, PRICES, idle_day, of_run, units
from tests.bench.figures import table
from tests.bench.renewals import Renewal
from tests.bench.year_fleet import SHORT_RUN
from tests.bench.year_scenarios import CERTIFICATES, Year


def costs(years: Sequence[Year], renewal: Renewal, check: Renewal) -> list[str]:
    """Return calls and costs of the year: counted ones of a renewal and of a check, times their numbers."""
    calls, checked = (Counter(call.service for call in one.calls) for one in (renewal, check))
    reads, writes = units(renewal)
    check_reads, check_writes = units(check)
    rows: list[tuple[str, ...]] = []
    for name, each, every in (
        ("DynamoDB write units", writes, check_writes),
        ("DynamoDB read units", reads, check_reads),
        ("Secrets Manager calls", calls["secretsmanager"], checked["secretsmanager"]),
        ("ACM calls", calls["acm"], checked["acm"]),
        ("KMS requests", calls["kms"], checked["kms"]),
        ("SNS events", calls["sns"], checked["sns"]),
        ("SQS requests", MESSAGES + calls["sqs"], MESSAGES + checked["sqs"]),
        ("Lambda: runs of the issuer", 1, 1),
    ):
        rows.append((name, *(f"{_times(year, each, every):,.0f}" for year in years)))
    of_renewal, of_check = (sum(of_run(*one).values()) for one in ((renewal,), (check, SHORT_RUN.total_seconds())))
    for name, cost in (
        ("cost of renewals", lambda year: year.ordinary.renewals * of_renewal),
        ("cost of status checks", lambda year: CERTIFICATES * year.checks * of_check),
        (f"cost of {CERTIFICATES:,} secrets", lambda _: 12 * CERTIFICATES * PRICES["secret_month"]),
        ("cost of the stack at rest", lambda _: 365 * sum(idle_day().values())),
    ):
        rows.append((name, *(f"${cost(year):,.2f}" for year in years)))
    return table(("calls and costs of the year", "47 days", "6 days"), rows)


def _times(year: Year, each: float, every: float) -> float:
    return year.ordinary.renewals * each + CERTIFICATES * year.checks * every
