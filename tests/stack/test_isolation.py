"""P5 on the deployed stack: eighty valid certificates behind more than twenty that are broken in different ways."""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from evercert.documents.spec import Spec
from evercert.pki.csr_parser import read
from evercert.pki.keys import PrivateKey
from tests.doubles.world import assert_pair
from tests.stack.conftest import Stack, document, until
from tests.stack.manual_items import bundle, planted, wanted
from tests.tools.local_stack import ACCOUNT, REGION

HUGE = 380_000  # bytes; an item may have 409,600
Event = dict[str, Any]


@dataclass
class Broken:
    """One defect, and the expected message."""

    kind: str
    words: str
    spec: Any = None
    attributes: dict[str, Any] | None = None

    @property
    def type(self) -> str:
        return "spec.rejected" if self.kind == "unreadable" else "certificate.failed"


def to(kind: str = "secrets-manager", **settings: str) -> dict[str, Any]:
    return {"destinations": [{"type": kind, **settings}]}


def many_names(count: int) -> dict[str, Any]:
    return {"attributes": {"alt-names": [f"dns:host-{number}.example.com" for number in range(count)]}}


def csr() -> str:
    text = PrivateKey.generate("EC_prime256v1").sign_csr(Spec.model_validate(wanted("x")).attributes)
    return read(text).pem


@pytest.fixture(scope="module")
def mark() -> str:
    return uuid.uuid4().hex[:6]


@pytest.fixture(scope="module")
def broken(stack: Stack, mark: str) -> dict[str, Broken]:
    """Return every defect, and create the foreign resources that some of them name."""
    secrets, acm, issuers = stack.client("secretsmanager"), stack.client("acm"), stack.outputs["IssuersTable"]
    unasked, theirs = f"evercert/certificates/unasked-{mark}", f"evercert/certificates/theirs-{mark}"
    secrets.create_secret(Name=unasked, SecretString="x")
    secrets.create_secret(Name=theirs, SecretString="x", Tags=[{"Key": "evercert:stack", "Value": "another"}])
    foreign = acm.import_certificate(**bundle())["CertificateArn"]
    gone = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/{uuid.uuid4()}"
    role = f"arn:aws:iam::{ACCOUNT}:role/missing-{mark}"
    for name, definition in (
        ("not-json", "{"),
        ("unknown-type", '{"type": "carrier-pigeon"}'),
        ("settings", '{"type": "self-signed", "addres": "x"}'),
    ):
        item = {"pk": {"S": f"issuer#{name}-{mark}"}, "definition": {"S": definition}}
        stack.client("dynamodb").put_item(TableName=issuers, Item=item)
    key = {"private-key": {"algorithm": "Ed25519"}}
    return {
        "spec-not-json": Broken("unreadable", "its spec is not JSON", "{"),
        "spec-unknown-key": Broken("unreadable", "apply its document again", {"x": 1}),
        "spec-number": Broken("unreadable", "apply its document again", 7),
        "spec-of-another": Broken("unreadable", "its spec is for 'another'", wanted("another")),
        "attribute-type": Broken("unreadable", "deliveries", attributes={"deliveries": ["x"]}),
        "attribute-unknown": Broken("unreadable", "colour", attributes={"colour": "blue"}),
        "item-huge": Broken("unreadable", "notes", attributes={"notes": "x" * HUGE}),
        "issuer-unknown": Broken("misconfigured", "issuer 'unknown' is not defined; apply", {"issuer": "unknown"}),
        "issuer-not-json": Broken("misconfigured", "does not parse; apply it again", {"issuer": f"not-json-{mark}"}),
        "issuer-type": Broken(
            "misconfigured", "there is no issuer type 'carrier-pigeon'", {"issuer": f"unknown-type-{mark}"}
        ),
        "issuer-settings": Broken("misconfigured", "addres", {"issuer": f"settings-{mark}"}),
        "destination-type": Broken("misconfigured", "did you mean 'secrets-manager'", to("secret-manager")),
        "secret-untagged": Broken("misconfigured", "does not belong to this stack", to(secret=unasked)),
        "secret-of-another-stack": Broken("misconfigured", "use another name", to(secret=theirs)),
        "secret-elsewhere": Broken("misconfigured", "lacks a permission", to(secret=f"production/{mark}")),
        "arn-foreign": Broken("misconfigured", "evercert adopt", to("acm", arn=foreign)),
        "arn-gone": Broken("misconfigured", "remove `arn` from the document", to("acm", arn=gone)),
        "role": Broken("misconfigured", "it must trust the issuer function's role", to(role=role)),
        "key-type": Broken("rejected", "ACM accepts RSA and EC", {**to("acm"), **key}),
        "csr-without-key": Broken("rejected", "needs the private key: remove `csr`", {"csr": csr()}),
        "names-too-many": Broken("rejected", "split the certificate", many_names(900)),
        "region": Broken("misconfigured", "lacks a permission", to(region="eu-west-1")),
    }


DAMAGED: dict[str, dict[str, Any]] = {
    # Manual edits that leave the spec valid: these certificates are delivered.
    "claim-is-text": {"claim": "mine"},
    "claim-for-ever": {"claim": {"id": "x", "until": "2999-01-01T00:00:00.000Z"}},
    "due-mistyped": {"due_at": "tomorrow"},
    "due-lost": {"due_at": None, "due_shard": None},
    "shard-wrong": {"due_shard": "99"},
}


