"""Several issuers for one certificate: which errors of one make a run ask the next one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pytest

from evercert.contracts.issuer import OpenIssuer
from evercert.contracts.record import ADVISED_SCHEMA, PREVIOUS_SCHEMA
from evercert.errors import (
    AnswerLost,
    EvercertError,
    LoginRefused,
    Misconfigured,
    Mismatch,
    NotProven,
    Rejected,
    Throttled,
    Unavailable,
    Unsuited,
)
from evercert.issuance.candidates import PATIENCE, REQUEST_LASTS
from tests.doubles.fakes import START, Bench, FakeDestination, spec
from tests.doubles.scripted_ca import ScriptedCA
from tests.doubles.world import Killed
from tests.unit.issuance.helpers import announced
from tests.unit.issuance.several_issuers import DAY, HOUR, ISSUERS, MINUTE, Turns, due, limit, listed, renewed


# -- one issuer fails -------------------------------------------------------------------------------------------------
def test_outage_of_the_first_issuer_asks_the_second(bench: Bench, issuers: tuple[Turns, Turns], ca: ScriptedCA) -> None:
    first, _ = issuers
    first.answers = [Unavailable("connection refused")]
    assert bench.run() == "certificate.issued"
    (outcome,) = bench.announcer.announced
    assert (outcome.issuer, outcome.data["issuer"]) == ("second", "second")
    assert outcome.data["gave_up"].startswith("first: connection refused; revision 1 (missing): nothing known")
    record = bench.record()
    assert (record.issuer_hash, record.facts.revision, record.failures) == ("hash-2", 2, 0)
    assert len(ca.issued) == 1


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("503"),
        Throttled("429"),
        Misconfigured("no hosted zone"),
        LoginRefused("wrong HMAC key"),
        NotProven("no TXT record found"),
        Mismatch("the certificate is for another name"),
        Unsuited("no certificates for IP addresses"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_error_of_one_issuer_asks_the_next(bench: Bench, issuers: tuple[Turns, Turns], error: EvercertError) -> None:
    first, second = issuers
    first.answers = [error] * 30  # a throttle is repeated, until all calls are at the slowest pace
    for _ in range(30):
        if due(bench) == "certificate.issued":
            break
    assert (bench.record().issuer_hash, second.asked) == ("hash-2", [None])


@pytest.mark.parametrize("error", [Rejected("rejectedIdentifier: policy forbids the name")], ids=["name"])
def test_refused_name_asks_no_other_issuer(bench: Bench, issuers: tuple[Turns, Turns], error: EvercertError) -> None:
    first, second = issuers
    first.answers = [error]
    assert bench.run() == "certificate.failed"
    assert (bench.record().state, second.asked) == ("stopped", [])


def test_long_limit_asks_the_next_issuer(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    first, _ = issuers
    first.answers = [limit(bench, PATIENCE + MINUTE)]
    assert bench.run() == "certificate.issued"
    assert bench.record().issuer_hash == "hash-2"


def test_short_limit_is_waited_for(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    first, second = issuers
    first.answers = [limit(bench, PATIENCE)]
    assert bench.run() == "put-off"
    assert due(bench) == "certificate.issued"
    assert (bench.record().issuer_hash, second.asked) == ("hash-1", [])


def test_limit_of_an_accepted_request_is_waited_for(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    first, second = issuers
    first.answers = ["accepted", limit(bench, 3 * HOUR)]
    assert [bench.run(), due(bench)] == ["pending", "put-off"]
    assert second.asked == []


def test_open_breaker_asks_the_next_issuer_without_a_call(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    first, _ = issuers
    first.answers = [Unavailable("503")]
    bench.want(listed(name="other", to=("there",)))
    assert [bench.run("other"), bench.run()] == ["certificate.issued"] * 2
    assert (bench.record().issuer_hash, len(first.asked)) == ("hash-2", 1)


def test_errors_of_destinations_ask_no_other_issuer(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    bench.destinations.known["here"] = FakeDestination("here", errors=[Unavailable("busy")])
    assert bench.run() == "certificate.failed"
    assert due(bench) == "certificate.issued"
    assert issuers[1].asked == []


def test_throttles_of_kms_ask_no_other_issuer(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    bench.seal.error = Unavailable("KMS: throttled")
    assert bench.run() == "certificate.failed"
    assert [turns.asked for turns in issuers] == [[], []]
    assert bench.announcer.announced[-1].data["message"] == "KMS: throttled"


@pytest.mark.parametrize("missing", ISSUERS)
def test_issuer_that_is_not_defined_is_passed_over(bench: Bench, issuers: tuple[Turns, Turns], missing: str) -> None:
    del bench.issuers.known[missing]
    assert bench.run() == "certificate.issued"
    assert bench.record().issuer_hash == ("hash-2" if missing == "first" else "hash-1")
    assert bench.record().last_error is None
    bench.clock.now += HOUR
    assert bench.run() == "nothing-to-do"


# -- requests that an issuer accepted ---------------------------------------------------------------------------------
def test_accepted_request_survives_one_failure(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    first, second = issuers
    first.answers = ["accepted", Unavailable("503"), "accepted"]
    assert [bench.run(), due(bench), due(bench), due(bench)] == [
        "pending",
        "certificate.failed",
        "pending",
        "certificate.issued",
    ]
    assert (bench.record().issuer_hash, second.asked) == ("hash-1", [])


def test_lost_answer_is_looked_for_before_the_next_issuer(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    first, second = issuers
    first.answers = [AnswerLost("no answer to the request")]
    assert [bench.run(), due(bench)] == ["certificate.failed", "certificate.issued"]
    assert (bench.record().issuer_hash, second.asked) == ("hash-1", [])


def test_second_failure_in_a_row_cancels_the_request(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    first, _ = issuers
    first.answers = ["accepted", *[Misconfigured("permission denied")] * 2]
    assert [bench.run(), due(bench), due(bench)] == ["pending", "certificate.failed", "certificate.issued"]
    assert (bench.record().issuer_hash, first.cancelled) == ("hash-2", ["order-1"])
    assert bench.announcer.announced[-1].data["gave_up"].endswith("revision 1 (missing): cancelled")


def test_slow_issuer_has_an_hour(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    first, _ = issuers
    first.answers = ["accepted"] * 100
    outcomes = [bench.run()]
    while outcomes[-1] == "pending" and len(outcomes) < 100:
        outcomes.append(due(bench))
    assert outcomes[-1] == "certificate.issued"
    assert REQUEST_LASTS <= bench.clock() - START <= REQUEST_LASTS + 3 * MINUTE
    assert (bench.record().issuer_hash, first.cancelled) == ("hash-2", ["order-1"])


def test_approval_has_more_than_an_hour(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    first, second = issuers
    first.answers = ["an approval"] * 3
    assert bench.run() == "certificate.pending"
    bench.clock.now += 6 * DAY
    assert bench.run() == "pending"
    assert second.asked == []


# -- all issuers fail -------------------------------------------------------------------------------------------------
def test_failure_of_all_names_each_of_them(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    first, second = issuers
    first.answers, second.answers = [Misconfigured("no hosted zone")], [Unavailable("503")]
    assert bench.run() == "certificate.failed"
    data = bench.announcer.announced[-1].data
    assert (data["kind"], data["message"]) == ("unavailable", "first: no hosted zone; second: 503")


def test_repeated_failure_of_all_has_the_same_message(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    first, second = issuers
    first.answers, second.answers = [Unavailable("503")] * 3, [Misconfigured("no account")] * 3
    for _ in range(2):
        assert due(bench) == "certificate.failed"
        bench.clock.now += HOUR
    assert {outcome.data["message"] for outcome in bench.announcer.announced} == {"first: 503; second: no account"}


def test_next_attempt_starts_at_the_first_issuer(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    first, second = issuers
    first.answers, second.answers = [Misconfigured("no hosted zone")], [Misconfigured("no account")]
    assert bench.run() == "certificate.failed"
    assert bench.record().due_at - bench.clock() <= 6 * MINUTE
    assert due(bench) == "certificate.issued"
    assert (bench.record().issuer_hash, len(first.asked), len(second.asked)) == ("hash-1", 2, 1)


def test_refusal_by_the_last_issuer_does_not_stop_the_attempts(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    first, second = issuers
    first.answers, second.answers = [Unavailable("503")], [Unsuited("no IP addresses")]
    assert bench.run() == "certificate.failed"
    assert bench.record().state == "failing"
    assert due(bench) == "certificate.issued"
    assert bench.record().issuer_hash == "hash-1"


def test_refused_name_at_a_later_issuer_stops_nothing(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    """A CAA record may allow only the first CA."""
    first, second = issuers
    first.answers, second.answers = [Unavailable("503")], [Rejected("caa: CAA forbids it")]
    assert bench.run() == "certificate.failed"
    data = bench.announcer.announced[-1].data
    assert (bench.record().state, data["message"]) == ("failing", "first: 503; second: caa: CAA forbids it")
    assert due(bench) == "certificate.issued"
    assert bench.record().issuer_hash == "hash-1"


def test_limits_of_all_issuers_are_waited_for(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    first, second = issuers
    first.answers, second.answers = [limit(bench, 5 * HOUR)], [limit(bench, 2 * HOUR)]
    assert bench.run() == "put-off"
    assert bench.record().due_at - START == 2 * HOUR
    assert announced(bench) == []


def test_no_certificate_expires_while_the_first_issuer_is_down(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    assert bench.run() == "certificate.issued"
    first, _ = issuers
    first.answers = [Unavailable("503")] * 1_000
    for _ in range(200):
        due(bench)
        assert bench.record().facts.not_after > bench.clock()
    assert announced(bench).count("certificate.renewed") > 5
    assert "certificate.expiring" not in announced(bench)


# -- renewals and edits -----------------------------------------------------------------------------------------------
def test_renewal_starts_at_the_first_issuer(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    first, second = issuers
    first.answers = [Unavailable("503")]
    assert bench.run() == "certificate.issued"
    bench.clock.now += HOUR
    assert bench.run() == "nothing-to-do"  # the issuer has not changed
    assert renewed(bench) == "certificate.renewed"
    assert (bench.record().issuer_hash, len(second.asked)) == ("hash-1", 1)
    assert bench.announcer.announced[-1].issuer == "first"


def test_issuer_that_left_the_list_is_replaced(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    issuers[0].answers = [Unavailable("503")]
    assert bench.run() == "certificate.issued"
    bench.edit(spec(issuer="first"))
    bench.clock.now += HOUR
    assert bench.run() == "certificate.renewed"
    assert bench.announcer.announced[-1].data["reason"] == "issuer-changed"


def test_second_issuer_may_be_added_later(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    bench.edit(spec(issuer="first"))
    assert bench.run() == "certificate.issued"
    bench.edit(listed())
    assert bench.run() == "nothing-to-do"


def test_paused_issuer_is_passed_over(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    bench.issuers.known["first"] = replace(bench.issuers.known["first"], paused=True)
    assert bench.run() == "certificate.issued"
    assert bench.record().issuer_hash == "hash-2"


def test_request_at_a_paused_issuer_moves_to_the_next(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    first, _ = issuers
    first.answers = [limit(bench, MINUTE)]
    assert bench.run() == "put-off"
    bench.issuers.known["first"] = replace(bench.issuers.known["first"], paused=True)
    assert due(bench) == "certificate.issued"
    assert bench.record().issuer_hash == "hash-2"


def test_accepted_request_at_a_paused_issuer_waits(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    first, second = issuers
    first.answers = ["accepted"]
    assert bench.run() == "pending"
    bench.issuers.known["first"] = replace(bench.issuers.known["first"], paused=True)
    assert [due(bench), second.asked] == ["paused", []]


@dataclass
class Unreadable:
    """Issuers of which one cannot be read now."""

    inner: Any
    name: str

    def open(self, name: str, certificate: str | None = None) -> OpenIssuer:
        if name == self.name:
            raise Unavailable(f"cannot read issuer {name}: the table is busy")
        return self.inner.open(name)


def test_unreadable_definition_replaces_no_certificate(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    issuers[0].answers = [Unavailable("503")]
    assert bench.run() == "certificate.issued"
    bench.issuance._ports = replace(bench.ports, issuers=Unreadable(bench.issuers, "second"))
    bench.clock.now += HOUR
    assert bench.run() == "certificate.failed"
    assert (bench.record().facts.revision, len(issuers[0].asked)) == (2, 1)


def test_paused_stack_asks_no_issuer(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    bench.issuers.known = {name: replace(one, paused=True) for name, one in bench.issuers.known.items()}
    assert bench.run() == "paused"
    assert [turns.asked for turns in issuers] == [[], []]


def test_issuers_of_one_identity_are_told_apart(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    """Two definitions of one CA with different solvers."""
    first, second = issuers
    bench.issuers.known["second"] = OpenIssuer(second, "hash-1")
    first.answers, second.answers = [NotProven("port 80 is closed")], ["accepted"]
    assert [bench.run(), due(bench)] == ["pending", "certificate.issued"]
    assert (len(first.asked), second.asked) == (1, [None, "order-1"])
    assert bench.announcer.announced[-1].issuer == "second"


def test_previous_release_leaves_lists_alone(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    def schema() -> int:
        return int(bench.table.items["certificate#web", "record"]["schema"]["N"])

    assert schema() == ADVISED_SCHEMA
    assert bench.run() == "certificate.issued"
    assert schema() == ADVISED_SCHEMA
    bench.edit(spec(issuer="first"))
    assert bench.run() == "nothing-to-do"
    assert schema() == PREVIOUS_SCHEMA


# -- crashes ----------------------------------------------------------------------------------------------------------
def dying(call: Callable[..., Any], at: int, count: list[int], *, after: bool) -> Callable[..., Any]:
    def wrapped(*args: Any, **named: Any) -> Any:
        count[0] += 1
        if count[0] == at and not after:
            raise Killed
        answer = call(*args, **named)
        if count[0] == at:
            raise Killed
        return answer

    return wrapped


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(1, 10))
def test_crash_at_any_write_ends_with_one_certificate(
    bench: Bench, issuers: tuple[Turns, Turns], ca: ScriptedCA, at: int, after: bool
) -> None:
    first, second = issuers
    first.answers, second.answers = [Unavailable("503")] * 50, ["accepted"]
    count, table = [0], bench.table
    for name in ("update", "release", "conclude"):
        setattr(table, name, dying(getattr(table, name), at, count, after=after))
    try:
        bench.run()
    except Killed:
        bench.clock.advance(seconds=120)
    for _ in range(10):
        if bench.record().state == "ready":
            break
        bench.clock.now = max(bench.clock() + MINUTE, bench.record().due_at)
        try:
            bench.run()
        except Killed:
            bench.clock.advance(seconds=120)
    assert (bench.record().state, bench.record().issuer_hash) == ("ready", "hash-2")
    assert len(ca.issued) == 1
    assert {outcome.type for outcome in table.history("web")} == {"certificate.issued"}  # or in the outbox


def test_wrong_clock_leaves_no_certificate_behind(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    first, second = issuers
    first.answers, second.answers = [limit(bench, 5 * HOUR)], [limit(bench, 5 * HOUR)]
    assert bench.run() == "put-off"
    back: datetime = bench.clock() - 40 * DAY
    bench.clock.now = back
    assert bench.run() == "certificate.issued"


def test_paused_stack_delivers_no_chain_of_an_undefined_issuer(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    bench.destinations.known["here"] = FakeDestination("here", errors=[Unavailable("closed")])
    bench.run()
    assert bench.record().pending is not None and bench.record().pending.chain is not None
    del bench.issuers.known["first"]
    bench.issuers.known["second"] = replace(bench.issuers.known["second"], paused=True)
    bench.clock.advance(hours=2)
    assert (bench.run(), bench.destinations.known["here"].deliveries) == ("paused", 0)
    bench.issuers.known["second"] = replace(bench.issuers.known["second"], paused=False)
    bench.clock.advance(hours=1)
    bench.run()
    assert bench.destinations.known["here"].deliveries == 1
