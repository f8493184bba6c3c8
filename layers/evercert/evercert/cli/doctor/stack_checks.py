"""Checks of `doctor` for the stack: schedules, queues, topic, keys, functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError

from evercert.aws.clients import DENIED, code, translated
from evercert.cli import arguments, pause_notes, terminal
from evercert.cli.files import BadInput
from evercert.durations import to_text
from evercert.errors import EvercertError, Unavailable, Unexpected
from evercert.schema import printable

if TYPE_CHECKING:
    from evercert.cli.connection import Connection

OUTPUTS = ("CertificatesTable", "IssuersTable", "Queue", "DeadLetters", "Topic", "CheckerFunction", "IssuerFunction")
SCHEDULES = {"tick": "CheckerFunctionTick", "sweep": "CheckerFunctionSweep", "crl": "AuthorityFunctionCrl"}
OLDEST_NUDGE = timedelta(hours=1)
LONGEST_KEPT = timedelta(days=14)  # of a message in SQS
ERROR_WINDOW = timedelta(hours=1)
_SUPPORTED = re.compile(r"python3\.(?:1[2-9]|[2-9][0-9])")
_GONE = {"ResourceNotFoundException", "NotFoundException", "ValidationError"}
Status = Literal["ok", "warning", "failed", "unknown"]


@dataclass(frozen=True)
class Check:
    """Result of one check, with the remedy for a problem."""

    name: str
    status: Status
    found: str
    remedy: str = ""

    def values(self) -> dict[str, str]:
        """Return the result as JSON values."""
        return {"check": self.name, "status": self.status, "found": self.found, "remedy": self.remedy}


CheckFunction = Callable[[], list[Check]]


def run(name: str, check: CheckFunction) -> list[Check]:
    """Run a check; its error is a failed result, and a missing permission an unknown one."""
    try:
        with translated(f"check {name}"):
            return check()
    except EvercertError as error:
        if isinstance(error.__cause__, ClientError) and code(error.__cause__) in DENIED:
            operation = error.__cause__.operation_name
            remedy = "request it, or check this in the AWS console"
            return [Check(name, "unknown", f"you lack the permission for {operation}", remedy)]
        return [Check(name, "failed", str(error))]
    except BadInput:
        raise  # a certificate that the command line names does not exist
    except Exception as error:  # noqa: BLE001 (one check must not stop the others)
        return [Check(name, "failed", str(Unexpected.of(error)))]


def of_stack(connection: Connection) -> dict[str, CheckFunction]:
    """Return the stack's checks by name, in the order of the output."""
    return {
        "stack": partial(_stack, connection),
        **{f"schedule {task}": partial(schedule, connection, task) for task in ("tick", "sweep")},
        "pauses": partial(_pauses, connection),
        "topic": partial(_topic, connection),
        "dead letters": partial(_dead_letters, connection),
        "queue": partial(_queue, connection),
        **{name: partial(key, connection, name) for name in ("SealKey", "DataKey")},
        **{name: partial(function, connection, name) for name in ("CheckerFunction", "IssuerFunction")},
    }


def _stack(connection: Connection) -> list[Check]:
    missing = [key for key in OUTPUTS if key not in connection.outputs]
    if missing:
        return [Check("stack", "failed", f"has no output {', '.join(missing)}", "deploy the stack again: sam deploy")]
    status = connection.status
    if status.endswith("_FAILED"):
        return [Check("stack", "failed", status, "fix the errors in the stack's events, and deploy it again")]
    return [Check("stack", "warning" if status.endswith("_IN_PROGRESS") else "ok", status)]


def schedule(connection: Connection, task: str) -> list[Check]:
    """Check the schedule of this task."""
    name, title = f"{connection.name}-{task}", f"schedule {task}"
    try:
        name = _physical_id(connection, SCHEDULES[task]) or name
        found = connection.clients.client("scheduler").get_schedule(Name=name)
    except ClientError as error:
        if code(error) in _GONE:
            return [Check(title, "failed", f"there is no schedule {name}", "deploy the stack again: sam deploy")]
        raise
    state, when = str(found.get("State")), str(found.get("ScheduleExpression"))
    if state == "ENABLED":
        return [Check(title, "ok", when)]
    consequence = "CRLs expire" if task == "crl" else "nothing is renewed"
    remedy = f"enable schedule {name} in EventBridge Scheduler: {consequence} without it"
    return [Check(title, "failed", f"is {state}", remedy)]


def _pauses(connection: Connection) -> list[Check]:
    found = pause_notes.describe(connection.specs.pauses(terminal.now()))
    return [Check("pauses", "warning", line, command) for line, command in found] or [Check("pauses", "ok", "none")]


def _topic(connection: Connection) -> list[Check]:
    from evercert.cli.event_queue import PREFIX  # noqa: PLC0415

    topic = connection.output("Topic")
    confirmed = waiting = 0
    for page in connection.clients.sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic):
        for subscription in page["Subscriptions"]:
            if not subscription.get("Endpoint", "").rpartition(":")[2].startswith(PREFIX):
                is_confirmed = subscription["SubscriptionArn"].startswith("arn:")
                confirmed, waiting = confirmed + is_confirmed, waiting + (not is_confirmed)
    unconfirmed = f"{arguments.counted(waiting, 'subscription')} not confirmed" if waiting else ""
    if confirmed:
        found = f"{arguments.counted(confirmed, 'subscription')}{'; ' * bool(unconfirmed)}{unconfirmed}"
        return [Check("topic", "ok", found)]
    remedy = "confirm the subscription with the link that SNS sent" if waiting else "subscribe a mailbox or a queue"
    found = f"no subscribers of the event topic{f' ({unconfirmed})' if unconfirmed else ''}"
    return [Check("topic", "warning", found, remedy)]


