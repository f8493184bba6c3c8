"""Commands that remove a stack and what it leaves behind, in the order in which they lose least."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evercert.cli.uninstall import leftovers

if TYPE_CHECKING:
    from evercert.cli.connection import DescribedStack
    from evercert.cli.uninstall.leftovers import Leftover

KEY_WAIT, SECRET_WAIT = 30, 30  # days in which AWS can still restore a key or a secret: the maximum
# Versions in one DeleteObjects: its argument must stay below 128 KB, the limit of Linux. 100,000 versions in all.
VERSIONS, ROUNDS = 400, 250
_KEY, _TABLE, _BUCKET = "AWS::KMS::Key", "AWS::DynamoDB::Table", "AWS::S3::Bucket"
_REMOVALS = {  # commands by type, without the region; the word ID is the resource's
    "AWS::SecretsManager::Secret": [
        f"aws secretsmanager delete-secret --secret-id ID --recovery-window-in-days {SECRET_WAIT}"
    ],
    "AWS::SSM::Parameter": ["aws ssm delete-parameter --name ID"],
    "AWS::CertificateManager::Certificate": ["aws acm delete-certificate --certificate-arn ID"],
    _TABLE: [
        "aws dynamodb update-table --table-name ID --no-deletion-protection-enabled",
        "aws dynamodb delete-table --table-name ID",
    ],
    "AWS::SNS::Topic": ["aws sns delete-topic --topic-arn ID"],
    "AWS::SQS::Queue": ["aws sqs delete-queue --queue-url ID"],
    _BUCKET: ["aws s3 rb s3://ID"],
    _KEY: [f"aws kms schedule-key-deletion --key-id ID --pending-window-in-days {KEY_WAIT}"],
}


@dataclass(frozen=True)
class Step:
    """Step of the removal: what it removes, what is lost with it, and its commands."""

    title: str
    loss: str
    commands: list[str] = field(default_factory=list)

    def values(self) -> dict[str, object]:
        """Return the step as JSON values."""
        return {"title": self.title, "loss": self.loss, "commands": self.commands}


def steps(stack: DescribedStack) -> list[Step]:
    """Return the steps that have something to remove; only reads."""
    retained = leftovers.of_template(stack)
    keys = [each for each in retained if each.type == _KEY]
    found = [
        Step(
            "stack: functions, roles, schedules, queue, alarms, logs, API",
            "nothing is issued or renewed any more",
            [] if stack.status == "DELETE_COMPLETE" else [_delete_stack(stack)],
        ),
        Step(
            "deliveries: certificates in Secrets Manager, Parameter Store and ACM",
            "services that use them fail at their next start or at once; keep those that are in use",
            _commands(leftovers.deliveries(stack)),
        ),
        Step(
            "credentials of issuers",
            f"Secrets Manager can restore them for {SECRET_WAIT} days",
            _commands(leftovers.credentials(stack)),
        ),
        Step(
            "data: tables, topic, dead-letter queue, published CRLs",
            "definitions, history, revocations and the signing ledger; clients that require a CRL reject certificates "
            "of the authority",
            _commands(each for each in retained if each.type != _KEY),
        ),
        Step(
            "keys of the authority's CAs",
            "no certificate of the authority can be issued or revoked any more",
            _commands(leftovers.ca_keys(stack)),
        ),
        Step(
            "keys of the stack",
            "backups of the tables and undelivered messages become unreadable",
            _commands(keys),
        ),
    ]
    return [step for step in found if step.commands]


def _delete_stack(stack: DescribedStack) -> str:
    region = stack.clients.cloudformation.meta.region_name
    return shlex.join(["aws", "cloudformation", "delete-stack", "--stack-name", stack.name, "--region", region])


def _commands(found: Iterable[Leftover]) -> list[str]:
    return [command for each in found for command in _removal(each)]


def emptying(bucket: str, region: str) -> str:
    """Return a loop that deletes every version in a bucket; `aws s3 rm` and `aws s3 rb --force` leave earlier ones."""
    where = f"--bucket {shlex.quote(bucket)} --region {shlex.quote(region)}"
    objects = "{Objects: [Versions, DeleteMarkers][].{Key: Key, VersionId: VersionId}, Quiet: `true`}"
    listed = f"aws s3api list-object-versions {where} --no-paginate --max-keys {VERSIONS} --output json"
    return (
        f"for round in $(seq {ROUNDS}); do found=$({listed} --query '{objects}'); case $found in "
        f'*VersionId*) aws s3api delete-objects {where} --delete "$found" || break;; *) break;; esac; done'
    )


def _removal(each: Leftover) -> list[str]:
    """Return the commands that remove a resource."""
    commands = [command.split() for command in _REMOVALS[each.type]]
    if each.type == _TABLE and not each.protected:
        commands = commands[1:]
    named = [
        [word.replace("ID", each.id) if word in {"ID", "s3://ID"} else word for word in words] for words in commands
    ]
    before = [emptying(each.id, each.region)] if each.type == _BUCKET else []
    return before + [f"{shlex.join(words)} --region {each.region}" for words in named]
