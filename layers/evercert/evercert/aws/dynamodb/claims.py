"""DynamoDB: conditions of claims, and what a failed condition says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.updates import Update
from evercert.contracts.ports import ClaimedRecord, Unclaimed
from evercert.contracts.record import Claim
from evercert.contracts.record_schema import SCHEMA
from evercert.errors import ClaimLost

WRITTEN_BY_OPERATORS = ("generation", "requested_at", "woken_at", "rollback")  # while a run holds the record
LONGEST_LEASE = timedelta(hours=1)  # evercert writes no longer claims


def held_record(name: str, claim: Claim, item: Mapping[str, Any]) -> ClaimedRecord:
    """Return the values that a run reads with its claim."""
    values = items.plain(item)
    read: dict[str, Any] = {attribute: values.get(attribute) for attribute in WRITTEN_BY_OPERATORS}
    return ClaimedRecord(name, claim, **items.markers(values), **read)


def require_unmoved(update: Update, held: ClaimedRecord) -> None:
    """Require that no operator has written since the claim."""
    update.require_same("generation", held.generation)
    update.require_same("requested_at", held.requested_at)
    update.require_same("woken_at", held.woken_at)
    require_same_rollback(update, held)


def require_same_rollback(update: Update, held: ClaimedRecord) -> None:
    """Require that no other rollback was requested since the claim."""
    update.require_same("rollback", held.rollback)


def require_claimable(update: Update, claim: Claim, now: datetime) -> None:
    """Require that no other run holds the record, and that this release can read it."""
    update.require(
        # What has another type was made by hand: it is claimed, so that the run reports it.
        "attribute_exists(#pk) AND (NOT attribute_type(#schema, :number) OR #schema <= :schema) AND "
        "(NOT attribute_type(#claim.#until, :text) OR #claim.#until < :now OR #claim.#until > :never OR "
        "#claim.#id = :mine)",
        {
            ":schema": SCHEMA,
            ":now": now,
            ":never": now + LONGEST_LEASE,
            ":mine": claim.id,
            ":number": "N",
            ":text": "S",
        },
        "pk schema claim until id",
    )


def compare(old: Mapping[str, Any] | None, held: ClaimedRecord) -> tuple[ClaimedRecord, bool]:
    """Return the claimed record with the schema that it needs now, and whether operators changed it since the claim.

    Raises ClaimLost if the claim is no longer ours.
    """
    values = items.plain(old or {})
    claim = values.get("claim")
    if not isinstance(claim, dict) or claim.get("id") != held.claim.id:
        raise lost(held)
    moved = any(values.get(name) != getattr(held, name) for name in WRITTEN_BY_OPERATORS)
    return replace(held, rolls_back=items.rolls_back(values)), moved


def why_unclaimed(old: Mapping[str, Any] | None) -> Unclaimed:
    """Return why the record could not be claimed."""
    if old is None:
        return Unclaimed.GONE
    schema = items.plain(old).get("schema", SCHEMA)
    return Unclaimed.NEWER if isinstance(schema, Decimal) and schema > SCHEMA else Unclaimed.BUSY


def lost(held: ClaimedRecord) -> ClaimLost:
    """Return the error of a run that no longer holds its claim."""
    return ClaimLost(f"the claim on {held.name} is no longer ours: it was taken over, or the certificate was deleted")
