"""Destinations in regions and with keys that the stack's parameters do not list."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from evercert.aws.tags import Owner
from evercert.cli import app, places, terminal
from evercert.cli.connection import Connection
from evercert.documents.spec import Component
from tests.doubles.fakes import FakeQueue, FakeTable, spec
from tests.doubles.strict_aws import ACCOUNT, REGION

US, WEST = "us-east-1", "eu-west-1"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
ROLE = "arn:aws:iam::444455556666:role/r"


def refused(parameters: dict[str, str], **settings: str) -> list[str]:
    stack_id = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/evercert/1"
    rest: Any = (None, {}, parameters, None, None)
    wanted = spec("web").model_copy(update={"destinations": (Component.model_validate(settings),)})
    return places.refused([wanted], Connection("evercert", stack_id, "", *rest))


@pytest.mark.parametrize(
    ("settings", "refusal"),
    [
        ({"type": "acm"}, False),
        ({"type": "acm", "region": REGION}, False),
        ({"type": "acm", "region": US}, False),
        ({"type": "acm", "region": WEST}, True),
        ({"type": "acm", "arn": f"arn:aws:acm:{WEST}:{ACCOUNT}:certificate/1"}, True),
        ({"type": "acm", "arn": f"arn:aws:acm:{US}:{ACCOUNT}:certificate/1"}, False),
        ({"type": "secrets-manager", "region": WEST}, True),
        ({"type": "secrets-manager", "region": WEST, "role": ROLE}, False),
    ],
)
def test_region_must_be_listed(settings: dict[str, str], refusal: bool) -> None:
    message = f"web: destination {settings['type']}: the stack may not store certificates in region {WEST}; "
    remedy = "add it to the stack's parameter DestinationRegions, or name another region"
    assert refused({"DestinationRegions": US}, **settings) == [message + remedy] * refusal


@pytest.mark.parametrize(
    ("listed", "role", "refusal"),
    [
        ("", {}, True),
        ("arn:aws:s3:::other, arn:aws:s3:::certificates", {}, False),
        ("arn:aws:s3:::certificates-2", {}, True),
        ("", {"role": ROLE}, False),
    ],
)
def test_bucket_must_be_listed(listed: str, role: dict[str, str], refusal: bool) -> None:
    message = "web: destination s3: the stack may not store certificates in bucket certificates; "
    remedy = "add arn:aws:s3:::certificates to the stack's parameter DestinationBuckets"
    parameters = {"DestinationBuckets": listed, "SecretKeys": KEY}
    found = refused(parameters, type="s3", bucket="certificates", **{"kms-key": KEY}, **role)
    assert found == [message + remedy] * refusal


@pytest.mark.parametrize(
    ("listed", "role", "refusal"),
    [("", {}, True), (f"x, {KEY}", {}, False), (KEY + "2", {}, True), ("", {"role": ROLE}, False)],
)
def test_key_must_be_listed(listed: str, role: dict[str, str], refusal: bool) -> None:
    message = f"web: destination secrets-manager: the stack may not use {KEY}; "
    remedy = "add it to the stack's parameter SecretKeys, or remove kms-key"
    found = refused({"SecretKeys": listed}, type="secrets-manager", **{"kms-key": KEY}, **role)
    assert found == [message + remedy] * refusal


@pytest.mark.parametrize("options", [[], ["--dry-run"]], ids=["apply", "dry run"])
def test_apply_refuses_an_unlisted_region_before_writing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, options: list[str]
) -> None:
    table, secrets = FakeTable(), SimpleNamespace(compare=lambda credentials: {})
    table.write_issuer("main", Component(type="self-signed"))
    before = dict(table.items)
    connection = SimpleNamespace(
        specs=table, queue=FakeQueue(), outputs={}, parameters={}, credential_secrets=secrets,
        owner=Owner(ACCOUNT, REGION, "evercert"), regions=[REGION, US],
    )  # fmt: skip
    monkeypatch.setattr(terminal, "connect", lambda stack, region: connection)
    document = tmp_path / "document.json"
    away = spec(destinations=[{"type": "secrets-manager"}, {"type": "acm", "region": WEST}]).document()
    document.write_text(json.dumps({"version": "evercert/v1", "certificates": [away]}))
    monkeypatch.setattr(sys, "argv", ["evercert", "apply", str(document), *options])
    with pytest.raises(SystemExit) as ended:
        app.run()
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.count("\n") == 1
    assert (
        f"the stack may not store certificates in region {WEST}; add it to the stack's parameter DestinationRegions"
        in said
    )
    assert (table.items, connection.queue.sent) == (before, [])
