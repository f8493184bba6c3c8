"""Severity while a destination still has an earlier certificate, which ends before the delivered one."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from evercert.contracts.issuer import OpenIssuer, PendingAnswer, Request
from evercert.contracts.record import Facts, Record
from evercert.contracts.record_schema import PREVIOUS_SCHEMA
from evercert.errors import Misconfigured, Unavailable
from evercert.scheduling.schedule import earliest_end
from evercert.timestamps import to_text
from tests.doubles.fakes import Bench, spec
from tests.unit.issuance.helpers import SELF_SIGNED

REFUSED = Misconfigured("no permission")


def destination(bench: Bench, name: str, *errors: Exception) -> None:
    bench.destinations.open(spec(to=(name,)).destinations[0], "web").errors = list(errors)


def facts(bench: Bench) -> Facts:
    found = bench.record().facts
    assert found is not None
    return found


def renew(bench: Bench) -> str:
    renewal = bench.record().renew_at
    assert renewal is not None
    bench.clock.now = renewal
    return bench.run()


def first_end(bench: Bench) -> str:
    """Return what the expiry alarm sees."""
    return next(iter(bench.table.expiring(1))).not_after


@pytest.fixture
def lagging(bench: Bench) -> Record:
    """Let `b` keep revision 1; return the record of that time."""
    bench.want(spec(to=("a", "b")))
    assert bench.run() == "certificate.issued"
    record = bench.record()
    destination(bench, "b", *[REFUSED] * 99)
    assert renew(bench) == "certificate.renewed"
    return record


def at_share(record: Record, share: float) -> datetime:
    """Return when this share of the time from the renewal of the first certificate to its end has passed."""
    assert record.facts is not None and record.renew_at is not None
    return record.renew_at + (record.facts.not_after - record.renew_at) * share


@pytest.mark.parametrize(
    ("share", "level"), [(0.59, "warning"), (0.61, "critical"), (0.99, "critical"), (1, "critical")]
)
def test_severity_follows_the_earliest_certificate_in_use(
    bench: Bench, lagging: Record, share: float, level: str
) -> None:
    assert lagging.facts is not None
    bench.clock.now = at_share(lagging, share)
    assert bench.run() == "certificate.failed"
    event = bench.announcer.announced[-1]
    assert (event.severity, event.data["not_after"]) == (level, to_text(lagging.facts.not_after))


def test_renewal_without_an_expired_destination_is_critical(bench: Bench, lagging: Record) -> None:
    assert bench.announcer.announced[-1].severity == "warning"
    assert renew(bench) == "certificate.renewed"
    assert lagging.facts is not None and bench.clock() > lagging.facts.not_after
    assert bench.announcer.announced[-1].severity == "critical"


def test_failed_renewal_counts_the_lagging_destination(bench: Bench, lagging: Record) -> None:
    bench.clock.now = at_share(lagging, 0.7)
    bench.issuers.error = Unavailable("down")
    bench.table.request("web", bench.clock())
    assert bench.run() == "certificate.failed"
    assert bench.announcer.announced[-1].severity == "critical"


class Approving:
    """Waits for an approval."""

    def issue(self, request: Request) -> PendingAnswer:
        return PendingAnswer("handle", request.now, request.now + timedelta(days=7), waits_for="an approval")


def test_wait_for_a_person_counts_the_lagging_destination(bench: Bench, lagging: Record) -> None:
    bench.clock.now = at_share(lagging, 0.7)
    bench.issuers.known["main"] = OpenIssuer(Approving(), SELF_SIGNED.identity_hash)
    bench.table.request("web", bench.clock())
    assert bench.run() == "certificate.pending"
    assert bench.announcer.announced[-1].severity == "critical"


def test_expiry_index_has_the_earliest_certificate(bench: Bench, lagging: Record) -> None:
    assert lagging.facts is not None
    assert first_end(bench) == to_text(lagging.facts.not_after)
    renew(bench)
    assert first_end(bench) == to_text(lagging.facts.not_after)
    destination(bench, "b")
    bench.clock.advance(days=1)
    assert bench.run() == "certificate.delivered"
    assert first_end(bench) == to_text(facts(bench).not_after)
    assert bench.record().not_after == facts(bench).not_after


def test_lagging_record_keeps_its_schema(bench: Bench, lagging: Record) -> None:
    """The previous release can read the record: it ignores `not_after`, which only its index used."""
    item = bench.table.items["certificate#web", "record"]
    assert lagging.facts is not None
    assert item["schema"] == {"N": str(PREVIOUS_SCHEMA)}
    assert item["not_after"] == {"S": to_text(lagging.facts.not_after)}


def test_removed_destination_counts_no_more(bench: Bench, lagging: Record) -> None:
    bench.edit(spec(to=("a",)))
    assert bench.run() == "nothing-to-do"
    assert first_end(bench) == to_text(facts(bench).not_after)
    bench.clock.now = at_share(lagging, 0.9)
    bench.issuers.error = Misconfigured("denied")
    bench.table.request("web", bench.clock())
    assert bench.run() == "certificate.failed"
    assert bench.announcer.announced[-1].severity == "warning"


def test_destination_without_a_certificate_does_not_count(bench: Bench) -> None:
    """Only the certificate of the other destination can expire."""
    bench.want(spec(to=("a", "b")))
    destination(bench, "b", *[REFUSED] * 99)
    assert bench.run() == "certificate.issued"
    bench.clock.advance(days=1)
    assert bench.run() == "certificate.failed"
    assert bench.announcer.announced[-1].severity == "warning"
    assert earliest_end(bench.record()) == facts(bench).not_after


def test_invalid_expiry_is_ignored(bench: Bench, lagging: Record) -> None:
    bench.table.items["certificate#web", "record"]["not_after"] = {"S": "soon"}
    assert bench.record().not_after is None
    bench.clock.now = at_share(lagging, 0.9)
    assert bench.run() == "certificate.failed"
    assert bench.announcer.announced[-1].severity == "warning"


def test_end_in_the_first_year_is_critical(bench: Bench, lagging: Record) -> None:
    bench.table.items["certificate#web", "record"]["not_after"] = {"S": "0001-01-01T00:00:00.000Z"}
    bench.clock.now = at_share(lagging, 0.1)
    assert bench.run() == "certificate.failed"
    assert bench.announcer.announced[-1].severity == "critical"


def test_short_certificate_does_not_hide_a_longer_one(bench: Bench, lagging: Record) -> None:
    """The newest certificate may expire first, for example after an edit."""
    bench.edit(spec(to=("a", "b"), attributes={"common-name": "www.example.com", "ttl": "2d"}))
    assert bench.run() == "certificate.renewed"
    assert bench.record().not_after == facts(bench).not_after == earliest_end(bench.record())
    assert facts(bench).not_after - bench.clock() <= timedelta(days=2)
