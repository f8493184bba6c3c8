"""The report function with its tables and a bucket: what it publishes, what it reads, and its failures."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest

from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.report_reader import RECORD_ATTRIBUTES
from evercert.aws.dynamodb.spec_store import DynamoDBSpecs
from evercert.contracts.record import Facts, Failure, KeptKey, Pending, Record
from evercert.contracts.spec_store import STACK, Change, Pause, PauseTarget
from evercert.errors import Misconfigured, Unavailable, Unexpected
from tests.doubles.fakes import spec
from tests.doubles.strict_aws import refuse
from tests.doubles.world import World
from tests.iam import recorder
from tests.tools.local_stack import REGION
from tests.unit.operations.report.test_page import require_harmless

NOW = datetime.now(UTC).replace(microsecond=0)
SECRET = "SECRET-of-the-record"
KEY = f"evercert/reports/{REGION}/world.html"


@pytest.fixture
def bucket(world: World, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"bucket-{uuid4().hex[:12]}"
    world.operator.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    world.judge_as({"ReportBucket": name})
    for variable, value in {"REPORT_BUCKET": name, "REPORT_KEY": KEY, "STACK_NAME": "world"}.items():
        monkeypatch.setenv(variable, value)
    return name


@pytest.fixture
def specs(world: World) -> DynamoDBSpecs:
    return DynamoDBSpecs(world.operator.dynamodb, world.table, world.issuers_table)


@pytest.fixture
def report(function: Callable[[str], ModuleType], bucket: str) -> Callable[[], ModuleType]:
    """Return a function that loads the report function, whose log goes to the output of that moment."""
    return lambda: function("report")


def store(world: World, specs: DynamoDBSpecs, name: str, **values: Any) -> None:
    record = Record(name=name, uid=str(uuid4()), spec=spec(name), generation=1)
    specs.write([Change(record, None)], NOW + timedelta(days=60))
    facts = Facts(
        revision=1, serial_number="01", not_before=NOW - timedelta(days=60), not_after=NOW + timedelta(days=9), fingerprint_sha256="f", names=(),
    )  # fmt: skip
    changes = {"state": "ready", "facts": facts, "renew_at": NOW + timedelta(days=1), **values}
    world.operator.dynamodb.update_item(
        TableName=world.table,
        Key=items.key(name),
        UpdateExpression="SET " + ", ".join(f"#{key} = :{key}" for key in changes),
        ExpressionAttributeNames={f"#{key}": key for key in changes},
        ExpressionAttributeValues={f":{key}": items.attribute(value) for key, value in changes.items()},
    )


def published(world: World, bucket: str) -> dict[str, Any]:
    found = world.operator.s3.get_object(Bucket=bucket, Key=KEY)
    return {**found, "text": found["Body"].read().decode("ascii")}


def messages(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line)["message"] for line in capsys.readouterr().out.splitlines()]


PENDING = Pending(
    revision=2, reason="near-expiry", generation=1, issuer="main", request_hash="h", issuer_hash="h", sealed_key=SECRET, handle=SECRET,
)  # fmt: skip
HIDDEN = {
    "pending": PENDING, "kept_key": KeptKey(sealed_key=SECRET, revision=1, algorithm="EC"), "request_hash": SECRET,
    "issuer_hash": SECRET,
}  # fmt: skip


def test_function_publishes_the_page(
    world: World, specs: DynamoDBSpecs, bucket: str, report: Any, context: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    message = "the CA refused <script>alert(1)</script>"
    failure = Failure(kind="rejected", message=message, at=NOW, generation=1)
    store(world, specs, "api", **HIDDEN)
    store(world, specs, "mail", state="failing", last_error=failure, **HIDDEN)
    specs.pause(PauseTarget(issuer="other"), Pause(NOW, "maintenance"), NOW)
    done = report().handler({}, context)
    found = published(world, bucket)
    page = require_harmless(found["text"])
    assert done == {"certificates": 2, "bytes": len(found["text"]), "key": KEY}
    assert messages(capsys) == [{"outcome": "published", **done}]
    for text in ("Certificates of world", REGION, message, "fix the error", "issuer other is paused", "maintenance"):
        assert text in page.text, text
    assert [cells[0] for cells in page.cells[-2:]] == ["api", "mail"]
    assert SECRET not in found["text"]
    assert found["ContentType"] == "text/html; charset=utf-8"
    assert found["CacheControl"] == "no-cache"


def test_function_reads_no_sealed_key(
    world: World, specs: DynamoDBSpecs, bucket: str, report: Any, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(world, specs, "api", **HIDDEN)
    module, read = report(), []
    client = module._wired()[1]._index._client
    whole = client.batch_get_item

    def recorded(**given: Any) -> Any:
        answer = whole(**given)
        read.extend(answer["Responses"][world.table])
        return answer

    monkeypatch.setattr(client, "batch_get_item", recorded)
    module.handler({}, context)
    assert len(read) == 1 and read[0].keys() <= set(RECORD_ATTRIBUTES)
    assert SECRET not in str(read)


def test_next_report_replaces_the_previous_one(
    world: World, specs: DynamoDBSpecs, bucket: str, report: Any, context: Any
) -> None:
    module = report()
    assert module.handler({}, context)["certificates"] == 0
    for number in range(250):
        specs.write(
            [Change(Record(name=f"web-{number}", uid=str(uuid4()), spec=spec(f"web-{number}"), generation=1), None)],
            NOW,
        )
    specs.pause(STACK, Pause(NOW, "<b>", NOW - timedelta(hours=1)), NOW)  # has ended
    assert module.handler({}, context)["certificates"] == 250
    text = published(world, bucket)["text"]
    assert "Total: 250" in text and "is paused" not in text


def test_unreadable_record_is_listed(
    world: World, specs: DynamoDBSpecs, bucket: str, report: Any, context: Any
) -> None:
    store(world, specs, "web", spec="{", state="nowhere")
    store(world, specs, "newer", schema=99)
    assert report().handler({}, context)["certificates"] == 2
    page = require_harmless(published(world, bucket)["text"])
    assert "evercert delete web" in page.text and "use the version of evercert that wrote the record" in page.text


@pytest.mark.parametrize("code", ["AccessDenied", "NoSuchBucket", "SlowDown"])
def test_bucket_that_refuses_is_an_error(
    report: Any, context: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    module = report()

    def refused(**_: Any) -> Any:
        raise refuse(code, "PutObject", "no")

    monkeypatch.setattr(module._wired()[2]._client, "put_object", refused)
    with pytest.raises((Misconfigured, Unavailable), match=f"^cannot store the report as {KEY} in bucket .*{code}"):
        module.handler({}, context)
    (line,) = messages(capsys)
    assert line["outcome"] == "unpublished" and code in line["message"]


def test_table_without_the_index_is_not_scanned(report: Any, context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module = report()

    def refused(**_: Any) -> Any:
        raise refuse("ValidationException", "Query", "The table does not have the specified index: records")

    monkeypatch.setattr(module._wired()[1]._index._client, "query", refused)
    with pytest.raises(Misconfigured, match="it has no index records; add the index to the table"):
        module.handler({}, context)


def test_text_of_a_bug_is_not_logged(
    report: Any, context: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = report()

    def bug(*_: Any) -> Any:
        raise ValueError(SECRET)

    monkeypatch.setattr(module, "render", bug)
    with pytest.raises(Unexpected) as raised:
        module.handler({}, context)
    assert SECRET not in str(raised.value) and raised.value.__suppress_context__
    assert SECRET not in capsys.readouterr().out


def test_function_without_a_bucket_names_the_variable(
    report: Any, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REPORT_BUCKET")
    with pytest.raises(Misconfigured, match="REPORT_BUCKET"):
        report().handler({}, context)


def test_calls_of_the_function_are_those_of_its_role(
    world: World, specs: DynamoDBSpecs, bucket: str, report: Any, context: Any
) -> None:
    store(world, specs, "web")
    report().handler({}, context)
    calls = [call["operation"] for call in recorder.calls if "functions/report/app.py" in call["from"]]
    assert sorted(calls) == ["BatchGetItem", "PutObject", "Query", "Scan"]
