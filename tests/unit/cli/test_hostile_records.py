"""Stored items of every kind: the command lists, shows and deletes them, and works for all others."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from evercert.aws.dynamodb import items
from evercert.aws.tags import Owner
from evercert.canonical_json import canonical_json
from evercert.cli import app, terminal
from evercert.cli.doctor.certificate_checks import check_records
from evercert.contracts.record import Record
from evercert.contracts.spec_store import Change
from evercert.documents.spec import Component
from evercert.operations.escapes import quoted, unquoted
from tests.doubles.command import no_secret
from tests.doubles.fakes import START, FakeQueue, FakeTable, spec
from tests.doubles.strict_aws import ACCOUNT, REGION
from tests.unit.operations.report.test_page import require_harmless

UID = "8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44"
NAMES = ["", " ", "a b", "-web", "--all", "a/b", "\x1b[31mred", "a\nb", "\x00", "a\x7fb", "\x9b31m", "\u202egpj", "a\u2028b", "\ud800",
         "x\udfffy", "a'b", 'a"b', '"web"', "'web'", "$(id)", "`id`", "a\\b", "\\x1b", "x" * 2_000, "ü", "\U0001f600", "[web]", ":a:",
         "web\t", "null", "*", "..", "#", "certificate#web", "\U000e0041"]  # fmt: skip
VALUES: list[dict[str, Any]] = [
    {"S": ""}, {"S": "\x1b[31m\u202e"}, {"S": "9999-12-31T23:59:59-14:00"}, {"S": "0001-01-01T00:00:00+14:00"}, {"S": "[" * 100_000},
    {"S": '{"a":1e999999}'}, {"N": "9.99E+125"}, {"N": "-1"}, {"N": "1E-130"}, {"B": b"\xff"}, {"SS": ["a"]}, {"NS": ["1"]}, {"BS": [b"a"]},
    {"BOOL": True}, {"NULL": True}, {"L": [{"M": {}}]}, {"M": {"a": {"L": []}}}, {"M": {"until": {"S": "x"}}},
]  # fmt: skip
Ended = tuple[int, str, str]


@pytest.fixture
def table() -> FakeTable:
    """Return a table with the healthy certificate `web`."""
    table = FakeTable()
    table.write_issuer("main", Component(type="self-signed"))
    table.write([Change(Record(name="web", uid=UID, spec=spec(), generation=1), None)], START)
    return table


@pytest.fixture
def evercert(
    table: FakeTable, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """Run the command; a traceback or a report of a bug fails the test."""
    secrets = SimpleNamespace(compare=lambda credentials: {}, write=lambda credentials, verbs: None)
    connection = SimpleNamespace(
        specs=table,
        queue=FakeQueue(),
        outputs={},
        parameters={},
        credential_secrets=secrets,
        id="arn:aws:cloudformation:eu-central-1:123456789012:stack/evercert/1",
        clients=SimpleNamespace(secretsmanager=SimpleNamespace(describe_secret=no_secret)),
        owner=Owner(ACCOUNT, REGION, "evercert"),
        regions=[REGION],
        name="evercert",
    )
    monkeypatch.setattr(terminal, "connect", lambda stack, region: connection)

    def run(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["evercert", *arguments])
        with pytest.raises(SystemExit) as ended:
            app.run()
        captured = capsys.readouterr()
        code = int(ended.value.code or 0)
        assert code in (0, 2), (arguments, captured)
        assert all(c.isprintable() or c == "\n" for c in captured.out.replace("\t", "") + captured.err)
        tabs = {line.count("\t") for line in captured.out.splitlines()}
        assert len(tabs) <= 1 or arguments[0] != "list", "only the tabs between the cells"
        return code, captured.out, captured.err

    return run


def put(table: FakeTable, name: str, /, **changes: Any) -> None:
    item = {**table.items[items.pk("web"), items.SK], "pk": {"S": items.pk(name)}, **changes}
    table.items[items.pk(name), items.SK] = {key: value for key, value in item.items() if value is not None}


def planted(table: FakeTable) -> list[str]:
    """Put a broken record for each attribute and value; return their names."""
    known = {*table.items[items.pk("web"), items.SK], "facts", "last_error", "requested_at", "served", "renew_at", "pending", "paused_until",
             "deliveries", "revision", "outcomes", "request_reason", "woken_at", "kept_key", "claim", "unknown"} - {"pk", "sk"}  # fmt: skip
    names = []
    for attribute in sorted(known):
        for number, value in enumerate(VALUES):
            names.append(f"{attribute}-{number}")
            put(table, names[-1], **{attribute: value})
    return names


def test_list_shows_every_record(table: FakeTable, evercert: Callable[..., Ended]) -> None:
    names = {"web", *planted(table), *NAMES}
    for name in NAMES:
        put(table, name)
    code, out, _ = evercert("list", "--json")
    assert (code, {row["name"] for row in json.loads(out)}) == (0, names)
    assert evercert("list", "--all")[1].count("\n") == len(names) + 1


def test_list_survives_a_record_that_cannot_be_shown(
    table: FakeTable, evercert: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evercert.operations.summaries.to_text", lambda moment: 1 / 0)
    rows = json.loads(evercert("list", "--json")[1])
    assert rows == [{"name": "web", "state": "unreadable", "error": "cannot be shown (ZeroDivisionError)"}]


def test_report_and_timeline_count_every_record(table: FakeTable, evercert: Callable[..., Ended]) -> None:
    names = [*planted(table), *NAMES]
    for name in NAMES:
        put(table, name)
    code, out, _ = evercert("report", "--html", "-")
    assert code == 0 and f"<caption>Total: {len({'web', *names}):,}</caption>" in out
    assert require_harmless(out).tags["table"] == 3
    code, out, _ = evercert("list", "--timeline")
    assert code == 0 and f" of {len({'web', *names}):,} certificates end" in out


def test_broken_records_do_not_stop_renewals_and_documents(
    table: FakeTable, evercert: Callable[..., Ended], tmp_path: Any
) -> None:
    planted(table)
    for name in NAMES:
        put(table, name)
    code, out, _ = evercert("renew", "--all", "--yes", "--json")
    assert code == 0 and "web" in json.loads(out)["certificates"]
    document = tmp_path / "document.json"
    target: dict[str, Any] = {"destinations": [{"type": "secrets-manager"}]}
    document.write_text(canonical_json({"version": "evercert/v1", "certificates": [spec("new", **target).document()]}))
    code, out, _ = evercert("apply", str(document), "--json", "--no-nudge")
    assert code == 0 and [step["name"] for step in json.loads(out)["steps"]] == ["new"]


def test_doctor_checks_every_record(table: FakeTable) -> None:
    planted(table)
    for name in NAMES:
        put(table, name)
    assert "certificates unreadable" in {check.name for check in check_records(table.records(), START)}


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:20])
def test_listed_name_can_be_shown_and_deleted(name: str, table: FakeTable, evercert: Callable[..., Ended]) -> None:
    put(table, name)
    row = next(line for line in evercert("list")[1].splitlines() if "unreadable" in line)
    pasted = shlex.split(row)[0]  # as a shell reads it
    assert unquoted(pasted) == name
    code, out, _ = evercert("show", pasted, "--json")
    assert (code, json.loads(out)["name"]) == (0, name)
    assert f"evercert delete {quoted(name)}" in evercert("show", pasted)[2]
    assert json.loads(evercert("delete", pasted, "--yes", "--json")[1]) == [{"name": name, "remaining": []}]
    assert [record.name for record in table.records()] == ["web"]


@pytest.mark.parametrize(
    "name", [name for name in NAMES if not name.startswith(("-", '"'))], ids=lambda name: ascii(name)[:20]
)
def test_name_without_quotes_is_accepted_too(name: str, table: FakeTable, evercert: Callable[..., Ended]) -> None:
    put(table, name)
    assert evercert("show", name)[0] == 0


@pytest.mark.parametrize("uid", [None, *VALUES[:3], *VALUES[6:], {"S": UID.upper()}, {"S": f"urn:uuid:{UID}"}], ids=str)
def test_record_with_any_uid_can_be_deleted(
    uid: dict[str, Any] | None, table: FakeTable, evercert: Callable[..., Ended]
) -> None:
    put(table, "broken", uid=uid, name={"S": "broken"}, spec={"S": "{"})
    assert evercert("delete", "broken", "--yes")[0] == 0
    assert [record.name for record in table.records()] == ["web"]


@pytest.mark.parametrize("name", ["web", "*.example.com", "a.b_c-d", "x" * 200])
def test_valid_names_are_printed_without_quotes(name: str) -> None:
    assert quoted(name) == name


@pytest.mark.parametrize("text", ['"', '"a', '"a"b', '"\\x1b"', "1", "null", '"' + "[" * 100_000])
def test_text_that_is_not_quoted_is_a_name(text: str) -> None:
    assert unquoted(text) == text


def test_name_longer_than_a_key_is_refused(evercert: Callable[..., Ended]) -> None:
    for name in ("x" * 2_037, "ü" * 1_019):
        code, _, err = evercert("show", name)
        assert code == 2 and "longer than any stored name" in err
