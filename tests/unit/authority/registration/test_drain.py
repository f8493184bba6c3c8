"""Ten thousand automatic renewals that are due at once: the next expiry first, each once, across outages."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from evercert.authority.contracts.records import CertificateRecord, RequestRecord
from evercert.authority.registration.auto_renewal import MAX_RENEWALS, AutoRenewal
from evercert.errors import OutOfTime, Unavailable
from tests.doubles.authority.certificates import FakeCertificates
from tests.doubles.fakes import START, HandClock
from tests.samples.authority import kept, requested

FLEET = 10_000


class Renewer:
    """Port Renewer: renews without keys; `budget` ends the time of an invocation, `outages` fail single ones."""

    def __init__(self, certificates: FakeCertificates, budget: int) -> None:
        self.certificates, self.budget, self.left = certificates, budget, budget
        self.renewed: list[CertificateRecord] = []
        self.chance, self.outages = random.Random(18), 0.0

    def renew_unattended(self, record: CertificateRecord) -> CertificateRecord | RequestRecord:
        if self.left == 0:
            raise OutOfTime("the invocation ends")
        self.left -= 1
        if self.chance.random() < self.outages:
            raise Unavailable("the signer does not answer")
        request = self.certificates.open(requested(renews=record.id), None)
        self.renewed.append(record)
        return self.certificates.finish(request, kept(request))


class Silent:
    def failed(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def fleet() -> list[tuple[RequestRecord, CertificateRecord]]:
    """Return requests and certificates that expire in random order, all of them due."""
    ends = random.Random(18).sample(range(FLEET), FLEET)
    found = []
    for end in ends:
        request = requested()
        expiry = START + timedelta(days=1, minutes=end)
        found.append((request, kept(request, not_after=expiry, due_at=START, renew_before_days=7)))
    return found


def drained(
    fleet: list[tuple[RequestRecord, CertificateRecord]], *, budget: int, outages: float = 0
) -> tuple[Renewer, int]:
    """Run until nothing is due; return the renewer and the number of runs."""
    certificates, clock = FakeCertificates(), HandClock()
    for request, record in fleet:
        certificates.finish(certificates.open(request, None), record)
    renewer = Renewer(certificates, budget)
    renewer.outages = outages
    renewal = AutoRenewal(certificates, renewer, Silent(), clock)  # type: ignore[arg-type]
    for run in range(1, 200):
        renewer.left = budget
        list(renewal.run())
        clock.advance(minutes=5)
        if not any(one.due_at is not None for one in certificates.certificates.values() if one.renewed_by is None):
            return renewer, run
    raise AssertionError("some are still due after 200 runs")


def test_fleet_is_renewed_by_expiry(fleet: list[tuple[RequestRecord, CertificateRecord]]) -> None:
    renewer, runs = drained(fleet, budget=3_000)
    ends = [one.not_after for one in renewer.renewed]
    assert len(ends) == len({one.id for one in renewer.renewed}) == FLEET
    assert ends == sorted(ends)
    assert runs == 4  # of 3,000 each


def test_run_has_a_bound(fleet: list[tuple[RequestRecord, CertificateRecord]]) -> None:
    renewer, runs = drained(fleet, budget=FLEET)
    assert (len(renewer.renewed), runs) == (FLEET, FLEET // MAX_RENEWALS)


def test_outages_of_single_renewals_lose_none(fleet: list[tuple[RequestRecord, CertificateRecord]]) -> None:
    renewer, _ = drained(fleet[:2_000], budget=500, outages=0.1)
    assert len(renewer.renewed) == len({one.id for one in renewer.renewed}) == 2_000
