"""Checks of `doctor` for the stack: schedules, pauses, queues, keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError

from evercert.aws.clients import DENIED, code, translated
from evercert.cli import arguments, terminal
from evercert.cli.files import BadInput
from evercert.durations import to_text
from evercert.errors import EvercertError, Unavailable, Unexpected
from evercert.operations import pause_notes

if TYPE_CHECKING:
    from evercert.cli.connection import Connection

OUTPUTS = ("CertificatesTable", "IssuersTable", "Queue", "DeadLetters", "Topic", "CheckerFunction", "IssuerFunction")
SCHEDULES = {"tick": "CheckerFunctionTick", "sweep": "CheckerFunctionSweep", "crl": "AuthorityFunctionCrl"}
OLDEST_NUDGE = timedelta(hours=1)
LONGEST_KEPT = timedelta(days=14)  # of a message in SQS
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
        "dead letters": partial(_dead_letters, connection),
        "queue": partial(_queue, connection),
        **{name: partial(key, connection, name) for name in ("SealKey", "DataKey")},
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
    age = metric(connection, ("AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum"), name, timedelta(minutes=15))
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


def metric(
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
