"""Apply an agent document to a stack: its credentials become a secret before the issuers that refer to it."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from tests.doubles.item_text import unpacked
from tests.samples.agent_documents import CLIENT_ID, entry, outputs
from tests.samples.agent_documents import document as agent_document
from tests.stack.conftest import Stack


@pytest.fixture
def apply(stack: Stack, tmp_path: Path):
    """Return a function that applies a one-certificate document with this client secret; clean up afterwards."""
    mark = uuid.uuid4().hex[:8]
    name = f"agent-{mark}"
    file = tmp_path / "agent.yaml"

    def run(secret: str, *options: str):
        data = agent_document(
            entry(name=name, application_name=mark, file_output=outputs(mark)),
            auth={"type": "universal-auth", "config": {"client-id": CLIENT_ID, "client-secret": secret}},
            infisical={"address": f"https://{mark}.infisical.invalid"},
        )
        file.write_text(json.dumps(data))
        done = stack.evercert("apply", str(file), "--no-nudge", "--json", *options)
        assert done.returncode == 0, done.stderr
        assert secret not in done.stdout + done.stderr
        return json.loads(done.stdout)

    run.mark, run.name = mark, name
    yield run
    stack.evercert("delete", name, "--yes")


def test_agent_credentials_are_stored_only_in_a_secret(stack: Stack, apply) -> None:
    first, second = uuid.uuid4().hex, uuid.uuid4().hex
    secrets = stack.client("secretsmanager")

    ((name, verb),) = apply(first, "--dry-run")["credentials"].items()
    assert verb == "create"
    with pytest.raises(secrets.exceptions.ResourceNotFoundException):
        secrets.describe_secret(SecretId=name)

    done = apply(first)
    assert done["credentials"] == {name: "create"}
    assert [step["verb"] for step in done["steps"]] == ["create"]
    address = f"https://{apply.mark}.infisical.invalid"
    expected = {"address": address, "client-id": CLIENT_ID, "client-secret": first}
    assert json.loads(secrets.get_secret_value(SecretId=name)["SecretString"]) == expected
    tags = secrets.describe_secret(SecretId=name)["Tags"]
    assert {"Key": "evercert:stack", "Value": "evercert"} in tags

    again = apply(first)
    assert (again["credentials"], again["steps"], again["issuers"]) == ({name: "unchanged"}, [], [])

    # The host does not exist, so no login can show that the second secret is accepted.
    assert apply(second, "--no-login-check")["credentials"] == {name: "change"}
    assert json.loads(secrets.get_secret_value(SecretId=name)["SecretString"])["client-secret"] == second

    tables = json.dumps([*map(unpacked, stack.items()), stack.items(table=stack.outputs["IssuersTable"])])
    assert f"infisical.{apply.mark}_infisical_invalid." in tables
    assert first not in tables
    assert second not in tables
