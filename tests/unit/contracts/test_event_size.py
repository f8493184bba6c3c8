"""The size of events: each outcome can be announced, whatever is in it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from evercert import json_parser
from evercert.aws.dynamodb import items
from evercert.aws.sns import SNSAnnouncer
from evercert.contracts.event_size import DEEPEST, LARGEST, LARGEST_LABELS, fitted
from evercert.contracts.events import Outcome
from tests.doubles.strict_aws import StrictSNS

TEXTS = ["x", '"', "\\", "\x00", "ä", "€", "😀", "\ud800", "\u2028"]


def outcome(data: dict[str, Any], **changes: Any) -> Outcome:
    usual: dict[str, Any] = {
        "name": "web", "uid": "8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44", "revision": 1, "number": 1,
        "type": "certificate.failed", "at": datetime(2026, 1, 15, tzinfo=UTC), "issuer": "main", "severity": "info",
    }  # fmt: skip
    return Outcome(**{**usual, "data": data, **changes})


def announced(made: Outcome) -> dict[str, Any]:
    """Return the data as published and stored, within every limit."""
    strict = StrictSNS()
    SNSAnnouncer(strict, "topic", "arn:aws:cloudformation:eu-central-1:111122223333:stack/evercert/1").announce(made)
    (message,) = strict.published
    attributes = sum(len(name) + len(str(value)) for name, value in message["attributes"].items())
    assert len(json.dumps(message["bodies"]).encode()) + attributes < 200_000  # with room for envelopes
    assert items.read_outcome(items.outcome_item(made)) == made
    data: dict[str, Any] = json.loads(message["bodies"]["default"])["data"]
    return data


def test_small_event_is_unchanged() -> None:
    data = {"name": "web", "names": ["dns:a"] * 100, "message": "x" * 3_000, "previous": {"revision": 1}}
    assert announced(outcome(data)) == data


@pytest.mark.parametrize("text", TEXTS, ids=[str(number) for number in range(len(TEXTS))])
@pytest.mark.parametrize("shape", ["text", "list", "many", "deep", "keys", "total", "value list"])
def test_event_of_any_shape_can_be_announced(shape: str, text: str) -> None:
    large = text * 200_000
    shapes: dict[str, Any] = {
        "text": {"message": large, "gave_up": large},
        "list": {"names": [text * 50] * 10_000, "warnings": [text * 500] * 1_000},
        "many": {"names": [text * 20_000] * 100},
        "deep": {"previous": {"a": {"b": [{"c": large}, [large]]}}},
        "keys": {f"{text}{number}": "x" * 900 for number in range(500)},
        "total": {"drifted": [{"problem": large}] * 20, "names": ["dns:a"] * 100_000},
        "value list": {"undelivered": [{"destination": text * 100, "kind": "rejected", "message": large}] * 10},
    }
    data = announced(outcome({"name": "web", "kind": "rejected", **shapes[shape]}))
    assert len(json.dumps(json.dumps(data))) <= LARGEST
    assert (data["name"], data["kind"]) == ("web", "rejected")


@pytest.mark.parametrize("text", TEXTS, ids=[str(number) for number in range(len(TEXTS))])
def test_event_of_essential_texts_can_be_announced(text: str) -> None:
    """Every field that a rest keeps at its longest, with the labels, name and issuer of an edited outcome."""
    large = text * 5_000
    essential = dict.fromkeys(("name", "issuer", "kind", "message", "reason", "not_after"), large)
    known = "" if text == "\ud800" else text  # pydantic takes no half of a pair in a text of its own
    labels = {f"k{number}{known * 400}": known * 4_000 for number in range(20)}
    data = announced(outcome({**essential, "z": {"a": large}}, name=known * 512, issuer=known * 4_000, labels=labels))
    assert len(json.dumps(json.dumps(data))) <= LARGEST
    assert essential.keys() <= data.keys()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (float("inf"), None), (float("nan"), None), ({"a": [float("-inf"), 1.5]}, {"a": [None, 1.5]}), (10**30, None), (-(10**5000), None),
        ((1, "a"), [1, "a"]), ({1: True}, {"1": True}), (b"secret", "(bytes)"), ({"a": datetime(2026, 1, 1, tzinfo=UTC)}, {"a": "(datetime)"}),
    ],
    ids=["infinity", "nan", "inner", "large", "huge", "tuple", "key", "bytes", "time"],
)  # fmt: skip
def test_event_data_are_values_of_json(value: Any, shown: Any) -> None:
    assert announced(outcome({"name": "web", "value": value})) == {"name": "web", "value": shown}


@pytest.mark.parametrize("depth", [DEEPEST, 100, 180])
@pytest.mark.parametrize("inner", ['{"a":', "["], ids=["map", "list"])
def test_deep_data_of_a_stored_outcome_are_cut(inner: str, depth: int) -> None:
    text = inner * depth + '"x"' + {"[": "]"}.get(inner, "}") * depth
    stored = outcome({"name": "web"}).model_dump_json().replace('"name":"web"}', f'"name":"web","deep":{text}}}')
    found = items.read_outcome({"outcome": {"S": stored}})
    assert found is not None and json_parser.parse(json.dumps(announced(found)))["name"] == "web"
    assert str(found.data).count("…") == 1 and fitted(found.data) == found.data


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity", "9" * 4_000])
def test_numbers_of_a_stored_outcome_become_json(number: str) -> None:
    stored = outcome({"name": "web"}).model_dump_json().replace('"name":"web"}', f'"name":"web","n":{number}}}')
    found = items.read_outcome({"outcome": {"S": stored}})
    assert found is not None and announced(found) == {"name": "web", "n": None}


def test_labels_of_a_valid_document_are_complete() -> None:
    labels = {f"{'k' * 61}{number:02}": "v" * 128 for number in range(20)}
    assert len(outcome({}, labels=labels).attributes()["labels"]) == 20


def test_labels_of_an_edited_outcome_fit_into_an_attribute() -> None:
    found = outcome({}, labels={f"{number:02}": "😀" * 4_000 for number in range(20)}).attributes()["labels"]
    assert found and found[0].startswith("00=😀") and len(json.dumps(found)) <= LARGEST_LABELS


def test_long_list_keeps_its_first_entries_and_their_number() -> None:
    data = fitted({"names": [f"dns:{number}.example.com" for number in range(50_000)], "warnings": ["low"]})
    assert data["names_total"] == 50_000
    assert data["names"][:2] == ["dns:0.example.com", "dns:1.example.com"]
    assert LARGEST / 4 < len(json.dumps(data)) <= LARGEST
    assert data["warnings"] == ["low"]
    assert "warnings_total" not in data


def test_event_size_is_stable() -> None:
    """A stored outcome is read again, and its event must not change."""
    data = fitted({"names": ["dns:a.example.com"] * 50_000, "message": "x" * 9_000})
    assert fitted(data) == data


def test_labels_and_issuer_of_an_edited_outcome_are_bounded() -> None:
    made = outcome({"name": "web"}, issuer="i" * 200_000, labels={f"k{n}": "v" * 100_000 for n in range(100)})
    strict = StrictSNS()
    SNSAnnouncer(strict, "topic", "arn").announce(made)
    assert len(json.dumps(strict.published[0]["attributes"])) < 30_000
