"""Rollbacks: whether one is requested, and which kept revision can be restored."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from evercert.contracts.record import Facts, Record
from evercert.contracts.revisions import KeptRevision, KeptRevisions, RollbackRequest
from evercert.pki.certificate import Chain
from evercert.timestamps import to_text

LONGEST_WAIT = timedelta(days=1)  # a rollback that begins later would surprise the operator
SHARE_LEFT, MOST_LEFT = 10, timedelta(days=1)  # a tenth of the lifetime, or a day if that is less, must be left


def requested_rollback(record: Record) -> RollbackRequest | None:
    """Return the rollback to carry out; a renewal that was requested later replaces it."""
    rollback, renewal = record.rollback, record.requested_at
    if rollback is None:
        return None
    replaced = renewal is not None and renewal != record.served and renewal >= rollback.requested_at
    return None if replaced else rollback


def failed_since(record: Record, rollback: RollbackRequest, now: datetime) -> bool:
    """Whether the last failure came after the request, so that its back-off applies."""
    return record.last_error is not None and rollback.requested_at <= record.last_error.at <= now


def choose(record: Record, kept: KeptRevisions) -> KeptRevision | None:
    """Return the revision to restore by default: the latest one before the certificate in use was issued.

    After a rollback that is an even earlier one, and not the one that was rolled back.
    """
    if record.facts is None:
        return None
    current = kept.find(record.facts.revision)
    origin = record.facts.revision if current is None else current.origin
    return next((one for one in kept.revisions if one.revision < origin), None)


def restorable(record: Record, kept: KeptRevisions) -> list[int]:
    """Return the numbers of the kept revisions but the one in use, the latest first."""
    current = record.facts.revision if record.facts is not None else None
    return [one.revision for one in kept.revisions if one.revision != current]


def refusal(record: Record, revision: int, kept: KeptRevisions, now: datetime) -> str | None:
    """Return why this revision cannot be restored, as far as record and kept revisions show, or None."""
    found = kept.find(revision)
    if record.spec.certificate_id is not None:
        return "it follows a certificate-id; roll back at its issuer"
    if found is None:
        others = ", ".join(map(str, restorable(record, kept)))
        return f"revision {revision} is not kept; {f'kept are: {others}' if others else 'no other revision is kept'}"
    if found.request_hash != record.spec.request_hash:
        return (
            f"the document has other names, another key or another issuer than revision {revision}; apply the earlier "
            "document, which issues such a certificate"
        )
    try:
        chain = Chain.from_pem(found.chain)
    except ValueError:
        return f"the kept chain of revision {revision} does not parse"
    return _useless(chain, revision, now)


def foreign_issuer(found: KeptRevision, issuer_hashes: Collection[str | None], *, unknown: bool) -> str | None:
    """Return why a revision of another issuer is refused: it would be replaced at once.

    `unknown`: an issuer of the spec cannot be opened, and the certificate may be of it.
    """
    if unknown or found.issuer_hash in issuer_hashes:
        return None
    return f"issuer {found.issuer} was changed since it issued revision {found.revision}; apply its earlier definition"


def facts_of(found: KeptRevision, revision: int, now: datetime) -> Facts:
    """Return the facts that the certificate will have as this revision; raise ValueError if its chain does not parse.

    It counts as obtained now, so that a third of its remaining time passes before its renewal.
    """
    return Facts.of(Chain.from_pem(found.chain), revision, now, found.reference)


def _useless(chain: Chain, revision: int, now: datetime) -> str | None:
    begins, ends = chain.begins, chain.ends
    if now < begins:
        return f"revision {revision} is not valid before {to_text(begins)}"
    if now >= ends:
        return f"revision {revision} expired at {to_text(ends)}"
    if ends - now < min((ends - begins) / SHARE_LEFT, MOST_LEFT):
        return f"revision {revision} expires soon, at {to_text(ends)}"
    return None
