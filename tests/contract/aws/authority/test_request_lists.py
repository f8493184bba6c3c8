"""Lists of requests: keys from the index, and only the requested items; table and double."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from evercert.timestamps import to_text
from tests.doubles.authority.certificates import FakeCertificates
from tests.doubles.authority.stored import stored_certificates
from tests.doubles.fakes import START
from tests.doubles.read_meter import ReadMeter
from tests.doubles.world import World
from tests.samples.authority import CA, PROFILE, requested


@pytest.fixture(params=["fake", "table"])
def certificates(request: pytest.FixtureRequest):
    if request.param == "fake":
        return FakeCertificates()
    world: World = request.getfixturevalue("world")
    return stored_certificates(world)


def test_requests_of_a_profile_are_listed_newest_first(certificates) -> None:
    opened = []
    for number in range(7):
        moment = START + timedelta(seconds=number)
        opened.append(certificates.open(requested(created_at=moment, profile=PROFILE if number % 2 else CA), None))
    found = certificates.requests_of(PROFILE, 2)
    assert [(one.id, one.created_at) for one in found] == [
        (opened[n].id, to_text(opened[n].created_at)) for n in (5, 3)
    ]
    assert len(certificates.requests_of(PROFILE, 100)) == 3
    assert list(certificates.requests_of("nothing", 5)) == []


def test_requests_are_listed_by_period(certificates) -> None:
    opened = [certificates.open(requested(created_at=START + timedelta(seconds=n)), None).id for n in range(5)]

    def listed(since: datetime | None, until: datetime | None) -> list[str]:
        return [one.id for one in certificates.requests_of(PROFILE, 10, since, until)]

    assert listed(START + timedelta(seconds=1), START + timedelta(seconds=3)) == opened[3:0:-1]
    assert listed(START + timedelta(seconds=4), None) == opened[4:]
    assert listed(None, START) == opened[:1]
    assert listed(START, START - timedelta(days=1)) == []
    far = timezone(timedelta(hours=14))
    assert (
        listed(datetime.min.replace(tzinfo=far), datetime.max.replace(tzinfo=timezone(timedelta(hours=-14))))
        == opened[::-1]
    )


def test_requests_are_read_by_id(certificates) -> None:
    """In more than one batch, in the order of the ids, without those that are missing."""
    opened = [certificates.open(requested(created_at=START + timedelta(seconds=n)), None) for n in range(130)]
    ids = [one.id for one in opened]
    assert len(certificates.requests_of(PROFILE, 125)) == 125
    assert certificates.requests_by_id([*ids[::-1], "nothing"]) == opened[::-1]
    assert list(certificates.requests_by_id([])) == []


def test_list_of_requests_reads_keys_only(world: World) -> None:
    table = world.authority_table("AuthorityTable")
    certificates = stored_certificates(world, table)
    for number in range(40):
        certificates.open(requested(created_at=START + timedelta(seconds=number)), None)
    with ReadMeter(world.operator.dynamodb) as meter:
        found = certificates.requests_of(PROFILE, 30)
        assert (len(found), meter.calls, meter.units <= 1) == (30, {"Query": 1}, True)
        certificates.requests_by_id([one.id for one in found[:5]])
    assert meter.calls == {"Query": 1, "BatchGetItem": 1}
    assert meter.units <= 1 + 5 * 2
