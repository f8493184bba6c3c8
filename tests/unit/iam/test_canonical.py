"""Recorded needs: the same text for two runs, and the file that holds them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.iam import recorded
from tests.iam.canonical import Canonical
from tests.iam.deployment import Deployment
from tests.iam.evaluator import Request

ID = "0a1b2c3d-0000-4000-8000-0123456789ab"


def canonical(resource: str, **context: Any) -> tuple[str, dict[str, Any]]:
    world = Deployment(stack="world", physical={"CertificatesTable": "certificates-1", "SealKey": f"key/{ID}"})
    keys = {key.replace("_", ":", 1): value for key, value in context.items()}
    entry = Canonical(world).entry("issuer", Request(world.arn("IssuerRole"), "x:Y", resource, keys))
    assert (entry["principal"], entry["action"]) == ("issuer", "x:Y")
    return entry["resource"], entry["context"]


@pytest.mark.parametrize(
    ("resource", "named"),
    [
        ("dynamodb:eu-central-1:000000000000:table/certificates-1/index/due", "table/CertificatesTable/index/due"),
        ("secretsmanager:eu-central-1:000000000000:secret:evercert/certificates/a/b-AbCdEf", "secret:evercert/certificates/NAME-AbCdEf"),
        ("secretsmanager:eu-central-1:000000000000:secret:team/tls-AbCdEf", "secret:NAME-AbCdEf"),
        ("ssm:eu-central-1:000000000000:parameter/evercert/credentials/ca", "parameter/evercert/credentials/NAME"),
        (f"acm:eu-central-1:000000000000:certificate/{ID}", "certificate/ID"),
        ("acm:eu-central-1:000000000000:certificate/*", "certificate/*"),
        (f"kms:eu-central-1:000000000000:key/{ID}", "key/SealKey"),
        (f"kms:eu-central-1:000000000000:key/{ID.replace('a', 'b')}", "key/ID"),
        ("iam::111122223333:role/certificates", "role/NAME"),
    ],
)  # fmt: skip
def test_canonical_replaces_names_of_one_run(resource: str, named: str) -> None:
    found, _ = canonical(f"arn:aws:{resource}")
    assert found.split(":", 5)[5] == named


def test_canonical_keeps_what_conditions_compare() -> None:
    owner = "000000000000/eu-central-1/world"
    _, context = canonical(
        "*",
        **{"aws_RequestTag/evercert:stack": "world", "aws_ResourceTag/evercert:stack": owner},
        **{"aws_RequestTag/evercert:certificate": "web", "kms_MessageType": "DIGEST"},
        dynamodb_Attributes=["m2026_11", "m2027_12", "pk"],
        dynamodb_LeadingKeys=["certificate#a", "certificate#b", "0c", ID],
    )
    assert context == {
        "aws:RequestTag/evercert:stack": "evercert",
        "aws:ResourceTag/evercert:stack": "000000000000/eu-central-1/evercert",
        "aws:RequestTag/evercert:certificate": "NAME",
        "kms:MessageType": "DIGEST",
        "dynamodb:Attributes": ["mYYYY_MM", "pk"],
        "dynamodb:LeadingKeys": ["NAME", "certificate#"],
    }


def test_recorded_needs_fail_a_test_or_are_added(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(recorded, "FILE", tmp_path / "needs.jsonl")
    recorded.known.cache_clear()
    try:
        with pytest.raises(pytest.fail.Exception, match="WRITE_NEEDS=1"):
            recorded.compare({"b"})
        monkeypatch.setenv("WRITE_NEEDS", "1")
        recorded.compare({"b"})
        recorded.compare({"a", "b"})
        monkeypatch.delenv("WRITE_NEEDS")
        recorded.compare({"a"})
        assert recorded.FILE.read_text() == "a\nb\n"
    finally:
        recorded.known.cache_clear()
