"""Every command runs with exactly the policy that docs/how-to/permissions.md promises for it (docs/policies)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import pytest

from tests.iam import people
from tests.iam.judge import Judge, Judged
from tests.iam.policies import statements
from tests.iam.processes import CallLog
from tests.stack import every_command
from tests.stack.conftest import Stack
from tests.stack.every_command import People
from tests.tools.json_schemas.registry import ERRORS, SCHEMAS
from tests.tools.local_authority import serve_authority
from tests.tools.reference_pages import command_paths

pytestmark = pytest.mark.timeout(600)  # the first test runs all commands
# Without a CA behind the account, or a request that waits, these commands fail.
WITHOUT_OUTPUT = {
    ERRORS,
    "issuer rotate-key",
    "issuer deactivate-account",
    "issuer register-account",
    "authority request approve",
}
SERVERS = {"console", "console --read-only"}  # tests/stack/test_console_peers.py runs them
# Of the read-only `doctor`: the page says that it shows one check as unknown.
REFUSED = {("read-only", "lambda:InvokeFunction", "cli/doctor/certificate_checks.py")}


@pytest.fixture(scope="module")
def commands(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    """Run every command; the configuration of the authority that other tests made is set aside meanwhile."""
    run = People(stack, CallLog(tmp_path_factory.mktemp("people")), tmp_path_factory.mktemp("documents"))
    table, dynamodb = stack.outputs["AuthorityConfiguration"], stack.client("dynamodb")
    before = stack.items(table=table)
    name = f"people-{uuid.uuid4().hex[:8]}"
    try:
        every_command.of_certificates(run, name)
        every_command.of_deliveries(run, name)
        every_command.of_host(run)
        every_command.of_credentials(run)
        empty(stack, table)
        every_command.of_external_ca(run)
        empty(stack, table)
        with serve_authority(stack.running, stack.outputs) as found:
            every_command.of_revocation(run, found, every_command.of_authority(run, stack.outputs["IssuerRole"]))
        yield run
    finally:
        empty(stack, table)
        for item in before:
            dynamodb.put_item(TableName=table, Item=item)


def empty(stack: Stack, table: str) -> None:
    for key in every_command.keys_of(stack.items(table=table)):
        stack.client("dynamodb").delete_item(TableName=table, Key=key)


@pytest.fixture(scope="module")
def judged(stack: Stack, commands: People) -> list[Judged]:
    """Judge all calls under the policies for people, and the policies of the keys of this account."""
    documents = {name: people.document(name, stack.deployment) for name in people.POLICIES}
    judge, kms = Judge(stack.deployment, documents), stack.client("kms")
    for key in (one["KeyArn"] for page in kms.get_paginator("list_keys").paginate() for one in page["Keys"]):
        policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
        judge.facts.key_policies.setdefault(key, statements(policy, f"policy of key {key}"))
    return judge.judge(commands.records)


def test_people_run_every_command(commands: People) -> None:
    ran = {" ".join(word for word in command.split() if not word.startswith("-")) for command in commands.ran}
    assert sorted(ran) == sorted(set(command_paths()) - {"console"})
    assert sorted(commands.ran) == sorted(commands.promises.keys() - SERVERS)


def test_output_of_every_command_matches_its_schema(commands: People) -> None:
    assert SCHEMAS.keys() - commands.validated == WITHOUT_OUTPUT


def test_commands_need_no_more_than_their_policy(judged: list[Judged]) -> None:
    assert people.refusals(judged, REFUSED) == []


def test_read_only_doctor_reports_a_missing_permission(commands: People) -> None:
    assert commands.unknown == {"issuer function's own view"}


def test_policies_grant_no_more_than_commands_use(stack: Stack, judged: list[Judged]) -> None:
    unused = people.granted(stack.deployment) - people.used(judged)
    assert people.superfluous(unused, people.explanations(stack.deployment)) == []
