"""Tests of events: CloudEvent, message attributes, mail, stable ids."""

import json
from datetime import UTC, datetime
from uuid import UUID, uuid5

import pytest

from evercert.contracts.events import Outcome

UID = "6f1c1e9a-3a0e-4c3b-9f0a-2f6d1a7b8c9d"


def outcome(**changes):
    usual = {
        "name": "web",
        "uid": UID,
        "revision": 3,
        "number": 12,
        "type": "certificate.renewed",
        "at": datetime(2026, 1, 15, 12, tzinfo=UTC),
        "issuer": "development",
        "severity": "info",
        "labels": {"team": "web", "env": "prod"},
        "data": {"name": "web", "names": ["dns:a.example", "dns:b.example"], "revision": 3, "previous": None},
    }
    return Outcome(**{**usual, **changes})


def test_outcome_is_a_cloud_event():
    event = outcome().cloud_event("arn:stack")
    assert event == {
        "specversion": "1.0",
        "id": str(uuid5(UUID(UID), "outcome#6f1c1e9a-3a0e-4c3b-9f0a-2f6d1a7b8c9d#00000003#00000012")),
        "source": "arn:stack",
        "type": "certificate.renewed",
        "subject": "web",
        "time": "2026-01-15T12:00:00.000Z",
        "datacontenttype": "application/json",
        "data": outcome().data,
    }
    assert json.loads(json.dumps(event)) == event


def test_event_id_is_stable():
    assert outcome().event_id == outcome(severity="critical", data={}).event_id


@pytest.mark.parametrize(
    "changes",
    [{"number": 13}, {"revision": 4}, {"uid": "00000000-0000-4000-8000-000000000000"}],
    ids=["number", "revision", "uid"],
)
def test_event_id_differs_between_outcomes(changes):
    assert outcome(**changes).event_id != outcome().event_id


def test_outcome_key_sorts_by_revision_and_number():
    keys = [outcome(revision=r, number=n).key for r, n in [(1, 2), (1, 10), (2, 1), (10, 1)]]
    assert keys == sorted(keys)


def test_outcome_has_five_message_attributes():
    assert outcome().attributes() == {
        "type": "certificate.renewed",
        "certificate": "web",
        "issuer": "development",
        "severity": "info",
        "labels": ["env=prod", "team=web"],
    }
    assert outcome(labels={}).attributes()["labels"] == []


@pytest.mark.parametrize(
    "kind",
    ["certificate.issued", "certificate.renewed", "certificate.delivered", "certificate.failed", "spec.rejected"],
)
@pytest.mark.parametrize("name", ["web", "x" * 200, "größe\n\x1b[2J"], ids=["short", "long", "foreign"])
def test_mail_subject_is_valid_for_sns(name, kind):
    subject = outcome(name=name, type=kind).subject
    assert subject.startswith("evercert: ")
    assert len(subject) < 100
    assert subject.isascii()
    assert subject.isprintable()


def test_mail_subject_of_99_characters_is_complete():
    assert outcome(name="x" * 81).subject == f"evercert: {'x' * 81} renewed"
    assert len(outcome(name="x" * 82).subject) == 99


@pytest.mark.parametrize("name", ["web", "x" * 200])
def test_mail_subject_shows_failures(name):
    assert outcome(name=name, type="certificate.failed").subject != outcome(name=name).subject


def test_mail_has_one_fact_per_line():
    data = {
        "name": "web",
        "names": ["dns:a.example", "dns:b.example"],
        "attempt": 2,
        "next_attempt": "soon",
        "gave_up": None,
    }
    assert outcome(type="certificate.failed", data=data).text() == (
        "Certificate web: FAILED.\n\nname: web\nnames: dns:a.example, dns:b.example\nattempt: 2\nnext attempt: soon\n"
    )


def test_mail_omits_empty_values_but_not_zero():
    assert outcome(data={"a": None, "b": [], "c": {}, "failures": 0}).text().splitlines()[2:] == ["failures: 0"]


def test_mail_shows_nested_values_as_json():
    text = outcome(data={"locations": [{"location": "arn", "version": "v"}]}).text()
    assert 'locations: [{"location": "arn", "version": "v"}]' in text


@pytest.mark.parametrize(("name", "told"), [("a\x1b[2J\nb", "a [2J b"), ("", "?"), ("web", "web")])
def test_outcome_attributes_accept_any_edited_name(name: str, told: str):
    """SNS refuses message attributes that are empty or contain control characters (`InvalidParameterValue`)."""
    assert outcome(name=name).attributes()["certificate"] == told


def test_mail_values_cannot_forge_lines():
    text = outcome(data={"message": "no\nserial number: 00\x1b[2J", "names": ["a\nb"]}).text()
    assert len(text.splitlines()) == 4
    assert "\x1b" not in text


def test_outcome_round_trips_through_storage():
    assert Outcome.model_validate(outcome().model_dump(mode="json")) == outcome()
