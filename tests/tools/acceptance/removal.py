"""Remove everything that a run made, by the commands that `evercert uninstall --plan` prints; touch nothing else."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from evercert.cli.uninstall.plan import emptying
from tests.tools.acceptance.deployment import TAG, Deployment
from tests.tools.local_stack import ENVIRONMENT
from tests.tools.openssl import CheckFailed, require
from tests.tools.operator_session import say

STACK_SECONDS, EVERY = 1_200, 5
DELETED = "DELETE_COMPLETE"
ABSENT = {"NoSuchBucket", "ResourceNotFoundException", "NotFoundException", "404", "QueueDoesNotExist"}
ABSENT |= {"AWS.SimpleQueueService.NonExistentQueue"}
# Commands that a plan may contain, with the option that names the resource.
TARGETS = {
    ("cloudformation", "delete-stack"): "--stack-name",
    ("secretsmanager", "delete-secret"): "--secret-id",
    ("acm", "delete-certificate"): "--certificate-arn",
    ("dynamodb", "update-table"): "--table-name",
    ("dynamodb", "delete-table"): "--table-name",
    ("sns", "delete-topic"): "--topic-arn",
    ("sqs", "delete-queue"): "--queue-url",
    ("kms", "schedule-key-deletion"): "--key-id",
    ("s3api", "delete-objects"): "--bucket",
}


class Removal:
    """Removal of one run; every step can be repeated."""

    def __init__(self, deployment: Deployment, evercert: Callable[..., str]) -> None:
        self.deployment, self.client, self.evercert = deployment, deployment.client, evercert
        self.state = deployment.state

    def run(self) -> list[str]:
        """Remove all of it; return what could not be removed."""
        failed = self._attempts([self._plan, self._stack, self._plan])
        failed += self._attempts([lambda line=line: self._execute(line) for line in self.state.commands])
        failed += self._attempts([self._queue, self._foreign_secret, self._logs, self._bucket])
        return failed

    def _attempts(self, steps: Iterable[Callable[[], None]]) -> list[str]:
        failed = []
        for step in steps:
            try:
                step()
            except (CheckFailed, ClientError, subprocess.TimeoutExpired) as error:
                failed.append(" ".join(str(error).split()))
                say(f"not removed: {failed[-1]}")
        return failed

    def _plan(self) -> None:
        """Store the commands of the plan: before the stack is deleted, or after if its creation was interrupted."""
        stack = self.deployment.find()
        if self.state.commands or stack is None or not (stack.get("Outputs") or stack["StackStatus"] == DELETED):
            return
        named = ["--stack", stack["StackId"]] if stack["StackStatus"] == DELETED else []
        plan = json.loads(self.evercert("uninstall", "--plan", "--json", *named))
        self.state.commands = [line for step in plan for line in step["commands"]]
        self.state.save()

    def _stack(self) -> None:
        cloudformation = self.client("cloudformation")
        if (stack := self._settled()) is None or stack["StackStatus"] == DELETED:
            return
        say(f"delete stack {self.state.name} ({stack['StackStatus']})")
        cloudformation.delete_stack(StackName=stack["StackId"])
        stack = self._settled()
        status = DELETED if stack is None else stack["StackStatus"]
        require(status == DELETED, f"stack {self.state.name} is {status}")

    def _settled(self) -> dict[str, Any] | None:
        """Wait until no operation of the stack is in progress."""
        give_up = time.monotonic() + STACK_SECONDS
        while (stack := self.deployment.find()) is not None:
            status = stack["StackStatus"]
            if not status.endswith("_IN_PROGRESS") or status == "REVIEW_IN_PROGRESS":
                return stack
            if time.monotonic() > give_up:
                raise CheckFailed(f"stack {self.state.name} is {status} for {STACK_SECONDS} s")
            time.sleep(EVERY)
        return None

    def _execute(self, line: str) -> None:
        """Run a command of the plan, if its resource belongs to this run."""
        words = shlex.split(line)
        if is_loop := words[:1] == ["for"]:
            words = _bucket_of(line)
        verb = (words[1], words[2]) if len(words) > 3 and words[0] == "aws" else None
        if verb == ("s3", "rb"):
            target = next((word for word in words if word.startswith("s3://")), "")
        elif verb in TARGETS and TARGETS[verb] in words[:-1]:
            target = words[words.index(TARGETS[verb]) + 1]
        else:
            raise CheckFailed(f"unknown command of the plan: {line}")
        if words[1] == "cloudformation":
            return  # done
        if not self._is_ours(words[1], target):
            raise CheckFailed(f"resource of another owner: {line}")
        say(f"$ {line}")
        environment = self.deployment.environment
        endpoint = environment.get("AWS_ENDPOINT_URL")  # the CLI ignores it for the commands of SQS
        command = [str(ENVIRONMENT / "bin" / "aws"), *words[1:], *(["--endpoint-url", endpoint] if endpoint else [])]
        if is_loop:
            command = ["sh", "-c", line]
            environment = {**environment, "PATH": f"{ENVIRONMENT / 'bin'}:{environment.get('PATH', os.defpath)}"}
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
            check=False, start_new_session=True,
        )  # fmt: skip
        gone = any(code in done.stderr for code in ABSENT)
        require(done.returncode == 0 or gone, f"{line}: {done.stderr.strip()[-500:]}")

    def _is_ours(self, service: str, target: str) -> bool:
        """Return whether the name or a tag of the resource contains the name of the run, which is random."""
        if service == "kms":
            tags = self.client("kms").list_resource_tags(KeyId=target)["Tags"]
            return any(self.state.name in tag["TagValue"] for tag in tags)
        if service == "acm":
            tags = self.client("acm").list_tags_for_certificate(CertificateArn=target)["Tags"]
            return any(self.state.name in tag.get("Value", "") for tag in tags)
        return self.state.name in target

    def _queue(self) -> None:
        sqs = self.client("sqs")
        with _absent_is_fine():
            sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=self.state.name)["QueueUrl"])

    def _foreign_secret(self) -> None:
        """Delete the secret of the provoked failure; the plan does not list it, because it has no tag of the stack."""
        secrets = self.client("secretsmanager")
        name = f"evercert/certificates/{self.state.name}-refused"
        with _absent_is_fine():
            tags = secrets.describe_secret(SecretId=name).get("Tags", [])
            require({"Key": TAG, "Value": self.state.name} in tags, f"secret {name} lacks the tag of this run")
            secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)

    def _logs(self) -> None:
        """Delete log groups that functions wrote to after the stack was deleted."""
        logs = self.client("logs")
        for prefix in (f"/evercert/{self.state.name}/", f"/aws/vendedlogs/evercert/{self.state.name}/"):
            for group in logs.describe_log_groups(logGroupNamePrefix=prefix)["logGroups"]:
                with _absent_is_fine():
                    logs.delete_log_group(logGroupName=group["logGroupName"])

    def _bucket(self) -> None:
        s3, bucket = self.client("s3"), self.deployment.bucket
        with _absent_is_fine():
            tags = s3.get_bucket_tagging(Bucket=bucket, ExpectedBucketOwner=self.state.account)["TagSet"]
            require({"Key": TAG, "Value": self.state.name} in tags, f"bucket {bucket} lacks the tag of this run")
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
                for each in page.get("Contents", []):
                    s3.delete_object(Bucket=bucket, Key=each["Key"])
            s3.delete_bucket(Bucket=bucket)


def _bucket_of(line: str) -> list[str]:
    """Return the words of the command that a loop of the plan repeats; it must be exactly that of a bucket."""
    words = line.split()
    name, region = (words[words.index(option) + 1] if option in words else "" for option in ("--bucket", "--region"))
    require(line == emptying(name, region), f"unknown command of the plan: {line}")
    return ["aws", "s3api", "delete-objects", "--bucket", name, "--region", region]


@contextmanager
def _absent_is_fine() -> Iterator[None]:
    """Ignore the error of a resource that is already gone."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] not in ABSENT:
            raise
