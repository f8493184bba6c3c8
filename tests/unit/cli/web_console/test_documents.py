"""Documents of the console: the plan and the effect are those of `evercert apply`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from starlette.datastructures import FormData

from evercert.aws.tags import Owner
from evercert.cli.web_console.documents import Documents
from evercert.console.document_service import InvalidInput
from evercert.console.document_text import to_text
from evercert.console.pages.new_certificate import PLACES, document_of
from evercert.contracts.record import Record
from evercert.errors import Unavailable
from tests.doubles.command import STACK_ID, no_secret
from tests.doubles.fakes import FakeQueue, FakeTable

TEXT = """\
version: evercert/v1
issuers:
  main: {type: self-signed}
certificates:
  - name: web
    issuer: main
    attributes: {alt-names: [www.example.com]}
    destinations: [{type: secrets-manager}]
"""


@pytest.fixture
def table() -> FakeTable:
    return FakeTable()


@pytest.fixture
def desk(table: FakeTable, monkeypatch: pytest.MonkeyPatch) -> Documents:
    connection: Any = SimpleNamespace(
        name="evercert", id=STACK_ID, specs=table, queue=FakeQueue(), owner=Owner.of(STACK_ID), regions=["eu-central-1"],
        outputs={}, parameters={}, listed=lambda _: [], clients=SimpleNamespace(secretsmanager=SimpleNamespace(describe_secret=no_secret)),
        credential_secrets=SimpleNamespace(compare=lambda _: {}, write=lambda *_: None),
    )  # fmt: skip
    monkeypatch.setattr("evercert.cli.preflight.compare", lambda *_: SimpleNamespace(refused=[], notes=[]))
    return Documents(connection)


def test_plan_writes_nothing(desk: Documents, table: FakeTable) -> None:
    found = desk.plan(TEXT)
    assert found.lines == ("+ issuer main (create)", "+ certificate web (create) → new certificate")
    assert (found.names, found.empty) == (("web",), False)
    assert table.record("web") is None


def test_apply_writes_and_nudges(desk: Documents, table: FakeTable) -> None:
    desk.apply(TEXT)
    assert isinstance(table.record("web"), Record)
    assert [nudge.certificate for nudge in desk.connection.queue.sent] == ["web"]  # type: ignore[attr-defined]
    assert desk.plan(TEXT).empty


def test_apply_without_a_queue_says_when_the_work_starts(desk: Documents, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Any) -> None:
        raise Unavailable("cannot send: timed out")

    monkeypatch.setattr(desk.connection.queue, "send", fail)
    assert desk.apply(TEXT).notes[-1] == "cannot send: timed out; the schedule starts the work at its next tick"


def form(**fields: str) -> str:
    """Return the document of a form."""
    values = {"name": "web", "issuer": "main", "alt-names": "www.example.com", **fields}
    return to_text({**document_of(FormData(values)), "issuers": {"main": {"type": "self-signed"}}})


FILLED = {
    "secret": "evercert/certificates/web", "region": "eu-central-1", "parameter": "/evercert/certificates/web", "bucket": "store",
    "key": "evercert/certificates/web.json", "kms-key": "arn:aws:kms:eu-central-1:123456789012:key/8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44",
}  # fmt: skip


@pytest.mark.parametrize("kind", PLACES)
def test_form_of_every_destination_can_be_planned(desk: Documents, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """The form offers what the destination requires, and nothing that it does not know."""
    monkeypatch.setattr("evercert.cli.places.refused", lambda *_: [])  # what this stack may use is not the question
    filled = {f"{kind}-{field}": FILLED[field] for field, _ in PLACES[kind]}
    assert desk.plan(form(destination=kind, **filled)).names == ("web",)


def test_label_without_a_value_is_refused(desk: Documents) -> None:
    with pytest.raises(InvalidInput, match="line 12: production"):
        desk.plan(form(destination="secrets-manager", labels="team=web, production"))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "line 1: "), (TEXT.replace("issuer: main", "isuer: main"), "line 6: "), ("a: [", "line 2: "), ("\x00", "line 1: "),
        (TEXT.replace("main: {type: self-signed}", "other: {type: self-signed}"), "web: unknown issuer 'main'"),
    ],
    ids=["empty", "key", "yaml", "control", "issuer"],
)  # fmt: skip
def test_mistakes_name_their_line(desk: Documents, table: FakeTable, text: str, line: str) -> None:
    for act in (desk.plan, desk.apply):
        with pytest.raises(InvalidInput) as raised:
            act(text)
        assert any(found.startswith(line) for found in raised.value.lines), raised.value.lines
        assert "evercert-" not in str(raised.value)
    assert table.record("web") is None
