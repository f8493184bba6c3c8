"""The invariants accept a good history, and reject it after each change that a broken stack could cause."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes

from tests.storm import certificates as real
from tests.storm.history import ACM, SECRET, Command, Final, History, Issued, Sighting
from tests.storm.invariants import event_id, violations

NAME, UID = "web-00", "11111111-2222-4333-8444-555555555555"
ROOT = real.ca()
CA = real.ca("issuing", ROOT)
KEYS = [real.new_key() for _ in range(2)]
LEAVES = [real.leaf(NAME, CA, key) for key in KEYS]
VALUES = [real.value(leaf, key, CA) for leaf, key in zip(LEAVES, KEYS, strict=True)]
AT = real.NOW.timestamp()
Change = Callable[[History], object]


def outcome(revision: int, kind: str = "certificate.renewed") -> dict[str, Any]:
    key = f"outcome#{UID}#{revision:08d}#{revision:08d}"
    values = {"sk": key, "pk": f"certificate#{NAME}", "type": kind, "published_at": "2027-01-01T00:00:00.000Z"}
    return {name: {"S": text} for name, text in values.items()}


def event(revision: int, **data: Any) -> str:
    leaf = LEAVES[revision - 1]
    facts = {"serial_number": f"{leaf.serial_number:X}", "fingerprint_sha256": leaf.fingerprint(hashes.SHA256()).hex()}
    kind = "certificate.renewed" if revision > 1 else "certificate.issued"
    content = {"id": event_id(outcome(revision)), "type": kind, "subject": NAME, "data": {**facts, **data}}
    return json.dumps(content)


def record() -> dict[str, Any]:
    serial_number = f"0{LEAVES[1].serial_number:X}"
    return {
        "pk": {"S": f"certificate#{NAME}"},
        "sk": {"S": "record"},
        "uid": {"S": UID},
        "state": {"S": "ready"},
        "revision": {"N": "2"},
        "facts": {"M": {"serial_number": {"S": serial_number}}},
    }


def good() -> History:
    """A certificate that was issued and renewed once, with a repeated event."""
    return History(
        names=(NAME,),
        in_acm=frozenset([NAME]),
        anchors=(ROOT.pem,),
        sightings=[Sighting(NAME, place, AT, value) for place in (SECRET, f"{ACM} arn") for value in VALUES],
        events=[event(1), event(2), event(2)],
        issued=[Issued("double", real.pem(leaf)) for leaf in LEAVES],
        commands=[Command(("list",), 0, "", AT)],
        final=Final(
            at=AT,
            items=[record(), outcome(1), outcome(2)],
            secrets={NAME: VALUES[1]},
            acm={NAME: [f"{LEAVES[1].serial_number:X}"]},
        ),
    )


def see(history: History, value: dict[str, str], place: str = SECRET, name: str = NAME) -> None:
    history.sightings.append(Sighting(name, place, AT, value))


def sign(history: History, leaf: Any, **more: Any) -> None:
    history.issued.append(Issued("double", real.pem(leaf), **more))


def _dead(history: History, *, letters: int, strikes: int) -> None:
    history.final.dead_letters, history.strikes = letters, strikes


def expired() -> dict[str, str]:
    key = real.new_key()
    return real.value(real.leaf(NAME, CA, key, timedelta(seconds=-1)), key, CA)


OTHER = real.ca("other")
BAD: dict[str, tuple[Change, str]] = {
    "key of another revision": (
        lambda h: see(h, {**VALUES[0], "private_key": VALUES[1]["private_key"]}),
        "mismatched pair",
    ),
    "serial number of another revision": (
        lambda h: see(h, {**VALUES[0], "serial_number": VALUES[1]["serial_number"]}),
        "serial_number is",
    ),
    "no chain": (lambda h: see(h, real.value(LEAVES[0], KEYS[0])), "no root issued"),
    "chain of another CA": (lambda h: see(h, real.value(LEAVES[0], KEYS[0], OTHER)), "broken chain"),
    "fullchain of another revision": (
        lambda h: see(h, {**VALUES[0], "fullchain": VALUES[1]["fullchain"]}),
        "fullchain is not",
    ),
    "certificate of another name": (
        lambda h: see(h, real.value(real.leaf("api-00", CA, KEYS[0]), KEYS[0], CA)),
        "is for",
    ),
    "unreadable value": (lambda h: see(h, {"certificate": "x"}), "unreadable"),
    "foreign chain in ACM": (
        lambda h: see(h, {"certificate": VALUES[0]["certificate"], "certificate_chain": OTHER.pem}, f"{ACM} arn"),
        "broken chain",
    ),
    "expired certificate over a valid one": (lambda h: see(h, expired()), "replaced_by_worse"),
    "lost event": (lambda h: h.events.remove(event(1)), "was never received"),
    "outcome not published": (lambda h: h.final.items[2].pop("published_at"), "not marked as published"),
    "two bodies": (lambda h: h.events.append(event(1, note="x")), "2 bodies"),
    "invented event": (
        lambda h: h.events.append(event(1).replace(event_id(outcome(1)), event_id(outcome(3)))),
        "is not in the table",
    ),
    "one certificate announced twice": (
        lambda h: (
            h.events.append(event(1).replace(event_id(outcome(1)), event_id(outcome(3)))),
            h.final.items.append(outcome(3)),
        ),
        "announced as new 2 times",
    ),
    "bug": (lambda h: h.events.append(event(1, kind="unexpected", message="KeyError")), "unexpected: KeyError"),
    "rejected": (lambda h: h.events.append(event(1, kind="rejected", message="x")), "rejected: x"),
    "traceback": (lambda h: h.commands.append(Command(("list",), 1, "Traceback (most", AT)), "Traceback"),
    "odd exit code": (lambda h: h.commands.append(Command(("list",), 2, "", AT)), "exit code 2"),
    "unexplained dead letter": (lambda h: _dead(h, letters=2, strikes=9), "2 messages in the dead-letter queue"),
    "never at rest": (lambda h: h.unsettled.append(NAME), "did not come to rest"),
    "record lost": (lambda h: h.final.items.pop(0), "has no record"),
    "stopped": (lambda h: h.final.items[0].update(state={"S": "stopped"}), "is stopped"),
    "claim left": (lambda h: h.final.items[0].update(claim={"M": {}}), "still has a claim"),
    "pending left": (lambda h: h.final.items[0].update(pending={"M": {}}), "still has a pending"),
    "no secret": (lambda h: h.final.secrets.clear(), "has no secret"),
    "expired at the end": (lambda h: h.final.secrets.update({NAME: expired()}), "is not valid"),
    "stale secret": (lambda h: h.final.secrets.update({NAME: VALUES[0]}), "its record"),
    "stale ACM certificate": (lambda h: h.final.acm.update({NAME: ["1"]}), "ACM has"),
    "signed and lost": (lambda h: sign(h, real.leaf(NAME, CA)), "never delivered"),
    "signed twice for one key": (lambda h: sign(h, real.leaf(NAME, CA, KEYS[1])), "of one key"),
    "more signed than revisions": (lambda h: sign(h, real.leaf(NAME, CA), revoked=True), "for 2 revisions"),
}


def test_violations_are_none_in_a_good_history() -> None:
    assert violations(good()) == []


@pytest.mark.parametrize("name", BAD)
def test_violations_name_what_is_wrong(name: str) -> None:
    change, words = BAD[name]
    history = good()
    change(history)
    assert any(words in problem for problem in violations(history)), violations(history)


def test_violations_accept_a_revision_that_was_given_up() -> None:
    history = good()
    history.events[1] = history.events[2] = event(2, gave_up="revision 2 (requested): revoked")
    sign(history, real.leaf(NAME, CA))
    history.final.items[0]["revision"] = {"N": "3"}
    assert violations(history) == []


def test_violations_accept_one_deleted_revision_in_progress() -> None:
    """Its record was deleted before it had an outcome, so the table knows one revision less."""
    history = good()
    history.commands.append(Command(("delete", NAME, "--yes"), 0, "", AT, NAME))
    sign(history, real.leaf(NAME, CA))
    assert violations(history) == []
    sign(history, real.leaf(NAME, CA, real.new_key()), revoked=True)
    assert violations(history) == [f"issued_is_stored: {NAME}: 4 certificates signed for 3 revisions"]


def test_violations_accept_dead_letters_of_strikes() -> None:
    history = good()
    _dead(history, letters=2, strikes=10)
    assert violations(history) == []


def test_violations_accept_a_failed_revision() -> None:
    history = good()
    sign(history, real.leaf(NAME, CA))
    history.final.items[0]["revision"] = {"N": "3"}
    history.final.items.append(outcome(3, "certificate.failed"))
    failed = {
        "id": event_id(outcome(3)),
        "type": "certificate.failed",
        "subject": NAME,
        "data": {"kind": "unavailable"},
    }
    history.events.append(json.dumps(failed))
    assert violations(history) == []
    history.final.items[-1] = outcome(3, "certificate.expiring")
    assert any("never delivered" in problem for problem in violations(history))


def test_violations_accept_a_self_signed_certificate() -> None:
    key = real.new_key()
    signed = real.leaf(NAME, real.Ca(key, real.ca(f"{NAME}.example.com").certificate), key)
    history = replace(good(), anchors=(), self_signed=frozenset([NAME]), sightings=[])
    see(history, real.value(signed, key))
    assert violations(history) == []
    see(history, real.value(signed, key, CA))
    assert any("with a chain" in problem for problem in violations(history))
