"""Invariants of a storm; each function returns the violations in a history, as text."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from tests.storm.bundles import Bundle
from tests.storm.history import SECRET, History, Issued

BEGUN = ("certificate.issued", "certificate.renewed")
DELIVERED = (*BEGUN, "certificate.delivered")
RECEIVES = 5  # of a message, each ended by a strike, until the queue gives it up; the due time starts the next run
ALLOWED_FAILURES = {"unavailable"}  # functions of the authority are killed too


def violations(history: History) -> list[str]:
    """Return all violations, each with its invariant."""
    return [f"{check.__name__}: {problem}" for check in CHECKS for problem in check(history)]


def mismatched_pairs(history: History) -> Iterator[str]:
    """Every version of a destination is a certificate with its own key and a whole chain to its root."""
    for one in history.sightings:
        anchors = () if one.name in history.self_signed else history.anchors
        for problem in Bundle(one.value).problems(f"{one.name}.example.com", anchors, with_key=one.place == SECRET):
            yield f"{one.name} in {one.place}: {problem}"


def replaced_by_worse(history: History) -> Iterator[str]:
    """No destination that holds a valid certificate gets one that is not valid when it is first seen."""
    held: dict[tuple[str, str], Bundle] = {}
    for one in history.sightings:
        bundle, before = Bundle(one.value), held.get((one.name, one.place))
        moment = datetime.fromtimestamp(one.at, UTC)
        if before is not None and before.valid_at(moment) and not bundle.valid_at(moment):
            yield f"{one.name} in {one.place}: {bundle.validity} replaced {before.validity} at {moment}"
        held[one.name, one.place] = bundle


def lost_or_doubled_outcomes(history: History) -> Iterator[str]:
    """Every outcome in the table reached the subscriber under one id with one body, and nothing else did."""
    bodies: dict[str, set[str]] = {}
    for body in history.events:
        bodies.setdefault(json.loads(body)["id"], set()).add(body)
    stored = {event_id(item): item for item in outcomes(history)}
    for identity, item in stored.items():
        key = f"{item['pk']['S']} {item['sk']['S']}"
        if identity not in bodies:
            yield f"{key} was never received"
        if "published_at" not in item:
            yield f"{key} is not marked as published"
    for identity, texts in bodies.items():
        if len(texts) > 1:
            yield f"event {identity} was received with {len(texts)} bodies"
        if identity not in stored:
            yield f"event {identity} ({json.loads(min(texts))['subject']}) is not in the table"
    begun = Counter(
        (event["subject"], event["data"]["serial_number"])
        for event in distinct_events(history)
        if event["type"] in BEGUN
    )
    for (name, serial_number), count in begun.items():
        if count > 1:
            yield f"{name}: serial number {serial_number} was announced as new {count} times"


def failures(history: History) -> Iterator[str]:
    """No event reports a bug or a failure that the storm cannot explain; no command ends in a traceback."""
    for event in distinct_events(history):
        kind = event["data"].get("kind")
        if kind is not None and kind not in ALLOWED_FAILURES:
            yield f"{event['subject']}: {event['type']}, {kind}: {event['data'].get('message')}"
    for command in history.commands:
        if "Traceback" in command.output or command.code not in {0, 1}:
            yield f"evercert {' '.join(command.arguments)}: exit code {command.code}: {command.output[-500:]}"


def stopped(history: History) -> Iterator[str]:
    """At the end every certificate is ready, without a claim, and its destinations hold what its record says."""
    yield from (f"{name} did not come to rest after the storm" for name in history.unsettled)
    if (dead := history.final.dead_letters) * RECEIVES > history.strikes:
        yield f"{dead} messages in the dead-letter queue: {history.strikes} strikes explain {history.strikes // RECEIVES}"
    records = {item["pk"]["S"].removeprefix("certificate#"): item for item in kept(history, "record")}
    for name in history.names:
        if (record := records.get(name)) is None:
            yield f"{name} has no record"
            continue
        if (state := record["state"]["S"]) != "ready":
            yield f"{name} is {state}: {record.get('last_error')}"
        yield from (f"{name} still has a {part}" for part in ("claim", "pending") if part in record)
        yield from _held(history, name, record)


def _held(history: History, name: str, record: dict[str, Any]) -> Iterator[str]:
    serial_number = record.get("facts", {}).get("M", {}).get("serial_number", {}).get("S", "none").lstrip("0")
    value = history.final.secrets.get(name)
    if value is None:
        yield f"{name} has no secret"
    elif not (bundle := Bundle(value)).valid_at(datetime.fromtimestamp(history.final.at, UTC)):
        yield f"{name}: its secret is not valid: {bundle.validity}"
    elif bundle.serial_number != serial_number:
        yield f"{name}: its secret has {bundle.serial_number}, its record {serial_number}"
    imported = history.final.acm.get(name, [])
    if name in history.in_acm and serial_number not in imported:
        yield f"{name}: ACM has {imported}, its record {serial_number}"


def issued_is_stored(history: History) -> Iterator[str]:
    """A CA signed one certificate for each revision: all are delivered, or were given up with their revision."""
    known = {event["data"].get("fingerprint_sha256", "").lower() for event in distinct_events(history)}
    keys = Counter(_key(one) for one in history.issued)
    excused, spare = Counter(given_up(history)), Counter[str]()
    for one in history.issued:
        leaf = x509.load_pem_x509_certificate(one.pem.encode())
        if keys[_key(one)] > 1:
            yield f"{name_of(leaf)}: {keys[_key(one)]} certificates of one key"
        if not one.revoked and leaf.fingerprint(hashes.SHA256()).hex() not in known:
            spare[name_of(leaf)] += 1
    for name, count in spare.items():
        if count > excused[name]:
            yield f"{name}: {count} certificates signed and never delivered, {excused[name]} revisions given up"
    # A deletion may end a revision that nothing in the table tells of: its record is gone, and it had no outcome.
    known_revisions = revisions_of(history) + Counter(deleted(history))
    for name, count in Counter(
        name_of(x509.load_pem_x509_certificate(one.pem.encode())) for one in history.issued
    ).items():
        if count > known_revisions[name]:
            yield f"{name}: {count} certificates signed for {known_revisions[name]} revisions"


CHECKS = (mismatched_pairs, replaced_by_worse, lost_or_doubled_outcomes, failures, stopped, issued_is_stored)


def given_up(history: History) -> Iterator[str]:
    """Names, once for each revision that an edit, a deletion, a failure or its expiry ended before it was delivered."""
    for event in distinct_events(history):
        if event["data"].get("gave_up"):
            yield event["subject"]
    yield from deleted(history)
    by_type: dict[bool, set[tuple[str, ...]]] = {True: set(), False: set()}
    for item in outcomes(history):
        kind, (_, uid, revision, _) = item["type"]["S"], item["sk"]["S"].split("#")
        if kind in DELIVERED or kind == "certificate.failed":
            by_type[kind in DELIVERED].add((item["pk"]["S"].removeprefix("certificate#"), uid, revision))
    for name, _, _ in by_type[False] - by_type[True]:
        yield name


def deleted(history: History) -> Iterator[str]:
    """Names, once for each deletion."""
    return (command.changes for command in history.commands if command.arguments[0] == "delete")


def revisions_of(history: History) -> Counter[str]:
    """Return the number of revisions by certificate: the highest of each uid, summed."""
    highest: dict[tuple[str, str], int] = {}
    for item in history.final.items:
        name, key = item["pk"]["S"].removeprefix("certificate#"), item["sk"]["S"]
        if key == "record":
            found = item["uid"]["S"], int(item.get("revision", {}).get("N", "0"))
        elif key.startswith("outcome#"):
            found = key.split("#")[1], int(key.split("#")[2])
        else:
            continue
        highest[name, found[0]] = max(highest.get((name, found[0]), 0), found[1])
    total = Counter[str]()
    for (name, _), revision in highest.items():
        total[name] += revision
    return total


def distinct_events(history: History) -> list[dict[str, Any]]:
    """Return the events, one of each id."""
    return list({event["id"]: event for event in map(json.loads, history.events)}.values())


def outcomes(history: History) -> list[dict[str, Any]]:
    return [item for item in history.final.items if item["sk"]["S"].startswith("outcome#")]


def kept(history: History, key: str) -> list[dict[str, Any]]:
    return [
        item for item in history.final.items if item["sk"]["S"] == key and item["pk"]["S"].startswith("certificate#")
    ]


def event_id(item: dict[str, Any]) -> str:
    """Return the id under which subscribers know an outcome: a UUIDv5 of its key in the namespace of its uid."""
    key = item["sk"]["S"]
    return str(uuid.uuid5(uuid.UUID(key.split("#")[1]), key))


def name_of(leaf: x509.Certificate) -> str:
    """Return the certificate's name, which is the first label of its common name."""
    common_name = str(leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)
    return common_name.partition(".")[0]


def _key(one: Issued) -> bytes:
    leaf = x509.load_pem_x509_certificate(one.pem.encode())
    return leaf.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
