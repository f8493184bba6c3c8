"""`make acceptance` against the emulator: a stack of its own beside the one of the tests, and nothing left of it."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.stack.conftest import Stack
from tests.tools.acceptance import command, deployment
from tests.tools.acceptance.run import Acceptance
from tests.tools.local_authority import LocalAuthority, serve_authority
from tests.tools.local_stack import ACCOUNT, REGION, ROOT
from tests.tools.ports import free_port

pytestmark = [pytest.mark.timeout(600), pytest.mark.another_stack]  # whose resources are gone when calls are judged

BUILT = ROOT / ".local" / "build" / "template.yaml"


class LocalRun(Acceptance):
    """A run whose authority is reachable on the loopback only."""

    stack: Stack

    @contextmanager
    def authority(self, outputs) -> Iterator[dict[str, str | None]]:
        with serve_authority(self.stack.running, outputs) as found:
            require_answer(found)
            yield {"address": found.address, "ca-bundle": found.ca_bundle}


def require_answer(authority: LocalAuthority) -> None:
    """Wait until the front's first worker runs: on a busy machine it starts more slowly than an issuer waits."""
    trusted = ssl.create_default_context(cadata=authority.ca_bundle)
    for _ in range(6):
        with suppress(httpx.HTTPError):
            if httpx.get(f"{authority.address}/", verify=trusted, timeout=30).status_code == httpx.codes.NOT_FOUND:
                return
        time.sleep(1)
    pytest.fail("the authority's front does not answer")


def left(stack: Stack, name: str) -> list[str]:
    """Return the names of all resources that contain the name of the run, but deleted ones."""
    found = [table for table in stack.client("dynamodb").list_tables()["TableNames"] if name in table]
    found += [secret["Name"] for secret in stack.client("secretsmanager").list_secrets()["SecretList"]]
    found += [topic["TopicArn"] for topic in stack.client("sns").list_topics()["Topics"]]
    found += stack.client("sqs").list_queues().get("QueueUrls", [])
    found += [bucket["Name"] for bucket in stack.client("s3").list_buckets()["Buckets"]]
    found += [group["logGroupName"] for group in stack.client("logs").describe_log_groups()["logGroups"]]
    found += [function["FunctionName"] for function in stack.client("lambda").list_functions()["Functions"]]
    return [one for one in found if name in one]


def test_acceptance_passes_and_leaves_nothing(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable, value in stack.running.environment.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(deployment, "FOLDER", tmp_path)
    monkeypatch.setattr(command, "FOLDER", tmp_path)
    state = deployment.State(deployment.new_name(), ACCOUNT, REGION)
    client, environment = command.connect(state)
    made = deployment.Deployment(state, client, environment, BUILT)
    made.parameters["AuthorityAddress"] = f"https://127.0.0.1:{free_port()}"
    run = LocalRun(made, environment, tmp_path)
    run.stack = stack
    code = command.conduct(run, tmp_path / f"{state.name}.calls")
    said = capsys.readouterr()
    assert code == 0, said.out + said.err
    assert left(stack, state.name) == []
    keys = [one["KeyId"] for one in stack.client("kms").list_keys(Limit=1_000)["Keys"]]
    tags = {key: json.dumps(stack.client("kms").list_resource_tags(KeyId=key)["Tags"]) for key in keys}
    ours = [key for key in keys if state.name in tags[key]]
    states = {stack.client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"] for key in ours}
    assert (len(ours) >= 3, states) == (True, {"PendingDeletion"})
    report = json.loads((tmp_path / f"{state.name}-report.json").read_text())
    assert (report["passed"], report["failure"], report["not_removed"]) == (True, None, [])
    assert report["calls"]["secretsmanager GetSecretValue"] >= 4
    text = json.dumps(report)
    assert ACCOUNT not in text
    assert "PRIVATE KEY" not in text
