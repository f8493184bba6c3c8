"""What `doctor` finds, one trouble at a time, and that it never breaks on what it may not look at."""

from __future__ import annotations

import json
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from evercert.cli import show
from evercert.cli.doctor import certificate_checks as examination
from evercert.cli.doctor import stack_checks as checks
from evercert.cli.doctor.stack_checks import Check
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Facts, Failure, Record
from evercert.contracts.spec_store import Change
from evercert.errors import Misconfigured
from tests.doubles.fakes import START, FakeTable, spec
from tests.doubles.strict_aws import refuse

UID = "8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44"


class Client:
    """Every method answers what it was given: a value, or an error."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        def call(**given: Any) -> Any:
            self.asked.append((name, given))
            answer = self.answers[name]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call

    def get_paginator(self, operation: str) -> Any:
        return SimpleNamespace(paginate=lambda **_: [self.answers[operation]])


USUAL: dict[str, dict[str, Any]] = {
    "scheduler": {"get_schedule": {"State": "ENABLED", "ScheduleExpression": "rate(5 minutes)"}},
    "sns": {"list_subscriptions_by_topic": {"Subscriptions": []}},
    "sqs": {"get_queue_attributes": {"Attributes": {"ApproximateNumberOfMessages": "0"}}},
    "cloudformation": {"describe_stack_resource": {"StackResourceDetail": {"PhysicalResourceId": "key-1"}}},
    "kms": {"describe_key": {"KeyMetadata": {"KeyState": "Enabled"}}},
    "lambda": {"get_function_configuration": {"State": "Active", "LastUpdateStatus": "Successful"}},
    "cloudwatch": {"get_metric_statistics": {"Datapoints": []}},
}


def connection(outputs: dict[str, str] | None = None, status: str = "UPDATE_COMPLETE", **answers: Any) -> Any:
    """A healthy stack, but for the answers that are given as `service__method`."""
    given = {service: dict(methods) for service, methods in USUAL.items()}
    for key, answer in answers.items():
        service, _, method = key.partition("__")
        given[service][method] = answer
    made = {service: Client(**methods) for service, methods in given.items()}
    clients = SimpleNamespace(
        client=made.__getitem__,
        sns=made["sns"],
        sqs=made["sqs"],
        kms=made["kms"],
        cloudformation=made["cloudformation"],
    )
    known = dict.fromkeys(checks.OUTPUTS, "made") if outputs is None else outputs
    return SimpleNamespace(
        name="evercert", status=status, clients=clients, outputs=known, output=known.__getitem__, specs=FakeTable()
    )


def looked(given: Any, name: str) -> list[Check]:
    return checks.looked(name, checks.of_stack(given)[name])


def only(given: Any, name: str) -> Check:
    (found,) = looked(given, name)
    return found


def points(statistic: str, *values: float) -> dict[str, Any]:
    return {"Datapoints": [{statistic: value} for value in values]}


def subscriptions(*arns: str, endpoint: str = "a@b.example") -> dict[str, Any]:
    return {"Subscriptions": [{"SubscriptionArn": arn, "Endpoint": endpoint} for arn in arns]}


def test_a_healthy_stack_has_no_failure() -> None:
    found = [check for name in checks.of_stack(connection()) for check in looked(connection(), name)]
    assert {check.name: check.status for check in found if check.status != "ok"} == {"topic": "warning"}


@pytest.mark.parametrize(
    ("given", "name", "status", "found", "mend"),
    [
        (connection({"Queue": "q"}), "stack", "failed", "has no output CertificatesTable", "sam deploy"),
        (connection(status="UPDATE_ROLLBACK_FAILED"), "stack", "failed", "UPDATE_ROLLBACK_FAILED", "deploy it again"),
        (connection(status="UPDATE_IN_PROGRESS"), "stack", "warning", "UPDATE_IN_PROGRESS", ""),
        (connection(scheduler__get_schedule={"State": "DISABLED"}), "schedule tick", "failed", "DISABLED", "switch"),
        (
            connection(scheduler__get_schedule=refuse("ResourceNotFoundException", "GetSchedule")),
            "schedule sweep", "failed", "no schedule evercert-sweep", "sam deploy",
        ),
        (connection(sns__list_subscriptions_by_topic=subscriptions("arn:aws:sns:x")), "topic", "ok", "1 subscr", ""),
        (
            connection(sns__list_subscriptions_by_topic=subscriptions("PendingConfirmation")),
            "topic", "warning", "nobody hears of failures; 1 subscription not confirmed", "confirm it",
        ),
        (
            connection(sns__list_subscriptions_by_topic=subscriptions("arn:x", endpoint="a:evercert-events-1")),
            "topic", "warning", "nobody hears", "subscribe",
        ),
        (
            connection(sqs__get_queue_attributes={"Attributes": {"A": "2", "B": "1"}}),
            "dead letters", "failed", "3 messages", "undeliverable",
        ),
        (
            connection(cloudwatch__get_metric_statistics=points("Maximum", 10, 3700)),
            "queue", "warning", "the oldest 1h1m40s old", "IssuerConcurrency",
        ),
        (connection(cloudwatch__get_metric_statistics=points("Maximum", 10)), "queue", "ok", "the oldest 10s", ""),
        (
            connection(kms__describe_key={"KeyMetadata": {"KeyState": "Disabled"}}),
            "SealKey", "failed", "key-1 is Disabled", "aws kms enable-key --key-id key-1",
        ),
        (
            connection(kms__describe_key={"KeyMetadata": {"KeyState": "PendingDeletion"}}),
            "DataKey", "failed", "PendingDeletion", "cancel-key-deletion --key-id key-1",
        ),
        (
            connection(lambda__get_function_configuration={"State": "Failed", "StateReason": "no\x1b role"}),
            "IssuerFunction", "failed", "Failed, last update Successful: no role", "sam deploy",
        ),
        (
            connection(cloudwatch__get_metric_statistics=points("Sum", 1, 2)),
            "CheckerFunction", "warning", "3 errors in the last hour", "log",
        ),
    ],
    ids=[
        "outputs", "rolled-back", "deploying", "schedule-off", "schedule-gone", "subscribed", "unconfirmed",
        "only-a-follower", "dead-letters", "old-nudges", "young-nudges", "key-disabled", "key-deleted",
        "function-failed", "function-errors",
    ],
)  # fmt: skip
def test_each_trouble_is_told_with_its_mend(given: Any, name: str, status: str, found: str, mend: str) -> None:
    check = only(given, name)
    assert (check.name, check.status) == (name, status)
    assert found in check.found
    assert mend in check.mend


def test_every_pause_is_told_with_its_command() -> None:
    given = connection()
    given.specs.pause(None, START)
    given.specs.pause("main", START)
    assert [(check.status, check.mend) for check in looked(given, "pauses")] == [
        ("warning", "evercert resume"),
        ("warning", "evercert resume --issuer main"),
    ]


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException", "AuthorizationError"])
def test_a_missing_permission_is_unknown_and_named(code: str) -> None:
    check = only(connection(scheduler__get_schedule=refuse(code, "GetSchedule")), "schedule tick")
    assert (check.status, check.found) == ("unknown", "you lack the permission for GetSchedule")


def test_a_check_that_breaks_is_told_like_any_other() -> None:
    check = only(connection(kms__describe_key=refuse("InternalError", "DescribeKey", status=500)), "SealKey")
    assert check.status == "failed"
    assert "cannot look at SealKey" in check.found


def test_an_error_of_ours_says_what_it_is() -> None:
    def broken() -> list[Check]:
        raise Misconfigured("no output Topic")

    assert checks.looked("topic", broken) == [Check("topic", "failed", "no output Topic")]


# -- certificates -----------------------------------------------------------------------------------------------------
def record(name: str = "web", **more: Any) -> Record:
    facts = Facts(
        revision=1, serial_number="1", not_before=START, not_after=START + timedelta(days=30),
        fingerprint_sha256="f", names=(),
    )  # fmt: skip
    values = {"facts": facts, "state": "ready", "renew_at": START + timedelta(days=20), **more}
    return Record(name=name, uid=UID, spec=spec(name), generation=1).model_copy(update=values)


def failure(message: str) -> Failure:
    return Failure(kind="unavailable", message=message, at=START, generation=1)


@pytest.mark.parametrize(
    ("found", "days", "name", "status"),
    [
        (record(), 0, "certificates", "ok"),
        (record(renew_at=None), 0, "certificates", "ok"),
        (record(due_at=START - timedelta(minutes=31)), 0, "certificates overdue", "failed"),
        (record(due_at=START - timedelta(minutes=29)), 0, "certificates", "ok"),
        (record(), 31, "certificates expired", "failed"),
        (record(renew_at=START + timedelta(days=30)), 0, "certificates renewed only after they expire", "warning"),
        (record(due_at=START + timedelta(days=31)), 0, "certificates renewed only after they expire", "warning"),
        (record(state="failing", last_error=failure("no\x1b route")), 0, "certificate web", "failed"),
        (record(state="stopped"), 0, "certificate web", "failed"),
        (Unreadable("web", UID, 0, "no spec"), 0, "certificates unreadable", "failed"),
    ],
    ids=[
        "well", "one-time", "overdue", "a-little-late", "expired", "late-renewal", "late-look", "failing", "stopped",
        "unreadable",
    ],
)  # fmt: skip
def test_what_the_records_say(found: Any, days: int, name: str, status: str) -> None:
    (check,) = examination.judge([found], START + timedelta(days=days))
    assert (check.name, check.status) == (name, status)
    assert check.found.isprintable()


def test_many_of_a_kind_are_one_line() -> None:
    (check,) = examination.judge([Unreadable(f"c{n}", UID, 0, "x") for n in range(9)], START)
    assert check.found == "9: c0, c1, c2, c3, c4 and 4 more"


def examined(answer: Any, *, failed: bool = False) -> list[Check]:
    payload = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return examination.told(payload, failed=failed)


def test_the_functions_own_view_is_told_problem_by_problem() -> None:
    answer = {
        "seal": "key\x1b disabled",
        "issuers": {"main": None, "else": "does not answer"},
        "certificates": {"web": [], "mail": ["secret is gone", "role refused"]},
    }
    assert [(check.name, check.status, check.found) for check in examined(answer)] == [
        ("seal", "failed", "key disabled"),
        ("issuer else", "failed", "does not answer"),
        ("certificate mail", "failed", "secret is gone"),
        ("certificate mail", "failed", "role refused"),
    ]
    (fine,) = examined({"seal": None, "issuers": {"main": None}, "certificates": {"web": []}})
    assert fine.status == "ok"


@pytest.mark.parametrize(
    "answer",
    [b"", b"null", b"[]", b"\xff", {"seal": None}, {"seal": None, "issuers": 7, "certificates": {}},
     {"seal": None, "issuers": {}, "certificates": {"web": 7}}],
)  # fmt: skip
def test_an_answer_that_is_none_is_a_failure(answer: Any) -> None:
    (check,) = examined(answer)
    assert (check.status, check.found.startswith("it cannot examine: ")) == ("failed", True)
    assert check.found.isprintable()


def test_a_function_that_broke_is_a_failure() -> None:
    (check,) = examined({"seal": None, "issuers": {}, "certificates": {}}, failed=True)
    assert check.status == "failed"


def seen(*records: Record) -> examination._Seen:
    table = FakeTable()
    table.write([Change(found, None) for found in records], START)
    return examination._Seen(SimpleNamespace(specs=table), [])  # type: ignore[arg-type]


def test_at_most_25_are_examined() -> None:
    assert len(seen(*[record(f"c{n}") for n in range(40)]).to_examine()) == 25


def test_those_in_trouble_are_examined_first() -> None:
    some = seen()
    some.records = [record("a"), record("b", state="failing"), record("c", facts=None), Unreadable("d", UID, 0, "x")]
    assert some.to_examine() == ["b", "c", "a"]


def test_the_table_shows_each_mend_below_its_trouble() -> None:
    console = Console(width=120, record=True)
    show.checks(console, [Check("topic", "warning", "nobody hears", "subscribe"), Check("stack", "ok", "fine")])
    lines = [line.strip() for line in console.export_text().splitlines()]
    assert lines[1:] == ["topic  warning  nobody hears", "→ subscribe", "stack  ok       fine"]
