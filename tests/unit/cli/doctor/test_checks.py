"""Checks of `doctor`: each problem with its remedy, and missing permissions."""

from __future__ import annotations

import json
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from evercert.cli import show
from evercert.cli.doctor import certificate_checks, stack_checks
from evercert.cli.doctor.stack_checks import Check
from evercert.cli.files import BadInput
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Facts, Failure, Record
from evercert.contracts.spec_store import STACK, Change, Pause, PauseTarget
from evercert.errors import Misconfigured
from tests.doubles.described_stack import connection, of, only, points, run
from tests.doubles.fakes import START, FakeTable, spec
from tests.doubles.strict_aws import refuse

UID = "8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44"


def test_doctor_finds_no_failure_in_a_healthy_stack() -> None:
    found = [check for name in of(connection()) for check in run(connection(), name)]
    assert {check.name: check.status for check in found if check.status != "ok"} == {"topic": "warning"}


@pytest.mark.parametrize(
    ("stack", "name", "status", "found", "remedy"),
    [
        (connection({"Queue": "q"}), "stack", "failed", "has no output CertificatesTable", "sam deploy"),
        (connection(status="UPDATE_ROLLBACK_FAILED"), "stack", "failed", "UPDATE_ROLLBACK_FAILED", "deploy it again"),
        (connection(status="UPDATE_IN_PROGRESS"), "stack", "warning", "UPDATE_IN_PROGRESS", ""),
        (connection(scheduler__get_schedule={"State": "DISABLED"}), "schedule tick", "failed", "DISABLED", "enable schedule"),
        (
            connection(scheduler__get_schedule=refuse("ResourceNotFoundException", "GetSchedule")),
            "schedule sweep", "failed", "no schedule key-1", "sam deploy",
        ),
        (
            connection(cloudformation__describe_stack_resource=refuse("ValidationError", "DescribeStackResource")),
            "schedule crl", "failed", "no schedule evercert-crl", "sam deploy",
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
    ],
    ids=[
        "outputs", "rolled-back", "deploying", "schedule-off", "schedule-gone", "schedule-of-older-stack", "dead-letters",
        "old-nudges", "young-nudges", "key-disabled", "key-deleted",
    ],
)  # fmt: skip
def test_doctor_reports_each_problem_with_its_remedy(
    stack: Any, name: str, status: str, found: str, remedy: str
) -> None:
    check = only(stack, name)
    assert (check.name, check.status) == (name, status)
    assert found in check.found
    assert remedy in check.remedy


def test_doctor_asks_for_schedules_by_their_own_names() -> None:
    """A stack with `ShortName` has schedules that are not named after it."""
    stack = connection()
    assert only(stack, "schedule tick").status == "ok"
    asked = dict(stack.clients.cloudformation.calls)["describe_stack_resource"]
    assert asked == {"StackName": "evercert", "LogicalResourceId": "CheckerFunctionTick"}
    assert stack.clients.client("scheduler").calls == [("get_schedule", {"Name": "key-1"})]


def test_doctor_reports_each_pause_with_its_command() -> None:
    stack = connection()
    stack.specs.pause(STACK, Pause(START), START)
    stack.specs.pause(PauseTarget("main"), Pause(START), START)
    assert [(check.status, check.remedy) for check in run(stack, "pauses")] == [
        ("warning", "evercert resume"),
        ("warning", "evercert resume --issuer main"),
    ]


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException", "AuthorizationError"])
def test_run_reports_a_missing_permission_as_unknown(code: str) -> None:
    check = only(connection(scheduler__get_schedule=refuse(code, "GetSchedule")), "schedule tick")
    assert (check.status, check.found) == ("unknown", "you lack the permission for GetSchedule")


def test_run_reports_an_aws_error_as_failed() -> None:
    check = only(connection(kms__describe_key=refuse("InternalError", "DescribeKey", status=500)), "SealKey")
    assert check.status == "failed"
    assert "cannot check SealKey" in check.found


def test_run_reports_an_evercert_error_as_failed() -> None:
    def broken() -> list[Check]:
        raise Misconfigured("no output Topic")

    assert stack_checks.run("topic", broken) == [Check("topic", "failed", "no output Topic")]


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
        (record(), 31, "certificate web", "failed"),
        (record(), -1, "certificates not yet valid", "failed"),
        (record(renew_at=START + timedelta(days=30)), 0, "certificates renewed only after they expire", "warning"),
        (record(due_at=START + timedelta(days=31)), 0, "certificates renewed only after they expire", "warning"),
        (record(state="failing", last_error=failure("no\x1b route")), 0, "certificate web", "failed"),
        (record(state="stopped"), 0, "certificate web", "failed"),
        (Unreadable("web", UID, 0, "no spec"), 0, "certificates unreadable", "failed"),
    ],
    ids=[
        "well", "one-time", "overdue", "a-little-late", "expired", "early", "late-renewal", "late-run", "failing", "stopped",
        "unreadable",
    ],
)  # fmt: skip
def test_check_records_reports_each_problem(found: Any, days: int, name: str, status: str) -> None:
    (check,) = certificate_checks.check_records([found], START + timedelta(days=days))
    assert (check.name, check.status) == (name, status)
    assert check.found.isprintable()


def test_check_records_lists_expired_certificates() -> None:
    found = certificate_checks.check_records([record(f"c{n:02}") for n in range(23)], START + timedelta(days=31))
    assert len(found) == certificate_checks.LISTED + 1
    assert (found[0].name, found[0].found) == ("certificate c22", "expired on 2026-02-14T12:00:00.000Z")
    assert found[0].remedy == "for the reason, run: evercert show c22"
    assert (found[-1].name, found[-1].found) == ("certificates expired", "3 more have expired")