def _dead_letters(connection: Connection) -> list[Check]:
    number = _messages(connection, connection.output("DeadLetters"))
    if not number:
        return [Check("dead letters", "ok", "none")]
    remedy = (
        "read them, search the issuer's log for `undeliverable`, then purge the queue: "
        "the checker queues every due certificate again"
    )
    return [Check("dead letters", "failed", arguments.counted(number, "message"), remedy)]


def _queue(connection: Connection) -> list[Check]:
    url = connection.output("Queue")
    waiting = arguments.counted(_messages(connection, url), "message")
    name = {"Name": "QueueName", "Value": url.rpartition("/")[2]}
    age = _metric(connection, ("AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum"), name, timedelta(minutes=15))
    if age is None:
        return [Check("queue", "ok", f"{waiting}, age unknown")]
    oldest = timedelta(seconds=int(min(max(age, 0), LONGEST_KEPT.total_seconds())))
    found = f"{waiting}, the oldest {to_text(oldest)} old"
    if oldest <= OLDEST_NUDGE:
        return [Check("queue", "ok", found)]
    remedy = "the issuer function is too slow: see IssuerFunction below, or raise IssuerConcurrency"
    return [Check("queue", "warning", found, remedy)]


def key(connection: Connection, logical: str) -> list[Check]:
    """Check a KMS key of the template, by its logical id."""
    key_id = _physical_id(connection, logical)
    if key_id is None:
        return [Check(logical, "failed", "the stack has not created it yet", "finish the deployment of the stack")]
    return [key_state(connection, key_id, logical)]


def _physical_id(connection: Connection, logical: str) -> str | None:
    """Return the id of a resource of the template, or None if the stack has not created it yet."""
    resource = connection.clients.cloudformation.describe_stack_resource(
        StackName=connection.name, LogicalResourceId=logical
    )
    found = resource["StackResourceDetail"].get("PhysicalResourceId")
    return None if found is None else str(found)


def key_state(connection: Connection, key_id: str, name: str) -> Check:
    """Check whether a KMS key is enabled."""
    state = connection.clients.kms.describe_key(KeyId=key_id)["KeyMetadata"].get("KeyState", "Enabled")
    if state == "Enabled":
        return Check(name, "ok", "enabled")
    command = "cancel-key-deletion" if state == "PendingDeletion" else "enable-key"
    return Check(name, "failed", f"{key_id} is {state}", f"aws kms {command} --key-id {key_id}")


def function(connection: Connection, logical: str) -> list[Check]:
    """Check a Lambda function, by the stack output that names it."""
    name = connection.output(logical)
    found = connection.clients.client("lambda").get_function_configuration(FunctionName=name)
    state, update = str(found.get("State", "Active")), str(found.get("LastUpdateStatus", "Successful"))
    if state not in {"Active", "Inactive"} or update == "Failed":
        why = printable(str(found.get("StateReason") or found.get("LastUpdateStatusReason") or "no reason given"))
        return [Check(logical, "failed", f"{state}, last update {update}: {why}", "deploy the stack again: sam deploy")]
    runtime, architecture = str(found.get("Runtime", "")), ", ".join(map(str, found.get("Architectures", [])))
    if runtime and not _SUPPORTED.fullmatch(runtime):
        remedy = "deploy with Runtime=python3.13, and build the layers for it (EVERCERT_TARGET)"
        return [Check(logical, "failed", f"runs on {printable(runtime)}: the layers need python3.12 or newer", remedy)]
    dimension = {"Name": "FunctionName", "Value": name.rpartition(":")[2]}
    errors = _metric(connection, ("AWS/Lambda", "Errors", "Sum"), dimension, ERROR_WINDOW)
    if errors:
        remedy = "search its log for crashes: timeouts, lack of memory"
        return [Check(logical, "warning", f"{arguments.counted(int(errors), 'error')} in the last hour", remedy)]
    where = " ".join(filter(None, (runtime, architecture)))
    return [Check(logical, "ok", f"{state.lower()}, {printable(where)}" if where else state.lower())]


def _messages(connection: Connection, url: str) -> int:
    found = connection.clients.sqs.get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    )["Attributes"]
    try:
        return sum(map(int, found.values()))
    except ValueError as error:
        raise Unavailable(
            f"cannot count the messages of {url}: the answer is not one of AWS; check the network and the endpoint"
        ) from error


def _metric(
    connection: Connection, metric: tuple[str, str, str], dimension: dict[str, str], span: timedelta
) -> float | None:
    """Return the maximum or the sum of the five-minute values; None without data points."""
    namespace, name, statistic = metric
    end = terminal.now()
    answer: dict[str, Any] = connection.clients.client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=[dimension],
        StartTime=end - span,
        EndTime=end,
        Period=300,
        Statistics=[statistic],
    )
    values: Iterator[float] = (point[statistic] for point in answer.get("Datapoints", []) if statistic in point)
    found = list(values)
    if not found:
        return None
    return max(found) if statistic == "Maximum" else sum(found)
