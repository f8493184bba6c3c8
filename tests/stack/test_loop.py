"""Issue, renew and delete on the deployed stack, as an operator and a subscriber see it."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from evercert.timestamps import to_text
from tests.doubles.world import assert_pair
from tests.stack.conftest import Stack, document, until, written

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def name() -> str:
    return f"web-{uuid.uuid4().hex[:8]}"


def test_apply_waits_for_a_delivered_certificate(stack: Stack, tmp_path: Path, name: str) -> None:
    received = stack.subscribe(certificate=[name])
    done = stack.evercert("apply", document(tmp_path, name, labels={"team": "web"}), "--wait")
    assert done.returncode == 0, done.stderr
    assert f"{name}: revision 1, serial" in done.stdout
    leaf = assert_pair(stack.secret(name))
    rows = json.loads(stack.evercert("list", "--json").stdout)
    assert next(row for row in rows if row["name"] == name)["state"] == "ready"
    shown = json.loads(stack.evercert("show", name, "--json").stdout)
    assert int(shown["facts"]["serial_number"], 16) == leaf.serial_number
    assert "sealed" not in json.dumps(shown)
    text = stack.evercert("show", name).stdout
    assert f":secret:evercert/certificates/{name}" in text  # no emoji inside the ARN
    assert shown["facts"]["serial_number"] in stack.evercert("history", name).stdout  # not truncated in a pipe
    (outcome,) = json.loads(stack.evercert("history", name, "--json").stdout)
    assert outcome["type"] == "certificate.issued"
    assert until(lambda: len(received()) > 0, 20)
    assert [event["type"] for event in received()] == ["certificate.issued"]


def test_renew_keeps_the_previous_version_readable(stack: Stack, tmp_path: Path, name: str) -> None:
    stack.evercert("apply", document(tmp_path, name), "--wait")
    first = stack.secret(name)
    done = stack.evercert("renew", name, "--wait")
    assert done.returncode == 0, done.stderr
    assert "revision 2" in done.stdout
    current, previous = stack.secret(name), stack.secret(name, "AWSPREVIOUS")
    assert previous["serial_number"] == first["serial_number"] != current["serial_number"]
    assert current["private_key"] != first["private_key"]
    assert "requested" in stack.evercert("history", name).stdout


def test_filter_policy_selects_by_type_and_label(stack: Stack, tmp_path: Path, name: str) -> None:
    team = f"team={uuid.uuid4().hex[:6]}"
    ours = stack.subscribe(labels=[team], type=["certificate.issued"])
    failures = stack.subscribe(labels=[team], type=["certificate.failed"])
    labels = dict([team.split("=")])
    stack.evercert("apply", document(tmp_path, name, labels=labels), "--wait")
    assert until(lambda: len(ours()) == 1, 20)
    assert failures() == []


def test_failure_names_a_fix_that_works(stack: Stack, tmp_path: Path, name: str) -> None:
    """A foreign secret under the name: refused by `apply`, the package and IAM, announced, delivered after the fix."""
    secrets, issuer = stack.client("secretsmanager"), f"ca-{name}"
    received = stack.subscribe(certificate=[name])
    issuers = {issuer: {"type": "self-signed"}}
    assert stack.evercert("apply", written(tmp_path, issuers, [])).returncode == 0
    assert stack.evercert("pause", "--issuer", issuer).returncode == 0
    wanted = written(tmp_path, issuers, [{"name": name, "issuer": issuer}])
    assert stack.evercert("apply", wanted).returncode == 0
    assert until(lambda: "paused" in stack.evercert("list", name).stdout.split("\t"), 60)
    secrets.create_secret(Name=f"evercert/certificates/{name}", SecretString="theirs")
    changed = written(
        tmp_path, issuers, [{"name": name, "issuer": issuer, "attributes": {"common-name": "b.example.com"}}]
    )
    refused = stack.evercert("apply", changed)
    assert (refused.returncode, "does not belong to this stack" in refused.stderr) == (2, True)
    assert "1 delayed certificate started" in stack.evercert("resume", "--issuer", issuer).stdout
    assert secrets.get_secret_value(SecretId=f"evercert/certificates/{name}")["SecretString"] == "theirs"
    assert until(lambda: len(received()) == 1, 60)
    assert received()[0]["data"]["kind"] == "misconfigured"
    assert "does not belong to this stack" in received()[0]["data"]["message"]
    secrets.delete_secret(SecretId=f"evercert/certificates/{name}", ForceDeleteWithoutRecovery=True)
    assert stack.evercert("renew", name, "--wait").returncode == 0
    assert until(lambda: len(received()) == 3, 20)
    # the revision issued earlier is delivered first, then the request is served
    assert [event["type"] for event in received()[1:]] == ["certificate.issued", "certificate.renewed"]
    assert_pair(stack.secret(name))


def test_unparsable_item_is_rejected_without_effect_on_others(stack: Stack, tmp_path: Path, name: str) -> None:
    broken = f"broken-{name}"
    received = stack.subscribe(certificate=[broken])
    due = to_text(datetime.now(UTC) - timedelta(hours=1))
    stack.client("dynamodb").put_item(
        TableName=stack.table,
        Item={
            "pk": {"S": f"certificate#{broken}"}, "sk": {"S": "record"}, "schema": {"N": "1"}, "spec": {"S": '{"x": 1}'},
            "due_at": {"S": due}, "due_shard": {"S": "00"},
        },
    )  # fmt: skip
    assert stack.evercert("apply", document(tmp_path, name), "--wait").returncode == 0
    assert until(lambda: len(received()) == 1, 60)
    assert received()[0]["type"] == "spec.rejected"
    assert "does not parse" in received()[0]["data"]["message"]
    assert until(lambda: len(stack.items(broken)) == 2, 5)
    assert not [item for item in stack.items(broken) if "due_at" in item]
    listed = stack.evercert("list", "--all").stdout
    assert broken in listed
    assert "unreadable" in listed
    assert stack.evercert("apply", document(tmp_path, broken), "--wait").returncode == 0  # the fix


def test_prune_asks_before_deleting_and_keeps_the_secret(stack: Stack, tmp_path: Path, name: str) -> None:
    labels = {"team": name}
    other = f"other-{name}"
    stack.evercert("apply", document(tmp_path, name, other, labels=labels), "--wait")
    keep = document(tmp_path, other, labels=labels)
    refused = stack.evercert("apply", keep, "--prune", "--label", f"team={name}")
    assert refused.returncode == 2
    assert "pass --yes" in refused.stderr
    assert "was written" not in refused.stderr
    dry = stack.evercert("apply", keep, "--prune", "--label", f"team={name}", "--dry-run")
    assert f"- certificate {name} (delete)" in dry.stdout
    assert stack.evercert("show", name).returncode == 0
    done = stack.evercert("apply", keep, "--prune", "--label", f"team={name}", "--yes")
    assert done.returncode == 0, done.stderr
    assert stack.evercert("show", name).returncode == 2
    assert stack.evercert("show", other).returncode == 0
    assert_pair(stack.secret(name))


def test_dead_letter_queue_is_empty(stack: Stack) -> None:
    attributes = stack.client("sqs").get_queue_attributes(QueueUrl=stack.outputs["DeadLetters"], AttributeNames=["All"])
    assert attributes["Attributes"]["ApproximateNumberOfMessages"] == "0"


def test_logs_contain_no_key_material(stack: Stack) -> None:
    lines = json.dumps(stack.logs("issuer")) + json.dumps(stack.logs("checker"))
    assert "certificate.issued" in lines
    assert "PRIVATE KEY" not in lines
    assert "sealed_key" not in lines
