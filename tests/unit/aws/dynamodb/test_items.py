"""Reading of stored records is total: whatever one attribute holds, the reader returns a record or says what is wrong."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from evercert.aws.dynamodb import items
from evercert.canonical_json import canonical_json
from evercert.contracts.consumers import LateConsumers
from evercert.contracts.ports import Unreadable
from evercert.contracts.probe import ProbeState
from evercert.contracts.record import (
    Claim,
    Delivery,
    Facts,
    Failure,
    Finding,
    KeptKey,
    Pending,
    Record,
    RenewalAdvice,
    Streak,
)
from evercert.contracts.record_schema import PREVIOUS_SCHEMA, SCHEMA
from evercert.contracts.revisions import RollbackRequest
from tests.doubles.fakes import START, spec
from tests.doubles.item_size import size
from tests.doubles.write_meter import WRITE_UNIT
from tests.samples.outcomes import outcome
from tests.samples.stored_values import VALUES, places, spoiled

SPECS = [
    *("", "null", "[]", "{", '"x"', "1e999", "[" * 100_000, '{"name": "web"}', "NaN", "1" * 5000),
    *(
        canonical_json({**spec().document(), key: value})
        for key, value in {
            "csr": "-----BEGIN CERTIFICATE REQUEST-----\nAA==\n-----END CERTIFICATE REQUEST-----",
            "lifecycle": {"renew-before-expiry": "9" * 400 + "%"},
        }.items()
    ),
    *(
        canonical_json({**spec().document(), "attributes": {"common-name": "www.example.com", key: value}})
        for key, value in {
            "not-after": "9999-12-31T23:59:59-14:00",
            "not-before": "0001-01-01T00:00:00+14:00",
            "ttl": "9" * 400 + "d",
            "alt-names": ["\udcff"],
        }.items()
    ),
]


def full() -> dict[str, Any]:
    """Return the item of a record that has every attribute."""
    moment = START + timedelta(days=1)
    record = Record(name="web", uid="8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44", spec=spec(), generation=1)
    values = {
        "requested_at": START, "request_reason": "why", "woken_at": START, "revision": 1,
        "rollback": RollbackRequest(to=1, requested_at=START, reason="why"), "outcomes": 1,
        "behind": LateConsumers(revision=1, at=START),
        "probed": ProbeState(
            target="www.example.com:443", intermediates=1, at=START, result="outdated", since=START, announced="warning",
            problem="it serves another certificate", fingerprint_sha256="0" * 64,
        ),
        "request_hash": "r", "issuer_hash": "i", "not_after": moment, "served": START, "failures": 1, "retry_at": moment, "renew_at": moment,
        "check_at": moment, "warned": 1, "resting": True,
        "facts": Facts(revision=1, serial_number="01", not_before=START, not_after=moment, fingerprint_sha256="f", names=("dns:a",)),
        "deliveries": {"secretsmanager": Delivery(revision=1, location="arn", version="v", intended_at=START)},
        "pending": Pending(revision=2, reason="missing", generation=1, issuer="main", request_hash="r", issuer_hash="i", csr="csr", restores=1),
        "last_error": Failure(kind="rejected", message="no", at=START, generation=1),
        "finding": Finding(reason="revoked", revision=1, found_at=START),
        "advice": RenewalAdvice(revision=1, start=START, end=START, explanation="https://ca.example.com"),
        "streak": Streak(times=(START,), lifetime=60, generation=1),
        "kept_key": KeptKey(sealed_key="sealed", revision=1, algorithm="RSA_2048"),
        "claim": Claim(id="mine", until=moment),
    }  # fmt: skip
    return items.new_record(record, moment) | {name: items.attribute(value) for name, value in values.items()}


def test_record_with_every_attribute_is_read() -> None:
    record = items.read_record(full())
    assert isinstance(record, Record), record
    assert set(Record.model_fields) == {name for name in Record.model_fields if getattr(record, name) is not None}


@pytest.mark.parametrize("place", [p for p in places(full()) if p not in {("pk",), ("sk",)}], ids=".".join)
def test_record_with_any_value_is_read_or_unreadable(place: tuple[str, ...]) -> None:
    for value in VALUES:
        found = items.read_record(spoiled(full(), place, value))
        assert isinstance(found, Record | Unreadable)
        assert found.name == "web"


@pytest.mark.parametrize("text", SPECS, ids=[str(number) for number in range(len(SPECS))])
def test_record_with_a_broken_spec_is_unreadable(text: str) -> None:
    found = items.read_record({**full(), "spec": {"S": text}})
    assert isinstance(found, Unreadable)
    assert found.problem
    assert "\n" not in found.problem


def test_reader_survives_what_a_model_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> Record:
        raise OSError("s3cret")

    monkeypatch.setattr(Record, "model_validate", fail)
    found = items.read_record(full())
    assert isinstance(found, Unreadable)
    assert found.problem == "it cannot be read (OSError)"


@pytest.mark.parametrize(
    ("requested_at", "counts"),
    [
        ({"S": "2026-02-01T00:00:00.000Z"}, False),
        ({"S": "2025-02-01T00:00:00.000Z"}, True),
        *((value, True) for value in ({"S": "zzz"}, {"SS": ["zzz"]}, {"NS": ["1"]}, {"B": b"zzz"}, {"NULL": True})),
    ],
    ids=str,
)
def test_only_a_timestamp_counts_as_a_request(requested_at: dict[str, Any], counts: bool) -> None:
    found = items.read_record({**full(), "generation": {"S": "x"}, "requested_at": requested_at})
    assert isinstance(found, Unreadable)
    assert found.announced == ("no" if counts else None)


def test_short_outcome_is_text_for_older_releases() -> None:
    item = items.outcome_item(outcome())
    assert item["schema"] == {"N": str(PREVIOUS_SCHEMA)}
    assert item["outcome"] == {"S": outcome().model_dump_json()}


def test_longest_text_of_an_outcome_fits_into_a_write_unit() -> None:
    longest = outcome(name="n" * 63, type="certificate.rolled-back")
    room = items.LONGEST_PLAIN - len(longest.model_dump_json())
    longest = longest.model_copy(update={"data": {"message": longest.data["message"] + "x" * room}})
    item = items.outcome_item(longest)
    assert item["outcome"] == {"S": longest.model_dump_json()}
    due = {"due_at", "due_shard"}
    published = {"published_at": items.attribute(START), "expires_at": {"N": "1803024000"}}
    for stored in (item, {name: value for name, value in item.items() if name not in due} | published):
        assert size(stored) <= WRITE_UNIT


def test_long_outcome_is_compressed_with_another_schema() -> None:
    long = outcome(data={"names": [f"dns:ä{number}.example.com" for number in range(100)]})
    item = items.outcome_item(long)
    assert item["schema"] == {"N": str(SCHEMA)}
    assert size(item) < WRITE_UNIT < len(long.model_dump_json())
    assert items.read_outcome(item) == long


def test_unpublished_outcome_with_any_value_is_read_or_missing() -> None:
    for value in VALUES:
        assert items.read_outcome({"pk": {"S": "certificate#web"}, "outcome": value}) is None
    assert items.read_outcome({}) is None
    assert items.read_outcome({"outcome": {"S": json.dumps([1])}}) is None
