"""Is issuance due, and why: a pure function of what was observed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from evercert.certificate import Chain
from evercert.record import Facts, Pending, Record
from evercert.renewal import Reason
from evercert.timers import renewal_of, renewal_time


@dataclass(frozen=True)
class Idle:
    """All is as it should be, as far as the record says; `given_up` is a revision that nobody wants any more."""

    given_up: Pending | None = None


@dataclass(frozen=True)
class Wait:
    """Something is due, and may not be tried before `until`."""

    until: datetime


@dataclass(frozen=True)
class Start:
    """A new revision is due; `given_up` is one under way that nobody wants any more."""

    reason: Reason
    given_up: Pending | None = None


@dataclass(frozen=True)
class Resume:
    """A revision is under way and still wanted: go on where it stood."""

    pending: Pending


def decide(record: Record, issuer_hash: str, now: datetime) -> Idle | Wait | Start | Resume:
    """What to do with this certificate now.

    A hold (the back-off after a failure, the time an issuer asked us to wait) turns any answer into a Wait.
    """
    pending = record.pending
    decision: Start | Resume
    if pending is not None and _is_wanted(pending, record, issuer_hash, now):
        decision, hold = Resume(pending), held_until(record, issuer_hash, pending)
    elif (reason := due_reason(record, issuer_hash, now)) is not None:
        decision, hold = Start(reason, pending), held_until(record, issuer_hash)
        if reason == "near-expiry" and _failed_before_its_renewal(record):
            hold = None
    else:
        return Idle(pending)
    return decision if hold is None or now >= hold else Wait(hold)


def due_reason(record: Record, issuer_hash: str, now: datetime) -> Reason | None:
    """Why a new certificate is due, judged by the one that is delivered; the first reason that holds."""
    facts, renewal = record.facts, renewal_time(record)
    if facts is None:
        return "missing"
    found = record.finding.reason if record.finding is not None and record.finding.revision == facts.revision else None
    lacking = not record.delivered(facts.revision)
    rules: tuple[tuple[Reason, bool], ...] = (
        ("spec-changed", record.request_hash != record.spec.request_hash or (lacking and record.pending is None)),
        ("issuer-changed", record.issuer_hash != issuer_hash),
        ("requested", record.requested_at is not None and record.requested_at != record.served),
        ("revoked", found == "revoked"),
        ("near-expiry", renewal is not None and now >= renewal),
        ("drifted", found == "drifted"),
        # With a revision under way the other reasons go first: it may have been for one of them, and given up.
        ("spec-changed", lacking),
    )
    return next((reason for reason, holds in rules if holds), None)


def held_until(record: Record, issuer_hash: str | None, pending: Pending | None = None) -> datetime | None:
    """Until when nothing may be tried: what the issuer asked for, or the back-off after a failure.

    The back-off counts only for the very wish that failed: an edit, a request or a mended issuer passes it.
    """
    holds = [pending.retry_at] if pending is not None else []
    error = record.last_error
    if error is not None and (error.generation, error.requested_at, error.issuer_hash) == (
        record.generation,
        record.requested_at,
        issuer_hash,
    ):
        holds.append(record.retry_at)
    return max((hold for hold in holds if hold is not None), default=None)


def _is_wanted(pending: Pending, record: Record, issuer_hash: str, now: datetime) -> bool:
    """It asks for what the spec and the issuer say now, and its certificate, if there is one, is not due itself."""
    if (pending.request_hash, pending.issuer_hash) != (record.spec.request_hash, issuer_hash):
        return False
    if pending.chain is None:
        return True
    if record.finding is not None and record.finding.revision == pending.revision:
        return False  # some destination lost it, or its issuer revoked it
    in_use = record.facts is not None and record.facts.revision == pending.revision
    if in_use and record.requested_at not in (None, pending.requested_at):
        return False  # a new one was asked for, and one broken destination must not keep it from the others
    facts = Facts.of(Chain.from_pem(pending.chain), pending.revision, pending.obtained_at)
    return now < (renewal_of(facts, record) if record.spec.renews else facts.not_after)


def _failed_before_its_renewal(record: Record) -> bool:
    """The failure was of something else, such as one destination, and must not keep the renewal from the others."""
    renewal, error = renewal_time(record), record.last_error
    return renewal is not None and error is not None and error.at < renewal
