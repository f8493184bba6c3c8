"""A certificate is renewed, and rolled back in Secrets Manager and ACM."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.doubles.world import assert_pair
from tests.stack.conftest import Stack, until, written

pytestmark = pytest.mark.timeout(600)


def imported(stack: Stack, name: str) -> tuple[str, int]:
    """Return ARN and serial number of the certificate in ACM."""
    (record,) = [item for item in stack.items(name) if item["sk"]["S"] == "record"]
    places = [delivery["M"]["location"]["S"] for delivery in record["deliveries"]["M"].values()]
    (arn,) = [place for place in places if ":acm:" in place]
    pem = stack.client("acm").get_certificate(CertificateArn=arn)["Certificate"]
    return arn, x509.load_pem_x509_certificate(pem.encode()).serial_number


def test_rollback_restores_secret_and_acm_certificate(
    stack: Stack, announced: Callable[[], list[dict[str, Any]]], tmp_path: Path
) -> None:
    name = f"rolled-{uuid.uuid4().hex[:8]}"
    kind = [{"type": "secrets-manager"}, {"type": "acm"}]
    file = written(tmp_path, {"development": {"type": "self-signed"}}, [{"name": name, "destinations": kind}])
    assert stack.evercert("apply", file, "--wait").returncode == 0
    first, (arn, serial) = stack.secret(name), imported(stack, name)
    assert stack.evercert("renew", name, "--wait").returncode == 0
    second = stack.secret(name)
    assert second["serial_number"] != first["serial_number"]

    done = stack.evercert("rollback", name, "--reason", "the stack test", "--yes", "--wait", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    value = json.loads(done.stdout)
    assert (value["from"]["serial_number"], value["to"]["serial_number"]) == (
        second["serial_number"],
        first["serial_number"],
    )
    assert stack.secret(name) == first
    assert stack.secret(name, "AWSPREVIOUS") == second
    assert imported(stack, name) == (arn, serial)
    assert_pair(stack.secret(name))

    def told() -> list[dict[str, Any]]:
        return [e for e in announced() if e["subject"] == name and e["type"] == "certificate.rolled-back"]

    assert until(lambda: bool(told()), 60)
    data = told()[0]["data"]
    assert (data["revision"], data["restored"], data["request"]) == (3, 1, "the stack test")
    assert data["previous"]["serial_number"] == second["serial_number"]

    again = stack.evercert("rollback", name, "--yes", "--json")  # nothing earlier is kept
    assert again.returncode == 2 and "choose a later one with --to: 2" in again.stderr
    assert stack.evercert("rollback", name, "--to", "2", "--yes", "--wait").returncode == 0
    assert stack.secret(name) == second
    assert stack.evercert("delete", name, "--yes").returncode == 0
    assert [item for item in stack.items(name) if item["sk"]["S"] in ("record", "revisions")] == []
