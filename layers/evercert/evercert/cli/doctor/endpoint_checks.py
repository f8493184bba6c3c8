"""Checks of `doctor` for endpoints of subscriptions: whether SNS may send to a queue, or invoke a function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from evercert import json_parser
from evercert.aws.clients import DENIED, code
from evercert.cli import arguments
from evercert.cli.doctor.resource_policies import ServiceRequest, evaluate
from evercert.cli.doctor.stack_checks import Status
from evercert.schema import printable

if TYPE_CHECKING:
    from evercert.cli.connection import Connection

GUIDE = "docs/how-to/receive-events.md"
SNS = "sns.amazonaws.com"
_NO_QUEUE = {"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"}
_NO_FUNCTION = {"ResourceNotFoundException"}
_KEY_ACTIONS = ("kms:GenerateDataKey", "kms:Decrypt")


@dataclass(frozen=True)
class Problem:
    """Reason why an endpoint cannot receive events, or why that is unknown."""

    status: Status
    text: str
    remedy: str


@dataclass(frozen=True)
class Arn:
    """Parsed ARN of a queue or a function."""

    text: str
    region: str
    account: str
    resource: str

    @classmethod
    def of(cls, text: str) -> Arn | None:
        """Parse an ARN; return None for other text."""
        parts = text.split(":", 5)
        return cls(text, parts[3], parts[4], parts[5]) if len(parts) == 6 and parts[0] == "arn" else None  # noqa: PLR2004


class Endpoints:
    """Endpoints of one topic, read with the operator's permissions."""

    def __init__(self, connection: Connection) -> None:
        self._clients = connection.clients
        self._topic = connection.output("Topic")
        self._queue_url = connection.output("Queue")
        self._here = Arn.of(self._topic)

    def queue(self, arn: Arn) -> list[Problem]:
        """Check a subscribed queue."""
        return self._elsewhere(arn, "queue") or _permitted("sqs:GetQueueAttributes", lambda: self._queue(arn))

    def function(self, arn: Arn) -> list[Problem]:
        """Check a subscribed function."""
        return self._elsewhere(arn, "function") or _permitted("lambda:GetPolicy", lambda: self._function(arn))

    def dead_letters(self, redrive_policy: str) -> list[Problem]:
        """Check the dead-letter queue of a subscription: events that SNS cannot deliver are lost without it."""
        try:
            found = json_parser.parse(redrive_policy or "{}")
        except ValueError:
            found = {}
        target = found.get("deadLetterTargetArn") if isinstance(found, dict) else None
        arn = Arn.of(str(target)) if target else None
        if arn is None:
            return []
        name = f"its dead-letter queue {printable(arn.resource, 80)}"
        problems = [
            replace(one, status="unknown" if one.status == "unknown" else "warning", text=f"{name}: {one.text}")
            for one in self.queue(arn)
        ]
        number = 0 if problems else self._waiting(arn)
        if number:
            text = f"SNS could not deliver {arguments.counted(number, 'event')}: see {name.removeprefix('its ')}"
            problems.append(Problem("warning", text, f"read them, fix the endpoint, then purge the queue; {GUIDE}"))
        return problems

    def _elsewhere(self, arn: Arn, kind: str) -> list[Problem]:
        if self._here is None or (arn.account, arn.region) == (self._here.account, self._here.region):
            return []
        where = "account" if arn.account != self._here.account else "region"
        text = f"the {kind} is in another {where}, so its policy was not checked"
        return [Problem("unknown", text, f"compare its policy with {GUIDE}")]

    def _queue(self, arn: Arn) -> list[Problem]:
        try:
            found = self._attributes(arn, "Policy", "KmsMasterKeyId")
        except ClientError as error:
            if code(error) in _NO_QUEUE:
                return [Problem("failed", "the queue does not exist", f"create it, or end the subscription; {GUIDE}")]
            raise
        verdict = evaluate(found.get("Policy"), ServiceRequest(SNS, "sqs:SendMessage", arn.text, self._topic))
        problems = []
        if verdict == "denied":
            text = "the queue's policy does not allow the topic to send to it"
            problems.append(Problem("failed", text, f"set the queue policy in {GUIDE}"))
        elif verdict == "unknown":
            text = "the queue's policy has elements that this check does not know"
            problems.append(Problem("unknown", text, f"compare it with {GUIDE}, and run: evercert events --test"))
        return problems + self._key(found.get("KmsMasterKeyId", ""))

    def _attributes(self, arn: Arn, *names: Any) -> dict[str, str]:  # noqa: ANN401 (literals of the type stubs)
        url = "/".join([*self._queue_url.split("/")[:-2], arn.account, arn.resource])
        found: dict[str, str] = dict(
            self._clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(names)).get("Attributes", {})  # type: ignore[arg-type]
        )
        return found

    def _waiting(self, arn: Arn) -> int:
        try:
            return int(self._attributes(arn, "ApproximateNumberOfMessages").get("ApproximateNumberOfMessages", 0))
        except ValueError:
            return 0

    def _key(self, key_id: str) -> list[Problem]:
        """Check that SNS may use the key of an encrypted queue."""
        if not key_id:
            return []
        remedy = f"encrypt the queue with SSE-SQS, or with a key that allows {SNS}; {GUIDE}"
        if key_id.rpartition("/")[2] == "sqs" and "alias/aws/" in key_id:
            return [Problem("failed", "the queue's key is aws/sqs, which SNS cannot use", remedy)]

        def check() -> list[Problem]:
            try:
                key = self._clients.kms.describe_key(KeyId=key_id)["KeyMetadata"]
            except ClientError as error:
                if code(error) != "NotFoundException":
                    raise
                return [Problem("failed", "the queue's key does not exist", remedy)]
            if key.get("KeyManager") == "AWS":
                return [Problem("failed", "the queue's key is managed by AWS, so SNS cannot use it", remedy)]
            policy = self._clients.kms.get_key_policy(KeyId=key["KeyId"], PolicyName="default")["Policy"]
            requests = [ServiceRequest(SNS, action, str(key.get("Arn", "")), self._topic) for action in _KEY_ACTIONS]
            verdicts = {evaluate(policy, request) for request in requests}
            if "denied" in verdicts:
                return [Problem("failed", f"the policy of the queue's key does not allow {SNS}", remedy)]
            text = "the policy of the queue's key has elements that this check does not know"
            return [Problem("unknown", text, remedy)] if "unknown" in verdicts else []

        return _permitted("kms:DescribeKey and kms:GetKeyPolicy", check)

    def _function(self, arn: Arn) -> list[Problem]:
        _, name, qualifier = (*arn.resource.split(":"), "", "")[:3]
        client = self._clients.client("lambda")
        qualified = {"Qualifier": qualifier} if qualifier else {}
        policy = None
        try:
            policy = client.get_policy(FunctionName=name, **qualified)["Policy"]
        except ClientError as error:
            if code(error) not in _NO_FUNCTION:
                raise
            # Lambda gives the same answer for a function without a policy.
            if missing := _permitted("lambda:GetFunctionConfiguration", lambda: _existence(client, name, qualified)):
                return missing
        verdict = evaluate(policy, ServiceRequest(SNS, "lambda:InvokeFunction", arn.text, self._topic))
        if verdict == "allowed":
            return []
        if verdict == "unknown":
            text = "the function's policy has elements that this check does not know"
            return [Problem("unknown", text, f"compare it with {GUIDE}")]
        fix = (
            f"aws lambda add-permission --function-name {arn.text} --statement-id evercert-events "
            f"--action lambda:InvokeFunction --principal {SNS} --source-arn {self._topic}"
        )
        return [Problem("failed", "the function's policy does not allow the topic to invoke it", fix)]


def _existence(client: Any, name: str, qualified: dict[str, str]) -> list[Problem]:  # noqa: ANN401 (boto3)
    try:
        client.get_function_configuration(FunctionName=name, **qualified)
    except ClientError as error:
        if code(error) in _NO_FUNCTION:
            return [Problem("failed", "the function does not exist", "create it, or end the subscription")]
        raise
    return []


def _permitted(action: str, check: Callable[[], list[Problem]]) -> list[Problem]:
    """Run a check; without a permission its result is unknown."""
    try:
        return check()
    except ClientError as error:
        if code(error) not in DENIED:
            raise
        return [Problem("unknown", "you lack the permission to check it", f"request {action}")]