@pytest.mark.parametrize(
    ("pauses", "days", "is_reported"),
    [
        ([STACK], 21, True), ([PauseTarget("main")], 21, True), ([PauseTarget("other")], 21, False), ([], 21, False), ([STACK], 19, False),
    ],
    ids=["stack", "issuer", "another-issuer", "none", "before-renewal"],
)  # fmt: skip
def test_check_records_reports_paused_renewals(pauses: list[PauseTarget], days: int, is_reported: bool) -> None:
    found = certificate_checks.check_records(
        [record()], START + timedelta(days=days), dict.fromkeys(pauses, Pause(None))
    )
    assert [check.name for check in found] == ["certificates" + " due for renewal, but paused" * is_reported]
    assert not is_reported or "the first expires in 9 days; evercert resume" in found[0].remedy


def test_check_records_names_the_expiry_of_stopped_certificates() -> None:
    (check,) = certificate_checks.check_records([record(state="stopped")], START + timedelta(days=29))
    assert check.found == "stopped: see evercert history (expires in 24 h)"


def test_check_records_groups_problems_of_one_kind() -> None:
    (check,) = certificate_checks.check_records([Unreadable(f"c{n}", UID, 0, "x") for n in range(9)], START)
    assert check.found == "9: c0, c1, c2, c3, c4 and 4 more"


def diagnosed(answer: Any, *, failed: bool = False) -> list[Check]:
    payload = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return certificate_checks.parse_diagnosis(payload, failed=failed)


def test_parse_diagnosis_returns_one_result_per_problem() -> None:
    answer = {
        "seal": "key\x1b disabled",
        "issuers": {"main": None, "else": "does not answer"},
        "certificates": {"web": [], "mail": ["secret is gone", "role refused"]},
    }
    assert [(check.name, check.status, check.found) for check in diagnosed(answer)] == [
        ("seal", "failed", "key disabled"),
        ("issuer else", "failed", "does not answer"),
        ("certificate mail", "failed", "secret is gone"),
        ("certificate mail", "failed", "role refused"),
    ]
    (fine,) = diagnosed({"seal": None, "issuers": {"main": None}, "certificates": {"web": []}})
    assert fine.status == "ok"


@pytest.mark.parametrize(
    "answer",
    [b"", b"null", b"[]", b"\xff", b"[" * 100_000, b'{"seal":' + b"[" * 40 + b"]" * 40 + b"}", {"seal": None}, {"seal": None, "issuers": 7, "certificates": {}},
     {"seal": None, "issuers": {}, "certificates": {"web": 7}}],
)  # fmt: skip
def test_parse_diagnosis_fails_on_malformed_responses(answer: Any) -> None:
    (check,) = diagnosed(answer)
    assert (check.status, check.found.startswith("the diagnosis failed: ")) == ("failed", True)
    assert check.found.isprintable()


def test_parse_diagnosis_fails_on_a_function_error() -> None:
    (check,) = diagnosed({"seal": None, "issuers": {}, "certificates": {}}, failed=True)
    assert check.status == "failed"


def test_parse_diagnosis_shows_why_the_function_cannot_start() -> None:
    why = "Unable to import module 'app': cannot start: the layers were built for python3.13-arm64, and the function …"
    (check,) = diagnosed({"errorMessage": why, "errorType": "Runtime.ImportModuleError", "stackTrace": []}, failed=True)
    assert check.found == f"the diagnosis failed: {why}"


def read(*records: Record) -> certificate_checks._Records:
    table = FakeTable()
    table.write([Change(found, None) for found in records], START)
    return certificate_checks._Records(SimpleNamespace(specs=table), [])  # type: ignore[arg-type]


def test_to_diagnose_returns_at_most_25_names() -> None:
    assert len(read(*[record(f"c{n}") for n in range(40)]).to_diagnose()) == 25


def test_to_diagnose_returns_problems_first() -> None:
    some = read()
    some.records = [record("a"), record("b", state="failing"), record("c", facts=None), Unreadable("d", UID, 0, "x")]
    assert some.to_diagnose() == ["b", "c", "a"]


def test_show_checks_prints_remedies_below_problems() -> None:
    console = Console(width=120, record=True)
    show.checks(console, [Check("topic", "warning", "no subscribers", "subscribe"), Check("stack", "ok", "fine")])
    lines = [line.strip() for line in console.export_text().splitlines()]
    assert lines[1:] == ["topic  warning  no subscribers", "→ subscribe", "stack  ok       fine"]


def test_check_with_an_unforeseen_error_is_failed() -> None:
    def check() -> list[Check]:
        raise ZeroDivisionError("S3cret")

    (found,) = stack_checks.run("queue", check)
    assert (found.name, found.status) == ("queue", "failed")
    assert found.found.startswith("a bug in evercert: ZeroDivisionError at test_checks.py:")


def test_check_of_a_missing_certificate_ends_the_command() -> None:
    def check() -> list[Check]:
        raise BadInput(["there is no certificate 'unknown'"])

    with pytest.raises(BadInput, match="there is no certificate"):
        stack_checks.run("certificates", check)


def test_doctor_names_a_key_that_the_stack_lacks() -> None:
    (found,) = stack_checks.key(connection(cloudformation__describe_stack_resource={"StackResourceDetail": {}}), "Key")
    assert (found.name, found.status, found.found) == ("Key", "failed", "the stack has not created it yet")