@pytest.fixture(scope="module")
def fleet(stack: Stack, broken: dict[str, Broken], mark: str, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Apply the broken ones first, so that they come before the others; return the valid ones."""
    table = stack.client("dynamodb")
    for way, how in broken.items():
        name = f"{way}-{mark}"
        spec = wanted(name, **how.spec) if isinstance(how.spec, dict) and how.kind != "unreadable" else how.spec
        table.put_item(TableName=stack.table, Item=planted(name, spec, **(how.attributes or {})))
    damaged = [f"{way}-{mark}" for way in DAMAGED]
    for name, attributes in zip(damaged, DAMAGED.values(), strict=True):
        table.put_item(TableName=stack.table, Item=planted(name, **attributes))
    newer = planted(f"newer-{mark}", schema=99)
    table.put_item(TableName=stack.table, Item=newer)
    good = [f"good-{number:03d}-{mark}" for number in range(80 - len(damaged))]
    applied = stack.evercert("apply", document(tmp_path_factory.mktemp("fleet"), *good))
    assert applied.returncode == 0, applied.stderr
    sweep(stack)
    return good + damaged


def sweep(stack: Stack) -> None:
    """Run the sweep as its schedule does, from the start: another test may have run it today."""
    key = {"pk": {"S": "sweep"}, "sk": {"S": "cursor"}}
    stack.client("dynamodb").delete_item(TableName=stack.table, Key=key)
    answer = stack.client("lambda").invoke(
        FunctionName=stack.outputs["CheckerFunction"], Payload=json.dumps({"task": "sweep"})
    )
    swept = json.loads(answer["Payload"].read())
    assert swept.get("finished") is True, swept


def said_by(stack: Stack) -> list[dict[str, Any]]:
    """Return the issuer's outcomes; metrics have another log format."""
    return [line["message"] for line in stack.logs("issuer") if isinstance(line.get("message"), dict)]


@pytest.fixture(scope="module")
def about(
    stack: Stack, announced: Callable[[], list[Event]], mark: str, fleet: list[str], broken: dict[str, Broken]
) -> dict[str, list[Event]]:
    """Return the events by name without the mark, once every certificate has one."""
    begun = time.monotonic()

    def heard() -> dict[str, list[Event]]:
        said: dict[str, list[Event]] = {}
        for event in announced():
            if event["subject"].endswith(f"-{mark}"):
                said.setdefault(event["subject"].removesuffix(f"-{mark}"), []).append(event)
        return said

    expected = {name.removesuffix(f"-{mark}") for name in fleet} | set(broken)
    until(lambda: heard().keys() >= expected, 150)
    print(f"\n{len(expected)} certificates, {len(broken)} broken: all announced in {time.monotonic() - begun:.0f} s")
    time.sleep(2)  # duplicates would have arrived by now
    return heard()


@pytest.mark.timeout(300)
def test_valid_certificates_are_delivered(stack: Stack, fleet: list[str], broken, about, mark: str) -> None:
    assert len(fleet) == 80
    assert len(broken) >= 20
    said = {name: [event["type"] for event in about.get(name.removesuffix(f"-{mark}"), [])] for name in fleet}
    assert said == {name: ["certificate.issued"] for name in fleet}
    records = {item["name"]["S"]: item for item in stack.items() if item["sk"]["S"] == "record" and "name" in item}
    for name in fleet:
        assert records[name]["state"]["S"] == "ready", name
        assert "claim" not in records[name], name
        assert_pair(stack.secret(name))


def test_broken_certificate_is_announced_once_with_the_fix(about: dict[str, list[Event]], broken) -> None:
    said = {way: [(e["type"], e["data"]["kind"]) for e in about.get(way, [])] for way in broken}
    assert said == {way: [(how.type, how.kind.replace("unreadable", "rejected"))] for way, how in broken.items()}
    for way, how in broken.items():
        message = about[way][0]["data"]["message"]
        assert how.words in message, way
        assert "\n" not in message
        assert len(message) <= 1_000, way


def test_broken_certificate_is_not_retried_in_a_hot_loop(stack: Stack, broken, mark: str, about) -> None:
    runs = Counter(line.get("certificate") for line in said_by(stack))
    assert max(runs[f"{way}-{mark}"] for way in broken) <= 5  # SQS may deliver a message twice


def test_record_of_a_newer_evercert_is_reported_and_unchanged(stack: Stack, mark: str, about) -> None:
    (item,) = stack.items(f"newer-{mark}")
    assert item["schema"]["N"] == "99"
    assert "claim" not in item
    assert "newer" not in about
    said = {line["outcome"] for line in said_by(stack) if line.get("certificate") == f"newer-{mark}"}
    assert said == {"newer-schema"}


def test_broken_certificate_writes_nothing_to_foreign_resources(stack: Stack, broken, mark: str, about) -> None:
    secrets = stack.client("secretsmanager")
    for name in (f"evercert/certificates/unasked-{mark}", f"evercert/certificates/theirs-{mark}"):
        assert secrets.get_secret_value(SecretId=name)["SecretString"] == "x"
    made = {
        secret["Name"] for page in secrets.get_paginator("list_secrets").paginate() for secret in page["SecretList"]
    }
    assert not made & {f"evercert/certificates/{way}-{mark}" for way in broken}


def test_fixed_certificate_is_delivered(stack: Stack, about, mark: str, tmp_path: Path) -> None:
    for way in ("spec-not-json", "item-huge", "issuer-unknown", "key-type"):
        fixed = stack.evercert("apply", document(tmp_path, f"{way}-{mark}"), "--wait")
        assert fixed.returncode == 0, fixed.stderr


def test_dead_letter_queue_is_empty(stack: Stack, about) -> None:
    queue = stack.client("sqs").get_queue_attributes(QueueUrl=stack.outputs["DeadLetters"], AttributeNames=["All"])
    assert queue["Attributes"]["ApproximateNumberOfMessages"] == "0"
