"""Decide whether issuance is due, and why, as a pure function of the record."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from evercert.contracts.record import WAITS_FOR_CHAIN, Delivery, Facts, Pending, Reason, Record
from evercert.contracts.revisions import RollbackRequest
from evercert.deadline import CLOCK_TOLERANCE
from evercert.pki.certificate import Chain
from evercert.pki.csr_parser import public_key_of
from evercert.scheduling.rollback import failed_since, requested_rollback
from evercert.scheduling.schedule import renewal_of, renewal_time

# A certificate that begins within this time is waited for; a later one is not requested yet.
LONGEST_AHEAD = timedelta(days=1)
LONGEST_HOLD = timedelta(days=31)  # issuers may take a month; a later time comes from a wrong clock


@dataclass(frozen=True)
class Idle:
    """Nothing is due; `given_up` is a superseded revision in progress."""

    given_up: Pending | None = None


@dataclass(frozen=True)
class Wait:
    """Something is due, but must not be tried before `until`."""

    until: datetime


@dataclass(frozen=True)
class Start:
    """A new revision is due; `given_up` is a superseded revision in progress."""

    reason: Reason
    given_up: Pending | None = None


@dataclass(frozen=True)
class Resume:
    """A revision is in progress and still wanted: resume it."""

    pending: Pending
    chain: Chain | None = field(default=None, compare=False)  # `pending.chain`, parsed


@dataclass(frozen=True)
class Restore:
    """An operator requested a rollback; `given_up` is a superseded revision in progress."""

    rollback: RollbackRequest
    given_up: Pending | None = None


def decide(
    record: Record,
    issuer_hash: str | None,
    now: datetime,
    other_hashes: Collection[str] = (),
    *,
    unknown: bool = False,
) -> Idle | Wait | Start | Resume | Restore:
    """Decide what to do with this certificate now.

    `issuer_hash` is of the first issuer of the spec, None if it cannot be opened; `other_hashes` are of the others.
    `unknown`: an issuer of the spec cannot be opened, and the certificate may be of it. A hold turns any decision into
    a Wait: the back-off after a failure, or a delay that the issuer requested.
    """
    pending = record.pending
    hashes = {issuer_hash, *other_hashes} - {None}
    decision: Start | Resume | Restore
    rollback = requested_rollback(record)
    if rollback is not None and (pending is None or pending.restores != rollback.to):
        hold = held_until(record, issuer_hash, now) if failed_since(record, rollback, now) else None
        decision = Restore(rollback, pending)
    elif pending is not None and (resume := _resume(pending, record, hashes, now, unknown=unknown)) is not None:
        decision, hold = resume, _resumed_at(record, issuer_hash, pending, now)
        if resume.chain is not None and now < resume.chain.begins <= now + LONGEST_AHEAD:
            return Wait(resume.chain.begins)
    elif (reason := due_reason(record, hashes, now, unknown=unknown)) is not None:
        if (start := request_at(record, now)) is not None:
            return Wait(min(start, now + LONGEST_HOLD))
        decision, hold = Start(reason, pending), held_until(record, issuer_hash, now)
        if _failed_before(record, reason, now):
            hold = None
    else:
        return Idle(pending)
    return decision if hold is None or not now < hold <= now + LONGEST_HOLD else Wait(hold)


def due_reason(
    record: Record, issuer_hashes: Collection[str | None], now: datetime, *, unknown: bool = False
) -> Reason | None:
    """Return the first reason why the delivered certificate must be replaced, or None."""
    facts, renewal = record.facts, renewal_time(record)
    if facts is None:
        return "missing"
    found = record.finding.reason if record.finding is not None and record.finding.revision == facts.revision else None
    lacking = not record.delivered(facts.revision)
    rules: tuple[tuple[Reason, bool], ...] = (
        ("spec-changed", record.request_hash != record.spec.request_hash),
        ("issuer-changed", record.issuer_hash not in issuer_hashes and not unknown),
        ("requested", record.requested_at is not None and record.requested_at != record.served),
        ("revoked", found == "revoked"),
        ("replaced", found == "replaced"),
        ("not-yet-valid", is_not_yet_valid(facts, now)),
        ("near-expiry", renewal is not None and now >= renewal),
        ("drifted", found == "drifted"),
        ("spec-changed", lacking),  # a destination was added; a lost one would have a finding
    )
    return next((reason for reason, holds in rules if holds), None)


def request_at(record: Record, now: datetime) -> datetime | None:
    """Return when to request a certificate whose `not-before` is more than a day ahead; None: it need not wait."""
    begin = record.spec.attributes.not_before
    return begin - LONGEST_AHEAD if begin is not None and begin > now + LONGEST_AHEAD else None


def is_not_yet_valid(facts: Facts, now: datetime) -> bool:
    """Whether the delivered certificate begins later, because the clock was ahead when it was issued."""
    return facts.not_before > now + CLOCK_TOLERANCE


def is_held(record: Record, issuer_hash: str | None, now: datetime) -> bool:
    """Whether the last failure still applies; an edit, a renewal request or a fixed issuer ends the back-off.

    A failure in the future does not apply either: the clock was wrong.
    """
    error = record.last_error
    if error is None or not error.at <= now or error.at < (_passed(record.woken_at, now) or error.at):
        return False
    return (error.generation, error.requested_at, error.issuer_hash) == (
        record.generation,
        record.requested_at,
        issuer_hash,
    )


def _passed(moment: datetime | None, now: datetime) -> datetime | None:
    """Return the moment, or None if it is still ahead: a wrong clock wrote it, and it must not end every back-off."""
    return moment if moment is not None and moment <= now else None


def held_until(record: Record, issuer_hash: str | None, now: datetime) -> datetime | None:
    """Return the end of the back-off after a failure, or None if there is no back-off."""
    hold = record.retry_at if is_held(record, issuer_hash, now) else None
    return hold if is_plausible_retry(hold, now) else None


def is_plausible_retry(retry_at: datetime | None, now: datetime) -> bool:
    """Whether a retry time is no further ahead than any back-off; a wrong clock or a manual edit set a later one."""
    return retry_at is not None and retry_at <= now + LONGEST_HOLD


def _resumed_at(record: Record, issuer_hash: str | None, pending: Pending, now: datetime) -> datetime | None:
    """Return when to poll the issuer again; with a chain, when to retry the first destination that lacks it."""
    hold = held_until(record, issuer_hash, now)
    if pending.chain is None:
        return max((moment for moment in (pending.retry_at, hold) if moment is not None), default=None)
    if hold is None:
        return None
    here = [record.deliveries.get(component.key, Delivery()) for component in record.spec.destinations]
    lacking = [delivery for delivery in here if delivery.revision != pending.revision]
    own = [delivery.retry_at or delivery.turn for delivery in lacking]
    known = [moment for moment in own if moment is not None]
    if not known:
        return hold  # the run failed before it reached a destination
    return min(known) if len(known) == len(own) else None


def _resume(
    pending: Pending, record: Record, issuer_hashes: Collection[str | None], now: datetime, *, unknown: bool
) -> Resume | None:
    """Return how to resume this revision.

    None if spec or issuer changed, its certificate is due for renewal, or a manual edit spoiled its CSR or chain.
    """
    known = pending.issuer_hash in issuer_hashes or (unknown and pending.chain is not None)
    if pending.request_hash != record.spec.request_hash or not known:
        return None
    try:
        chain = _parse(pending)
    except ValueError:
        return None
    if chain is None:
        issued = pending.waits_for == WAITS_FOR_CHAIN  # it does not serve a later request
        return None if issued and record.requested_at not in (None, pending.requested_at) else Resume(pending)
    # A destination lost it, or the issuer revoked it.
    lost = record.finding is not None and record.finding.revision == pending.revision
    in_use = record.facts is not None and record.facts.revision == pending.revision
    # A renewal was requested: one broken destination must not block the others.
    served = in_use and record.requested_at not in (None, pending.requested_at)
    if lost or served or chain.begins > now + _longest_ahead(pending, now):
        return None
    facts = Facts.of(chain, pending.revision, pending.obtained_at)
    due = renewal_of(facts, record) if record.spec.renews else facts.not_after
    return Resume(pending, chain) if now < due else None


def _parse(pending: Pending) -> Chain | None:
    """Return the chain of this revision, if it was issued; raise ValueError if its CSR or chain does not parse."""
    if pending.csr is not None:
        public_key_of(pending.csr)
    return None if pending.chain is None else Chain.from_pem(pending.chain)


def _longest_ahead(pending: Pending, now: datetime) -> timedelta:
    """Return how far ahead the certificate may begin: not at all if the clock was ahead when it was obtained."""
    was_ahead = pending.obtained_at is not None and pending.obtained_at > now + CLOCK_TOLERANCE
    return CLOCK_TOLERANCE if was_ahead else LONGEST_AHEAD


def _failed_before(record: Record, reason: Reason, now: datetime) -> bool:
    """Whether the last failure predates the reason, so that its back-off must not delay this issuance."""
    error, renewal, finding = record.last_error, renewal_time(record), record.finding
    if error is None or reason not in {"revoked", "replaced", "near-expiry", "drifted"}:
        return False
    if finding is not None and error.at < finding.found_at <= now:
        return True
    return reason == "near-expiry" and renewal is not None and error.at < renewal
