"""Calculations and doubles behind the simulated year of docs/maintainers/benchmarks.md."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from evercert.contracts.issuer import Request
from evercert.contracts.order_buckets import OrderLimit
from evercert.errors import Misconfigured
from evercert.pki.certificate import Chain
from evercert.pki.keys import PrivateKey
from evercert.scheduling.schedule import renew_at
from tests.bench import year, year_costs
from tests.bench.bare import Call
from tests.bench.renewals import Renewal
from tests.bench.year_doubles import DAY, Dates, YearCA, dates_for_chains
from tests.bench.year_fleet import Fleet, uid_of
from tests.bench.year_places import YEAR, Place, YearACM, YearSlots
from tests.bench.year_scenarios import (
    Exhausted,
    Ordinary,
    Slack,
    Year,
    evenly,
    exhausted,
    most_within,
    ordinary,
    outage,
    own_period,
    refused,
    suggested,
    usual_period,
)
from tests.doubles.fakes import START, HandClock

LONG, SHORT = timedelta(days=47), timedelta(days=6)
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)


class SigningCA(YearCA):
    """Signs the CSR that evercert made, with a key of its own."""

    key = PrivateKey.generate("EC_prime256v1")

    def _sign(self, request: Request) -> Any:
        csr = x509.load_pem_x509_csr((request.csr or "").encode())
        begins = request.now.replace(microsecond=0)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "CA of a year")])
        builder = (
            x509.CertificateBuilder()
            .subject_name(csr.subject)
            .issuer_name(name)
            .public_key(csr.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(begins + self.lifetime)
        )
        for extension in csr.extensions:
            builder = builder.add_extension(extension.value, extension.critical)
        assert isinstance(csr.public_key(), ec.EllipticCurvePublicKey)
        return Chain((self.key.sign_certificate(builder),))


def _writes(ca: YearCA, *, signed: bool, lasts: timedelta, **more: Any) -> Any:
    fleet = Fleet(ca, signed=signed, **more)
    fleet.apply(evenly(3, 2 * DAY))
    fleet.live(START + lasts)
    return fleet.secret.writes, fleet.acm.writes, fleet.events, fleet.secret.least


@pytest.mark.parametrize("case", ["ordinary", "outage", "quota"])
def test_fleet_of_dates_renews_like_certificates(case: str) -> None:
    down = ((START + 5 * DAY, START + 8 * DAY),) if case == "outage" else ()
    more: dict[str, Any] = {"quota": 4, "enforced": True} if case == "quota" else {}
    real = _writes(SigningCA(SHORT, outages=down), signed=True, lasts=12 * DAY, **more)
    with dates_for_chains():
        simulated = _writes(YearCA(SHORT, outages=down), signed=False, lasts=12 * DAY, **more)
    assert simulated == real
    assert len(real[0]) >= 9


def test_fleet_renews_at_the_time_of_the_schedule() -> None:
    with dates_for_chains():
        fleet = Fleet(YearCA(LONG))
        fleet.apply([timedelta(0)] * 20)
        fleet.live(START + LONG)
    first = {name: at for at, name, revision in fleet.ca.issued if revision == 1}
    for at, name, revision in fleet.ca.issued:
        if revision == 2:
            begins = first[name].replace(microsecond=0)
            wanted, _ = renew_at(begins, begins + LONG, None, uid_of(int(name[1:])))
            assert timedelta(0) <= at - wanted < timedelta(minutes=5, seconds=30), name
    assert sum(revision == 2 for _, _, revision in fleet.ca.issued) == 20


def test_status_checks_change_no_renewal() -> None:
    with dates_for_chains():
        seen = []
        for interval in ("90d", "1d"):
            fleet = Fleet(YearCA(LONG), interval=interval)
            fleet.apply(evenly(3, DAY))
            fleet.live(START + 70 * DAY)
            seen.append(
                [(name, revision, at.replace(second=0, microsecond=0)) for at, name, revision in fleet.ca.issued]
            )
            checks = fleet.runs["checked"]
    assert seen[0] == seen[1]
    assert checks > 170


def test_dates_survive_storage() -> None:
    dates = Dates((), (), START, START + DAY, 77)
    assert Dates.from_pem(dates.pem) == dates
    assert (dates.begins, dates.ends, dates.serial_number) == (START, START + DAY, "4d")
    with dates_for_chains():
        assert Chain.from_pem(dates.pem) == dates
    with pytest.raises(ValueError, match="no PEM"):
        Chain.from_pem(dates.pem)


def test_ca_postpones_orders_over_its_limit() -> None:
    limit = OrderLimit(10, 36 * SECOND)
    with dates_for_chains():
        fleet = Fleet(YearCA(LONG, limit=limit))
        fleet.apply([timedelta(0)] * 20)
        fleet.live(START + HOUR)
    issued = [at for at, _, _ in fleet.ca.issued]
    assert (len(issued), fleet.ca.waits >= 10, fleet.events["certificate.failed"]) == (20, True, 0)
    assert 6 * MINUTE <= max(issued) - START < 11 * MINUTE  # the last token, and the tick after it


def test_acm_counts_the_imports_of_365_days() -> None:
    clock = HandClock()
    acm = YearACM("acm", clock, quota=2, enforced=True)
    chain = Dates((), (), START, START + DAY, 1)
    for _ in range(2):
        acm.write("web", chain)
        clock.advance(days=1)
    with pytest.raises(Misconfigured, match="quota"):
        acm.write("web", chain)
    clock.now = START + YEAR
    acm.write("web", chain)
    with pytest.raises(Misconfigured, match="quota"):
        acm.write("web", chain)
    assert (acm.refused, len(acm.writes)) == (2, 3)


def test_place_finds_the_least_validity_and_what_expired() -> None:
    clock = HandClock()
    place = Place("secrets", clock)
    for name in ("web", "api"):
        place.write(name, Dates((), (), START, START + 6 * HOUR, 1))
    clock.advance(hours=2)
    place.write("web", Dates((), (), START, START + 9 * HOUR, 2))
    assert (place.least, place.expired) == (4 * HOUR, set())
    clock.advance(hours=5)
    place.end()
    assert (place.least, place.expired) == (-HOUR, {"api"})


def test_slots_are_a_second_apart_and_counted_by_month() -> None:
    slots = YearSlots()
    taken = [slots.take("acm", START) for _ in range(3)]
    assert [(slot.at - START, slot.used) for slot in taken] == [(n * SECOND, n + 1) for n in range(3)]
    slots.give_back("acm", taken[2].at)
    assert slots.take("acm", START + YEAR - DAY).used == 3
    assert slots.take("acm", START + YEAR + 31 * DAY).used == 2


def test_most_within_counts_the_fullest_span() -> None:
    times = [START + minutes * MINUTE for minutes in (0, 4, 5, 9, 20)]
    assert [most_within(times, span * MINUTE) for span in (1, 5, 6, 60)] == [1, 2, 3, 5]
    assert most_within([], HOUR) == 0


def test_ordinary_year_of_a_small_fleet() -> None:
    found = ordinary(SHORT, certificates=10, lasts=30 * DAY)
    assert 85 <= found.renewals <= 105
    assert found.imports == found.renewals + 10
    assert found.of_one_set == 3
    assert found.versions_in_a_day == 1
    assert SHORT / 2 - 0.05 * SHORT - 10 * MINUTE <= found.left <= SHORT / 2


def test_suggested_renewals_come_together() -> None:
    found = suggested(SHORT, certificates=20)
    assert found.in_three_hours >= 19  # the window is 2 % of the lifetime: less than three hours
    assert ordinary(SHORT, certificates=20, lasts=4 * DAY).in_three_hours < 15
    assert found.left > SHORT / 2 - 3 * HOUR


def test_refused_attempts_delay_by_the_back_off() -> None:
    once, thrice = (refused(SHORT, times, certificates=10) for times in (1, 3))
    assert once.attempts >= 1_000
    assert thrice.attempts == 3 * once.attempts
    assert timedelta(0) < once.left - thrice.left < 3 * HOUR


def test_outage_at_the_worst_moment_leaves_less() -> None:
    worst = outage(LONG, DAY, at_once=True, certificates=5)
    evenly_due = outage(LONG, DAY, at_once=False, certificates=5)
    shortest = LONG - max(own_period(number, LONG) for number in range(5))
    assert shortest - DAY - 13 * HOUR < worst.left <= shortest - DAY  # the last pause has up to twelve hours
    assert worst.left < evenly_due.left
    assert (worst.expired, evenly_due.expired) == (0, 0)


def test_outage_longer_than_the_margin_expires_certificates() -> None:
    found = outage(SHORT, 4 * DAY, at_once=True, certificates=4)
    assert found.expired == 1_000
    assert -2 * DAY < found.left < timedelta(0)
    assert found.postponed > 0


def test_exhausted_quota_expires_imports_and_no_secret() -> None:
    found = exhausted(SHORT, certificates=2, lasts=25 * DAY)
    assert found.alarm is not None
    assert found.refused is not None
    assert found.expired_from is not None
    assert found.alarm < found.refused < found.expired_from
    assert (found.expired, found.secrets_expired) == (1_000, 0)
    assert found.counted == 5_000
    assert found.announced == 1_000  # as it becomes critical; before, the renewals name it
    assert found.attempts > 10 * found.announced
    assert found.secret_left > usual_period(SHORT) - 0.06 * SHORT


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (None, "never"),
        (timedelta(minutes=65, seconds=59), "1 h 5 min"),
        (timedelta(days=2, hours=3, minutes=59), "2 d 3 h"),
        (-timedelta(hours=5), "expired 5 h 0 min before"),
    ],
)
def test_span_is_readable(span: timedelta | None, text: str) -> None:
    assert year._span(span) == text


def _year() -> Year:
    hours = [timedelta(hours=number) for number in range(1, 9)]
    found = Ordinary(11_700, 12_000, 24_000, hours[0], 9, 80, 3, 250, 0, 12, 1, hours[1], 4, hours[2])
    lost = Slack(-hours[3], 7, 21, 34, hours[4])
    return Year(
        ordinary=found,
        suggested=found,
        checks=360.0,
        refused=[lost] * len(year.REFUSALS),
        at_once=[lost] * len(year.OUTAGES),
        evenly=[lost] * len(year.OUTAGES),
        exhausted=Exhausted(hours[5], hours[6], None, 1_000, hours[7], 0, 44, 45, 46),
    )


def test_year_tables_name_every_case() -> None:
    years = [_year(), _year()]
    assert "| imports into ACM | 12,000 | 12,000 | 5,000 in 365 days |" in year._use(years)
    assert "| certificates for which ACM's quota lasts | 416 | 416 |  |" in year._use(years)
    assert "| the CA is down for 3 days | expired 4 h 0 min before | 7 | expired 4 h 0 min before | 7 |" in year._slack(
        years
    )
    assert "| 1 day | 21 | 34 | 5 h 0 min | 21 | 34 | 5 h 0 min |" in year._slack(years)
    assert "| the first certificate in ACM expires, after | never | never |" in year._exhausted(years)
    assert [one.met for one in year._figures(years)] == [False, True, True, True, True]


def test_year_costs_multiply_counted_calls() -> None:
    renewal = Renewal([Call("secretsmanager", "PutSecretValue", {}), Call("kms", "Encrypt", {})], [_item()])
    check = Renewal([Call("secretsmanager", "DescribeSecret", {})], [_item()])
    lines = year_costs.costs([_year(), _year()], renewal, check)
    assert "| Secrets Manager calls | 371,700 | 371,700 |" in lines
    assert "| KMS requests | 11,700 | 11,700 |" in lines
    assert "| Lambda: runs of the issuer | 371,700 | 371,700 |" in lines
    assert "| cost of 1,000 secrets | $4,800.00 | $4,800.00 |" in lines


def _item() -> dict[str, Any]:
    return {"pk": {"S": "certificate#web"}, "sk": {"S": "record"}}
