"""Promises that are checked after every step."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.attribute_values import read, text_of
from evercert.contracts.events import Outcome
from evercert.contracts.record import Record
from evercert.issuance.pause_rule import PAUSED_CHECK
from evercert.pki.certificate import Chain
from evercert.timestamps import from_text
from tests.doubles.fakes import LEASE
from tests.doubles.item_text import unpacked
from tests.doubles.world import assert_pair
from tests.random.universe import NAMES, Universe


@dataclass
class Watch:
    """Checks the promises after every step; stores the values that must not change."""

    world: Universe
    latest: Any = None  # the latest time of any clock
    revisions: dict[str, int] = field(default_factory=dict)
    serials: dict[tuple[str, int], str] = field(default_factory=dict)
    outcomes: dict[tuple[str, str], str] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)  # values checked to be pairs
    saved: dict[tuple[str, int], str] = field(default_factory=dict)
    delivered: set[tuple[str, int]] = field(default_factory=set)
    under_way: dict[str, tuple[int, Any]] = field(default_factory=dict)
    overdue: set[tuple[str, int]] = field(default_factory=set)  # abandoned because they expired
    generations: dict[str, int] = field(default_factory=dict)
    never_rotated: set[str] = field(default_factory=set)

    def look(self) -> None:
        """Raise AssertionError for the first broken promise."""
        world = self.world
        self.latest = max(self.latest or world.clock(), world.clock(), world.before_set)
        # P1, P2, P8: no call of a killed process or after its claim, no claim taken while held, no hot loop
        assert world.board.violations == [], str(world.board.violations)
        self._pairs()
        for name in NAMES:
            item = world.table.items.get((items.pk(name), items.SK))
            if item is not None:
                self._record(name, item)
        self._outcomes()
        self.generations = {record.uid: record.generation for record in world.records()}
        self._secrets_stay_secret()

    # -- P3: no reader ever sees a certificate beside a key that is not its own ----------------------------------------
    def _pairs(self) -> None:
        for secret in self.world.secrets.secrets.values():
            for text in secret["values"].values():
                if text not in self.whole and text not in self.world.hand_made:
                    self._pair(text, json.loads(text))
        for held in self.world.acm.held.values():
            text = held.certificate + held.private_key
            if text not in self.whole:
                chain = Chain.from_pem(held.certificate)
                fields = {"certificate": held.certificate, "private_key": held.private_key}
                self._pair(text, {**fields, "fullchain": held.certificate, "serial_number": chain.serial_number})

    def _pair(self, text: str, value: dict[str, str]) -> None:
        try:
            assert_pair(value)
        except AssertionError as error:
            raise AssertionError("a certificate is beside what is not its own") from error
        self.whole.add(text)

    # -- the record --------------------------------------------------------------------------------------------------
    def _record(self, name: str, item: dict[str, Any]) -> None:
        record = self.world.record(name)
        assert record is not None
        # P1: every record has a time at which it is checked again
        assert item.get("due_shard") == {"S": items.shard(name)} and "due_at" in item, f"{name} will never be due"
        # P8: the end of every wait is stored
        assert record.claim is None or record.claim.until <= self.latest + LEASE, "a claim without end"
        # a revision is used once
        assert record.revision >= self.revisions.get(record.uid, 0), "a revision was taken back"
        self.revisions[record.uid] = record.revision
        if record.facts is not None:
            assert record.facts.revision <= record.revision
            known = self.serials.setdefault((record.uid, record.facts.revision), record.facts.serial_number)
            assert known == record.facts.serial_number, "two certificates share a revision"
        self.delivered |= {(record.uid, d.revision) for d in record.deliveries.values() if d.revision}
        self._pending(record)
        self._changes_are_due(record)
        self._sealed(record, item)
        self._in_place(record)

    def _pending(self, record: Record) -> None:
        pending = record.pending
        before = self.under_way.pop(record.uid, None)
        if before is not None and (pending is None or pending.revision != before[0]):
            token = record.token(before[0], before[2])
            signed = self.world.definitions.ca.issued.get(token) or self.saved.get((record.uid, before[0]))
            late = before[1] is not None and self.latest > before[1]
            if signed is not None:
                leaf = Chain.from_pem(signed).leaf
                third = (leaf.not_valid_after_utc - leaf.not_valid_before_utc) / 3
                late = late or self.latest >= leaf.not_valid_before_utc + third
            if late:
                self.overdue.add((record.uid, before[0]))
        if pending is not None:
            same = before is not None and before[0] == pending.revision  # beside the chain is no CSR of evercert
            csr = before[2] if before is not None and same and pending.csr is None else pending.csr
            self.under_way[record.uid] = pending.revision, pending.deadline, csr
            if pending.chain is not None:
                self.saved[record.uid, pending.revision] = pending.chain

    def _changes_are_due(self, record: Record) -> None:
        """P1: an edit or a request during a run is due at once."""
        if record.claim is not None or record.state != "ready" or record.facts is None:
            return
        served = record.requested_at in (None, record.served) and record.request_hash == record.spec.request_hash
        if not served or not record.delivered(record.facts.revision):
            assert record.due_at is not None and record.due_at <= self.latest + PAUSED_CHECK, "a request was forgotten"

    def _complete(self, outcome: Outcome) -> None:
        """P5: a destination has the revision, or the outcome says why not."""
        record, listed = self.world.record(outcome.name), outcome.data.get("undelivered", [])
        if record is None or record.uid != outcome.uid or record.name in self.world.touched:
            return
        if self.generations.get(record.uid) != record.generation:
            return  # edited during the run
        if outcome.type in {"certificate.issued", "certificate.renewed", "certificate.delivered"} or listed:
            here = [record.deliveries.get(component.key) for component in record.spec.destinations]
            has = sum(delivery is not None and delivery.revision >= outcome.revision for delivery in here)
            assert has + len(listed) >= len(here), f"a destination was passed over: {outcome.data}"

    def _sealed(self, record: Record, item: dict[str, Any]) -> None:
        """P6: a sealed key remains in the table only while it is needed."""
        if record.spec.private_key.rotate == "never":
            self.never_rotated.add(record.uid)
        if record.pending is None and record.uid not in self.never_rotated:
            assert "sealed_key" not in str(item), "a sealed key was left behind"

    def _in_place(self, record: Record) -> None:
        """Readers see what the record says, unless it was edited manually since."""
        facts, name = record.facts, record.name
        if facts is None or record.claim is not None or name in self.world.touched or record.state != "ready":
            return
        for component in record.spec.destinations:
            here = record.deliveries.get(component.key)
            if here is not None and here.revision == facts.revision:
                assert self.serial_at(component.type, here.location) == facts.serial_number, f"{name}: stale"

    def serial_at(self, kind: str, location: str) -> str | None:
        """Return the serial number that a reader sees, or None."""
        if kind == "acm":
            held = self.world.acm.held.get(location)
            return None if held is None else Chain.from_pem(held.certificate).serial_number
        secret = self.world.secrets.secrets.get(location.partition(":secret:")[2].removesuffix("-AbCdEf"))
        if secret is None or secret["deleted"]:
            return None
        current = next(version for version, stages in secret["stages"].items() if "AWSCURRENT" in stages)
        return json.loads(secret["values"][current]).get("serial_number")

    # -- P4: every outcome reaches the topic -----------------------------------------------------------------------
    def _outcomes(self) -> None:
        numbers: dict[str, set[int]] = {}
        for key, item in self.world.table.items.items():
            if not key[1].startswith("outcome#"):
                continue
            text = text_of(read(item["outcome"]))
            published = "published_at" in item
            assert published or ("due_at" in item and "due_shard" in item), f"{key} will never be announced"
            assert not published or "due_at" not in item, f"{key} is announced indefinitely"
            if published or "due_at" in item:
                from_text((item.get("published_at") or item["due_at"])["S"])
            if key in self.outcomes:
                assert self.outcomes[key] == text, f"{key} was changed"
            else:
                outcome = Outcome.model_validate_json(text)
                assert outcome.data.get("kind") != "unexpected", outcome.data
                self.outcomes[key] = text
                self._complete(outcome)
            _, uid, _, number = key[1].split("#")
            assert int(number) not in numbers.setdefault(uid, set()), f"{key}: its number is taken"
            numbers[uid].add(int(number))
        announced = {(items.pk(o.name), o.key) for o in self.world.announcer.announced}
        for key, item in self.world.table.items.items():
            assert "published_at" not in item or key in announced, f"{key}: marked as announced, and never was"

    # -- P6: secrets stay secret -----------------------------------------------------------------------------------
    def _secrets_stay_secret(self) -> None:
        world = self.world
        seen = [str(unpacked(item)) for item in world.table.items.values()]
        seen += [str(message.nudge) for message in world.messages] + [str(world.reports[-4:])]
        seen += [outcome.model_dump_json() for outcome in world.announcer.announced[-4:]]
        haystack = "\n".join(seen)
        for der in world.kms.sealed:
            for needle in shapes(der):
                assert needle not in haystack, "a private key is where it must not be"
        assert "PRIVATE KEY" not in haystack


def shapes(der: bytes) -> tuple[str, str]:
    """Parts of a private key that no other text has: base64, as in PEM and without, and hexadecimal.

    The first 36 bytes are the same for every P-256 key; what follows is the secret number.
    """
    return base64.b64encode(der)[52:64].decode(), der[39:48].hex()
