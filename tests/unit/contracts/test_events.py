"""Events: one outcome for machines, filters and mailboxes, and the same id however often it is sent."""

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


def test_the_event_is_a_cloud_event():
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


def test_a_repeat_has_the_same_id():
    assert outcome().event_id == outcome(severity="critical", data={}).event_id


@pytest.mark.parametrize(
    "changes",
    [{"number": 13}, {"revision": 4}, {"uid": "00000000-0000-4000-8000-000000000000"}],
    ids=["number", "revision", "uid"],
)
def test_another_outcome_has_another_id(changes):
    assert outcome(**changes).event_id != outcome().event_id


def test_history_sorts_by_revision_and_number_as_text():
    keys = [outcome(revision=r, number=n).key for r, n in [(1, 2), (1, 10), (2, 1), (10, 1)]]
    assert keys == sorted(keys)


def test_carries_five_attributes_for_filter_policies():
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
def test_the_subject_is_a_line_that_sns_takes(name, kind):
    subject = outcome(name=name, type=kind).subject
    assert subject.startswith("evercert: ")
    assert len(subject) < 100
    assert subject.isascii()
    assert subject.isprintable()


def test_a_subject_of_99_letters_is_whole():
    assert outcome(name="x" * 81).subject == f"evercert: {'x' * 81} renewed"
    assert len(outcome(name="x" * 82).subject) == 99


@pytest.mark.parametrize("name", ["web", "x" * 200])
def test_the_subject_tells_a_failure_from_a_success(name):
    assert outcome(name=name, type="certificate.failed").subject != outcome(name=name).subject


def test_the_mail_has_one_fact_a_line():
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


def test_the_mail_leaves_out_what_is_empty_but_not_a_zero():
    assert outcome(data={"a": None, "b": [], "c": {}, "failures": 0}).text().splitlines()[2:] == ["failures: 0"]


def test_the_mail_shows_nested_facts_as_json():
    text = outcome(data={"locations": [{"location": "arn", "version": "v"}]}).text()
    assert 'locations: [{"location": "arn", "version": "v"}]' in text


@pytest.mark.parametrize(("name", "told"), [("a\x1b[2J\nb", "a [2J b"), ("", "?"), ("web", "web")])
def test_a_name_that_hands_have_made_keeps_no_event_from_the_topic(name: str, told: str):
    """SNS message attributes: no control characters (`InvalidParameterValue`), and not empty."""
    assert outcome(name=name).attributes()["certificate"] == told


def test_words_of_others_forge_no_line_of_a_mail():
    text = outcome(data={"message": "no\nserial number: 00\x1b[2J", "names": ["a\nb"]}).text()
    assert len(text.splitlines()) == 4
    assert "\x1b" not in text


def test_an_outcome_reads_back_as_it_was_stored():
    assert Outcome.model_validate(outcome().model_dump(mode="json")) == outcome()
