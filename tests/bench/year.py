"""A year of 1,000 certificates of 47 and of 6 days on a simulated clock: use of limits, costs, and slack.

The processes share the scenarios; the emulator serves only the counted calls of one renewal and of one status check.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from datetime import timedelta
from multiprocessing import get_context

from tests.bench import renewals, year_costs, year_scenarios
from tests.bench.costs import PRICES
from tests.bench.figures import Figure, Part, table
from tests.bench.year_scenarios import CERTIFICATES, ORDERS, QUOTA, Exhausted, Ordinary, Slack, Year
from tests.doubles.world import World

LIFETIMES = (timedelta(days=47), timedelta(days=6))
OUTAGES = (timedelta(days=1), timedelta(days=3), timedelta(days=7))
AT_ONCE = 20  # certificates that are all due as the outage begins: more would repeat the same minutes
EVENLY = 100  # certificates that become due evenly; their counts are scaled up
REFUSALS = (1, 3)
OF_ONE_SET, OF_ONE_DOMAIN = 5, 50  # Let's Encrypt, in seven days
VERSIONS = 100  # of a secret; Secrets Manager removes older ones without a label, but none of the last day
APART = timedelta(minutes=10)  # between two versions of a secret, as AWS recommends


def measure(world: World) -> dict[str, Part]:
    """Return the part for benchmarks.md, and the table for operators."""
    renewal, check = renewals.renewal_and_check(world)
    years = lived()
    figures, slack = Part(_figures(years)), _slack(years)
    costs = year_costs.costs(years, renewal, check)
    used, quota = _use(years), _exhausted(years)
    figures.lines += [*used, "", *slack, "", *quota, "", *costs, "", f"Prices: {PRICES['source']}."]
    operators = Part([], [*used, "", *slack, "", *quota, "", *costs])
    return {"year": figures, "a-year": operators}


def lived() -> list[Year]:
    """Simulate the year of each lifetime, and its failures, in as many processes as there are processors."""
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        longest = {one: pool.submit(year_scenarios.ordinary, one) for one in sorted(LIFETIMES)}
        rest = {one: _submitted(pool, one) for one in LIFETIMES}
        return [_year(longest[one], rest[one]) for one in LIFETIMES]


def _submitted(pool: ProcessPoolExecutor, lifetime: timedelta) -> dict[str, list[Future[object]]]:
    def each(scenario: Callable[..., object], cases: Sequence[object], **named: object) -> list[Future[object]]:
        return [pool.submit(scenario, lifetime, case, **named) for case in cases]

    return {
        "exhausted": [pool.submit(year_scenarios.exhausted, lifetime)],
        "at_once": each(year_scenarios.outage, OUTAGES, at_once=True, certificates=AT_ONCE),
        "evenly": each(year_scenarios.outage, OUTAGES, at_once=False, certificates=EVENLY),
        "refused": each(year_scenarios.refused, REFUSALS),
        "suggested": [pool.submit(year_scenarios.suggested, lifetime)],
        "checks": [pool.submit(year_scenarios.checks_in_a_year, lifetime)],
    }


def _year(ordinary: Future[Ordinary], rest: dict[str, list[Future[object]]]) -> Year:
    found = {name: [one.result() for one in several] for name, several in rest.items()}
    alone = {name: found[name][0] for name in ("exhausted", "suggested", "checks")}
    return Year(ordinary.result(), **{**found, **alone})  # type: ignore[arg-type]


def _figures(years: Sequence[Year]) -> list[Figure]:
    """Return the targets of a year in which nothing fails for longer than a day."""
    ordinary = [year.ordinary for year in years]
    expired = [year.evenly[0].expired + sum(one.expired for one in year.refused) for year in years]
    orders = [one.in_three_hours for one in ordinary]
    return [
        Figure(
            "certificates that expire: first attempts refused, or a CA that is down for a day (47 days, 6 days)",
            _each(expired), "0, 0", not any(expired),
        ),
        Figure(
            "orders of renewals in any three hours, without renewal information",
            _each(orders), f"≤ {ORDERS}, Let's Encrypt's limit", max(orders) <= ORDERS,
        ),
        Figure(
            "certificates with the same names in any seven days",
            _each([one.of_one_set for one in ordinary]), f"≤ {OF_ONE_SET}, Let's Encrypt's limit",
            max(one.of_one_set for one in ordinary) <= OF_ONE_SET,
        ),
        Figure(
            "versions of a secret in any day",
            _each([one.versions_in_a_day for one in ordinary]), f"≤ {VERSIONS}, the most that AWS stores",
            max(one.versions_in_a_day for one in ordinary) <= VERSIONS,
        ),
        Figure(
            "secrets that expire in a year in which ACM refuses imports over its quota",
            _each([year.exhausted.secrets_expired for year in years]), "0, 0",
            not any(year.exhausted.secrets_expired for year in years),
        ),
    ]  # fmt: skip


def _use(years: Sequence[Year]) -> list[str]:
    """Return the use of each limit in a year in which nothing fails."""
    ordinary = [year.ordinary for year in years]
    several = [year.suggested for year in years]
    rows: list[tuple[str, Callable[[int], str], str]] = [
        ("renewals", lambda n: f"{ordinary[n].renewals:,}", ""),
        ("most renewals in a tick of five minutes", lambda n: f"{ordinary[n].in_a_tick:,}", ""),
        ("imports into ACM", lambda n: f"{ordinary[n].imports:,}", f"{QUOTA:,} in 365 days"),
        ("certificates for which ACM's quota lasts", lambda n: f"{_that_fit(ordinary[n]):,}", ""),
        (
            "Let's Encrypt: most orders of renewals in three hours",
            lambda n: f"{ordinary[n].in_three_hours:,}",
            f"{ORDERS} for each account",
        ),
        (
            "the same, if the CA suggests the time (renewal information)",
            lambda n: f"{several[n].in_three_hours:,}",
            "none: exempt",
        ),
        (
            "Let's Encrypt: certificates with the same names in seven days",
            lambda n: f"{ordinary[n].of_one_set}",
            f"{OF_ONE_SET}; none with renewal information",
        ),
        (
            "Let's Encrypt: certificates in seven days, if all are under one registered domain",
            lambda n: f"{ordinary[n].of_one_domain:,}",
            f"{OF_ONE_DOMAIN} for new names; renewals are exempt",
        ),
        ("from the first to the last certificate of the start", lambda n: _span(ordinary[n].started_in), ""),
        ("versions of a secret: in the year", lambda n: f"{ordinary[n].versions}", "none: AWS removes old ones"),
        ("versions of a secret: most in a day", lambda n: f"{ordinary[n].versions_in_a_day}", f"{VERSIONS}"),
        (
            "versions of a secret: shortest time between two",
            lambda n: _span(ordinary[n].versions_apart),
            f"{APART.seconds // 60} minutes, sustained",
        ),
        (
            "new versions of secrets: most in a second",
            lambda n: f"{ordinary[n].puts_in_a_second}",
            "50 (PutSecretValue)",
        ),
        ("status checks", lambda n: f"{CERTIFICATES * years[n].checks:,.0f}", ""),
    ]
    head = (f"a year of {CERTIFICATES:,} certificates", "47 days", "6 days", "limit")
    return table(head, [(name, value(0), value(1), limit) for name, value, limit in rows])


def _that_fit(year: Ordinary) -> int:
    return QUOTA * CERTIFICATES // year.imports


def _slack(years: Sequence[Year]) -> list[str]:
    """Return how much validity remains after each failure, and how many certificates expire."""
    rows: list[tuple[object, ...]] = [
        ("nothing", *(cell for year in years for cell in (_span(year.ordinary.left), 0))),
        *(
            (f"the CA refuses the first {'attempt' if times == 1 else f'{times} attempts'} of each renewal",
             *(cell for year in years for cell in (_span(year.refused[number].left), f"{year.refused[number].expired:,}")))
            for number, times in enumerate(REFUSALS)
        ),
        *(
            (f"the CA is down for {lasts.days} day{'s' * (lasts.days > 1)}",
             *(cell for year in years for cell in (_span(year.at_once[number].left), f"{year.evenly[number].expired:,}")))
            for number, lasts in enumerate(OUTAGES)
        ),
    ]  # fmt: skip
    head = ("what fails", "47 days: least validity left", "expire", "6 days: least validity left", "expire")
    after = [
        (f"{lasts.days} day{'s' * (lasts.days > 1)}",
         *(cell for year in years for cell in _after(year.evenly[number])))
        for number, lasts in enumerate(OUTAGES)
    ]  # fmt: skip
    more = ("the CA is down for", *(f"{days} days: {what}" for days in (47, 6) for what in _AFTER))
    return [*table(head, rows), "", *table(more, after)]


_AFTER = ("failures announced", "runs postponed", "last delayed renewal after the end")


def _after(slack: Slack) -> tuple[str, str, str]:
    return f"{slack.attempts:,}", f"{slack.postponed:,}", _span(slack.renewed_in)


def _exhausted(years: Sequence[Year]) -> list[str]:
    """Return what happens as ACM's quota is used up."""
    found = [year.exhausted for year in years]
    rows: list[tuple[str, Callable[[Exhausted], str]]] = [
        ("alarm at 80 % of the quota, after", lambda one: _span(one.alarm)),
        ("the first import is refused, after", lambda one: _span(one.refused)),
        ("the first certificate in ACM expires, after", lambda one: _span(one.expired_from)),
        ("certificates in ACM that are expired at the end of the year", lambda one: f"{one.expired:,}"),
        ("secrets that expire", lambda one: f"{one.secrets_expired:,}"),
        ("secrets: least validity left at a replacement", lambda one: _span(one.secret_left)),
        ("refused imports", lambda one: f"{one.attempts:,}"),
        ("events `certificate.failed`", lambda one: f"{one.announced:,}"),
        ("imports that evercert counts", lambda one: f"{one.counted:,}"),
    ]
    head = (f"ACM refuses imports over {QUOTA:,}", "47 days", "6 days")
    return table(head, [(name, *map(value, found)) for name, value in rows])


def _each(values: Sequence[int]) -> str:
    return ", ".join(f"{value:,}" for value in values)


def _span(span: timedelta | None) -> str:
    """Return a time in days and hours, or hours and minutes; "expired" since its end if it is negative."""
    if span is None:
        return "never"
    if span < timedelta(0):
        return f"expired {_span(-span)} before"
    minutes = math.floor(span.total_seconds() / 60)
    if minutes >= 2 * 24 * 60:
        return f"{minutes // 1_440} d {minutes % 1_440 // 60} h"
    return f"{minutes // 60} h {minutes % 60} min"
