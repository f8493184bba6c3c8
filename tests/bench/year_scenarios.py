"""Scenarios of a year: nothing fails, the CA suggests, refuses or does not answer, the quota of ACM is used up.

Each scenario is a function of plain values that returns plain values, so that processes can share the work.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from evercert.contracts.order_buckets import OrderLimit
from evercert.scheduling.schedule import SHORT_LIFETIME, renew_at
from tests.bench.year_doubles import DAY, SuggestingCA, YearCA, dates_for_chains
from tests.bench.year_fleet import NO_CHECKS, TICK, Fleet, uid_of
from tests.bench.year_places import YEAR
from tests.doubles.fakes import START

CERTIFICATES = 1_000
QUOTA = 5_000  # imports of ACM in 365 days
QUOTA_SCALE = 20  # the year over the quota is simulated with a twentieth of certificates and quota
CHECKED = 20  # certificates with daily status checks
ORDERS, ORDERS_IN = 300, timedelta(hours=3)  # Let's Encrypt: new orders of an account
LIMIT = OrderLimit(ORDERS - 1, ORDERS_IN / ORDERS)  # as evercert waits for it
WEEK = 7 * DAY


@dataclass(frozen=True)
class Ordinary:
    """A year in which nothing fails; all certificates are applied at once."""

    renewals: int
    imports: int
    runs: int
    started_in: timedelta  # from the first certificate to the last one
    in_a_tick: int  # renewals within five minutes
    in_three_hours: int  # orders of renewals
    of_one_set: int  # certificates with the same names in seven days
    of_one_domain: int  # certificates in seven days
    token_waits: int
    versions: int  # of one secret in the year
    versions_in_a_day: int
    versions_apart: timedelta  # the shortest time between two of one secret
    puts_in_a_second: int
    left: timedelta  # the least validity at a replacement


@dataclass(frozen=True)
class Slack:
    """Slack after something failed: the least validity that remained, and the certificates that expired."""

    left: timedelta
    expired: int
    attempts: int  # failed attempts that were announced
    postponed: int  # runs without a call, while the CA was known to be down
    renewed_in: timedelta = timedelta(0)  # from the end of the outage to the last renewal that it delayed


@dataclass(frozen=True)
class Exhausted:
    """A year in which ACM refuses imports over its quota; times since the start, counts for CERTIFICATES."""

    alarm: timedelta | None
    refused: timedelta | None
    expired_from: timedelta | None  # the first certificate in ACM
    expired: int  # of the certificates in ACM, at the end
    secret_left: timedelta
    secrets_expired: int
    attempts: int  # refused imports
    announced: int  # failures
    counted: int  # what evercert counted as imports


@dataclass(frozen=True)
class Year:
    """Everything that the scenarios found for one lifetime."""

    ordinary: Ordinary
    suggested: Ordinary
    checks: float  # status checks of a certificate
    refused: Sequence[Slack]
    at_once: Sequence[Slack]
    evenly: Sequence[Slack]
    exhausted: Exhausted


def ordinary(lifetime: timedelta, certificates: int = CERTIFICATES, lasts: timedelta = YEAR) -> Ordinary:
    """Let nothing fail for a year."""
    return _ordinary(_lived(YearCA(lifetime, limit=LIMIT), [timedelta(0)] * certificates, lasts))


def suggested(lifetime: timedelta, certificates: int = CERTIFICATES) -> Ordinary:
    """Let the CA suggest the first renewal: all certificates have the same window."""
    start = [timedelta(0)] * certificates
    return _ordinary(_lived(SuggestingCA(lifetime, limit=LIMIT), start, 1.1 * usual_period(lifetime), interval="1d"))


def checks_in_a_year(lifetime: timedelta) -> float:
    """Return the status checks of a certificate, at the usual interval of a day."""
    fleet = _lived(YearCA(lifetime), [timedelta(0)] * CHECKED, YEAR, interval="1d")
    return fleet.runs["checked"] / CHECKED


def refused(lifetime: timedelta, times: int, certificates: int = CERTIFICATES // 5) -> Slack:
    """Let the CA refuse the first attempts of each renewal."""
    period = usual_period(lifetime)
    fleet = _lived(YearCA(lifetime, refusals=times), evenly(certificates, period), 2.5 * period)
    return _slack(fleet, CERTIFICATES // certificates)


def outage(lifetime: timedelta, lasts: timedelta, *, at_once: bool, certificates: int = CERTIFICATES) -> Slack:
    """Let the CA be down: as all certificates become due, or while they become due evenly, as after some years."""
    period = usual_period(lifetime)
    if at_once:
        own = [own_period(number, lifetime) for number in range(certificates)]
        begins = max(own)
        delays = [begins - one for one in own]
    else:
        begins, delays = 2.2 * period, evenly(certificates, period)
    ends = begins + lasts
    ca = YearCA(lifetime, limit=LIMIT, outages=((START + begins, START + ends),))
    return _slack(_lived(ca, delays, ends + 0.9 * period), CERTIFICATES // certificates, ends=START + ends)


def exhausted(
    lifetime: timedelta, certificates: int = CERTIFICATES // QUOTA_SCALE, lasts: timedelta = YEAR
) -> Exhausted:
    """Let ACM refuse imports over the quota; certificates and quota are scaled down alike, and counts up again."""
    scale = CERTIFICATES // certificates
    with dates_for_chains():
        fleet = Fleet(YearCA(lifetime, limit=LIMIT), quota=QUOTA // scale, enforced=True)
        fleet.apply([timedelta(0)] * certificates)
        fleet.live(START + lasts)

    def since(event: str) -> timedelta | None:
        return fleet.first[event] - START if event in fleet.first else None

    ends = min(fleet.acm.holds.values())
    return Exhausted(
        alarm=since("quota"),
        refused=fleet.acm.refused_from and fleet.acm.refused_from - START,
        expired_from=ends - START if ends <= fleet.clock() else None,
        expired=scale * sum(end <= fleet.clock() for end in fleet.acm.holds.values()),
        secret_left=fleet.secret.least,
        secrets_expired=scale * len(fleet.secret.expired),
        attempts=scale * fleet.acm.refused,
        announced=scale * fleet.events["certificate.failed"],
        counted=scale * sum(fleet.slots.months.values()),
    )


def usual_period(lifetime: timedelta) -> timedelta:
    """Return the time between two renewals, without jitter."""
    return lifetime * (1 / 2 if lifetime < SHORT_LIFETIME else 2 / 3)


def own_period(number: int, lifetime: timedelta) -> timedelta:
    """Return the time between two renewals of one certificate of a fleet."""
    return renew_at(START, START + lifetime, None, uid_of(number))[0] - START


def evenly(certificates: int, over: timedelta) -> list[timedelta]:
    return [over * number / certificates for number in range(certificates)]


def most_within(times: Sequence[datetime], span: timedelta) -> int:
    """Return the largest number of times within any span of this length, its end excluded."""
    ordered, first, most = sorted(times), 0, 0
    for number, time in enumerate(ordered):
        while time - ordered[first] >= span:
            first += 1
        most = max(most, number - first + 1)
    return most


def _lived(ca: YearCA, delays: Sequence[timedelta], lasts: timedelta, interval: str = NO_CHECKS) -> Fleet:
    with dates_for_chains():
        fleet = Fleet(ca, interval=interval)
        fleet.apply(delays)
        fleet.live(START + lasts)
    return fleet


def _ordinary(fleet: Fleet) -> Ordinary:
    first = [at for at, _, revision in fleet.ca.issued if revision == 1]
    renewals = [at for at, _, revision in fleet.ca.issued if revision > 1]
    sets = _by_name((at, name) for at, name, _ in fleet.ca.issued)
    puts = _by_name(fleet.secret.writes)
    return Ordinary(
        renewals=len(renewals),
        imports=len(fleet.acm.writes),
        runs=fleet.runs.total(),
        started_in=max(first) - min(first),
        in_a_tick=most_within(renewals, TICK),
        in_three_hours=most_within(renewals, ORDERS_IN),
        of_one_set=max(most_within(times, WEEK) for times in sets),
        of_one_domain=most_within(renewals, WEEK),
        token_waits=fleet.ca.waits,
        versions=max(map(len, puts)),
        versions_in_a_day=max(most_within(times, DAY) for times in puts),
        versions_apart=min(later - sooner for times in puts for sooner, later in pairwise(times)),
        puts_in_a_second=most_within([at for at, _ in fleet.secret.writes], timedelta(seconds=1)),
        left=min(fleet.secret.least, fleet.acm.least),
    )


def _slack(fleet: Fleet, scale: int, ends: datetime = START) -> Slack:
    """Return what remained, its counts scaled up to CERTIFICATES.

    A renewal was delayed if the first attempt at it came before the end of the outage.
    """
    delayed = [at for at, name, revision in fleet.ca.issued if at >= ends and fleet.ca.asked[name, revision] < ends]
    return Slack(
        left=min(fleet.secret.least, fleet.acm.least),
        expired=scale * len(fleet.secret.expired | fleet.acm.expired),
        attempts=scale * fleet.events["certificate.failed"],
        postponed=scale * fleet.runs["put-off"],
        renewed_in=max(delayed, default=ends) - ends,
    )


def _by_name(times: Iterable[tuple[datetime, str]]) -> list[list[datetime]]:
    found = defaultdict(list)
    for at, name in times:
        found[name].append(at)
    return list(found.values())
