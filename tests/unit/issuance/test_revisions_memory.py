"""Kept revisions in the memory of a run: when they are read together with the issuer, and when on their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from evercert.contracts.revisions import KeptRevisions, RevisionStore, RollbackRequest
from evercert.errors import Unavailable
from tests.doubles.fakes import Bench, spec
from tests.doubles.scripted_ca import ScriptedCA
from tests.unit.issuance.test_run_memory import BesideReader, renew, shelves


@dataclass
class CountedRevisions:
    """Kept revisions that count their reads."""

    stored: RevisionStore
    reads: int = 0

    def read(self, name: str, uid: str) -> KeptRevisions:
        self.reads += 1
        return self.stored.read(name, uid)


def reading(
    bench: Bench, *, answers: bool = True, keep: int = 2, **lifecycle: str
) -> tuple[BesideReader, CountedRevisions]:
    """Make issuers that read the kept revisions too, and count those that are read on their own."""
    issuers = BesideReader(known=bench.issuers.known, revisions=bench.revisions, answers=answers)
    counted = CountedRevisions(bench.revisions)
    object.__setattr__(bench.ports, "issuers", issuers)
    object.__setattr__(bench.ports, "revisions", counted)
    shelves(bench)
    bench.want(spec(to=("here",), lifecycle={"keep-revisions": keep, **lifecycle}))
    return issuers, counted


def kept_by(bench: Bench) -> list[int]:
    return [kept.revision for kept in bench.revisions.read("web", bench.record().uid).revisions]


@pytest.mark.parametrize(("answers", "reads"), [(True, 0), (False, 3)])
def test_kept_revisions_are_read_with_the_issuer(bench: Bench, answers: bool, reads: int) -> None:
    _, counted = reading(bench, answers=answers)
    assert [bench.run(), renew(bench), renew(bench)] == ["certificate.issued", *["certificate.renewed"] * 2]
    assert (kept_by(bench), counted.reads) == ([3, 2], reads)  # revision 1 has expired


def test_resumed_run_reads_kept_revisions_again(bench: Bench) -> None:
    issuers, counted = reading(bench)
    bench.run()
    shelf: Any = bench.destinations.known["here"]

    def fail() -> None:
        shelf.while_delivering = lambda: None
        raise Unavailable("busy")

    shelf.while_delivering = fail
    assert renew(bench) == "certificate.failed"
    bench.clock.now = bench.record().retry_at or bench.clock.now
    assert bench.run() == "certificate.renewed"
    uid = bench.record().uid
    assert [needs.revisions_of for needs in issuers.asked] == [("web", uid)] * 3
    assert (kept_by(bench), counted.reads) == ([2, 1], 0)


@pytest.mark.parametrize(("keep", "renewed"), [(0, {}), (2, {}), (2, {"renew-before-expiry": "never"})])
def test_kept_revisions_are_read_only_if_needed(bench: Bench, keep: int, renewed: dict[str, str]) -> None:
    issuers, counted = reading(bench, keep=keep, **renewed)
    bench.run()
    bench.clock.advance(hours=30)  # a status check
    bench.run()
    assert [needs.revisions_of is None for needs in issuers.asked] == [keep == 0, True]
    assert counted.reads == 0


def test_rollback_reads_kept_revisions_once(bench: Bench) -> None:
    issuers, counted = reading(bench)
    bench.run()
    renew(bench)
    bench.table.request_rollback(bench.record(), RollbackRequest(to=1, requested_at=bench.clock()))
    assert bench.run() == "certificate.rolled-back"
    assert issuers.asked[-1].revisions_of == ("web", bench.record().uid)
    assert ([one.origin for one in bench.revisions.read("web", bench.record().uid).revisions], counted.reads) == (
        [1, 2],
        0,
    )


def test_poll_of_a_request_does_not_read_kept_revisions(bench: Bench, ca: ScriptedCA) -> None:
    issuers, counted = reading(bench)
    bench.run()
    ca.script = ["pending", "pending"]
    found = [renew(bench)]
    for _ in range(2):
        pending = bench.record().pending
        assert pending is not None
        bench.clock.now = pending.retry_at or bench.clock.now
        found.append(bench.run())
    assert found == ["pending", "pending", "certificate.renewed"]
    assert [needs.revisions_of is None for needs in issuers.asked] == [False, False, True, True]
    assert (kept_by(bench), counted.reads) == ([2, 1], 1)


def test_early_request_reads_kept_revisions_on_its_own(bench: Bench) -> None:
    """A run that looked as if it had nothing to deliver."""
    issuers, counted = reading(bench)
    bench.run()
    bench.table.request("web", bench.clock())
    assert bench.run() == "certificate.renewed"
    assert issuers.asked[-1].revisions_of is None
    assert (kept_by(bench), counted.reads) == ([2, 1], 1)
