"""Contract of the announcer: the emulator's SNS, the strict double and the fake."""

from __future__ import annotations

import json

import pytest

from evercert.aws.sns import SNSAnnouncer
from evercert.contracts.events import Outcome
from tests.doubles.fakes import START, FakeAnnouncer
from tests.doubles.strict_aws import StrictSNS


def outcome(**changes: object) -> Outcome:
    values = {
        "name": "web", "uid": "8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44", "revision": 3, "number": 4,
        "type": "certificate.renewed", "at": START, "issuer": "main", "severity": "info",
        "labels": {"team": "web", "stage": "prod"}, "data": {"name": "web", "serial_number": "0A"},
    }  # fmt: skip
    return Outcome.model_validate({**values, **changes})


@pytest.fixture(params=["fake", "strict", "sns"])
def announcer(request: pytest.FixtureRequest):
    if request.param == "fake":
        return FakeAnnouncer()
    if request.param == "strict":
        return SNSAnnouncer(StrictSNS(), "arn:topic", "arn:stack")
    world = request.getfixturevalue("world")
    return SNSAnnouncer(world.operator.sns, world.topic, "arn:stack")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"name": "x" * 200},
        {"name": "bad\nname\x1b[31m é"},
        {"labels": {}},
        {"labels": {f"key{number}": "v" * 100 for number in range(20)}},
        {"type": "certificate.failed", "data": {"message": "é\n" * 400}},
    ],
    ids=["plain", "long name", "strange name", "no labels", "many labels", "foreign text"],
)
def test_announcer_accepts_every_outcome(announcer, changes: dict) -> None:
    announcer.announce(outcome(**changes))
    announcer.announce(outcome(**changes))


def test_message_has_a_cloud_event_and_a_text_body() -> None:
    strict = StrictSNS()
    SNSAnnouncer(strict, "arn:topic", "arn:stack").announce(outcome())
    (message,) = strict.published
    event = json.loads(message["bodies"]["default"])
    assert event["specversion"] == "1.0"
    assert (event["source"], event["type"], event["subject"]) == ("arn:stack", "certificate.renewed", "web")
    assert event["id"] == outcome().event_id
    assert "serial number: 0A" in message["bodies"]["email"]
    assert message["subject"] == "evercert: web renewed"


def test_message_has_five_filter_attributes() -> None:
    strict = StrictSNS()
    SNSAnnouncer(strict, "arn:topic", "arn:stack").announce(outcome())
    attributes = {name: value["StringValue"] for name, value in strict.published[0]["attributes"].items()}
    assert attributes == {
        "type": "certificate.renewed",
        "certificate": "web",
        "issuer": "main",
        "severity": "info",
        "labels": '["stage=prod", "team=web"]',
    }


def test_filter_policy_selects_messages(world) -> None:
    """The world's raw SQS subscriber receives the event with its attributes."""
    SNSAnnouncer(world.operator.sns, world.topic, "arn:stack").announce(outcome())
    (event,) = world.events()
    assert event["data"] == {"name": "web", "serial_number": "0A"}
