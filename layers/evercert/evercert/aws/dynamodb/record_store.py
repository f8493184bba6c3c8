"""DynamoDB: records and outcomes, as the issuer function writes them, always with a condition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from evercert.aws.clients import translated
from evercert.aws.dynamodb import claims, items
from evercert.aws.dynamodb.revision_store import SORT, keeps_none, kept_update
from evercert.aws.dynamodb.updates import Update
from evercert.aws.dynamodb.writes import ConditionFailed, Writes
from evercert.contracts.events import Outcome
from evercert.contracts.ports import Changes, ClaimedRecord, Unclaimed, Unreadable
from evercert.contracts.record import Claim, Record
from evercert.contracts.revisions import RevisionsToKeep
from evercert.errors import Misconfigured, NoRoom

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

OWNED = frozenset(
    [
        "state",
        "revision",
        "outcomes",
        "facts",
        "not_after",
        "request_hash",
        "issuer_hash",
        "served",
        "deliveries",
        "pending",
        "failures",
        "last_error",
        "retry_at",
        "renew_at",
        "check_at",
        "warned",
        "finding",
        "advice",
        "probed",
        "behind",
        "streak",
        "kept_key",
        "rollback",  # only to remove a request that is done, and not with `update`
    ]
)


class DynamoDBRecordStore:
    """Records and outcomes in the certificates table."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table
        self._writes = Writes(client, table)

    def claim(self, name: str, claim: Claim, now: datetime) -> tuple[ClaimedRecord, Record | Unreadable] | Unclaimed:
        """Claim a certificate with one update; idempotent under the client's retries."""
        update = Update({"claim": claim, **items.due(name, claim.until)})
        claims.require_claimable(update, claim, now)
        try:
            with translated(f"claim certificate {name}"):
                answer = self._writes.update(name, update, ReturnValues="ALL_NEW")
        except ConditionFailed as failed:
            return claims.why_unclaimed(failed.old)
        return claims.held_record(name, claim, answer["Attributes"]), items.read_record(answer["Attributes"])

    def look(self, name: str) -> Record | Unreadable | None:
        """Return the item with a consistent read."""
        item = self._item(name)
        return None if item is None else items.read_record(item)

    def read_for_stop(self, name: str, claim: Claim) -> tuple[ClaimedRecord, Record | Unreadable] | None:
        """Return the item with a consistent read, and the values that `stop` requires."""
        item = self._item(name)
        return None if item is None else (claims.held_record(name, claim, item), items.read_record(item))

    def update(self, held: ClaimedRecord, changes: Changes) -> None:
        """Write changes under the claim; idempotent."""
        with translated(f"write the record of {held.name}"):
            try:
                self._writes.update(held.name, self._fenced(held, changes))
            except ConditionFailed as failed:
                raise claims.lost(held) from failed

    def release(self, held: ClaimedRecord, changes: Changes, due_at: datetime | None, now: datetime) -> bool:
        """Write changes and release the claim, also if the spec changed."""
        with translated(f"release certificate {held.name}"):
            return self._end(held, changes, due_at, now, lambda update: self._writes.update(held.name, update))

    def conclude(
        self,
        held: ClaimedRecord,
        changes: Changes,
        due_at: datetime | None,
        outcome: Outcome,
        *,
        kept: RevisionsToKeep | None = None,
    ) -> tuple[bool, Outcome]:
        """Write all in one transaction; the client's request token makes a lost response harmless.

        A run whose certificate was deleted therefore keeps no sealed key.
        """
        stored: list[Outcome] = []
        beside = None if kept is None else (SORT, kept_update(kept))

        def write(update: Update) -> None:
            nonlocal beside
            try:
                stored.append(self._writes.conclude(update, outcome, beside=beside))
            except ConditionFailed as failed:
                if beside is None or not keeps_none(failed.old):
                    raise
                beside = None  # an operator applied `keep-revisions: 0` during this run
                stored.append(self._writes.conclude(update, outcome))

        with translated(f"record the outcome of {held.name}"):
            moved = self._end(held, changes, due_at, outcome.at, write)
        return moved, stored[-1]

    def stop(self, held: ClaimedRecord, outcome: Outcome, now: datetime) -> Outcome | None:
        """Write outcome and record in one transaction.

        The removed due time makes room for the new attributes, unless a manual edit shortened it: then fewer are set.
        """
        removed = {"claim": None, **items.due(outcome.name, None)}
        for changes in ({"state": "stopped", "resting": True}, {"resting": True}, {}):
            update = Update({**removed, **changes})
            claims.require_claimable(update, held.claim, now)
            claims.require_unmoved(update, held)
            # A repeated message must not announce it again.
            update.require("attribute_exists(#due_at) OR attribute_not_exists(#resting)", {}, "due_at resting")
            with translated(f"record the outcome of {outcome.name}"), suppress(NoRoom):
                try:
                    return self._writes.conclude(update, outcome, counted="state" in changes)
                except ConditionFailed:
                    return None
        raise NoRoom(f"cannot record the outcome of {outcome.name}: its record has no room left")

    def outcome(self, name: str, key: str) -> Outcome | None:
        """Return an outcome with a consistent read, because another run may just have published it."""
        with translated(f"read an outcome of {name}"):
            answer = self._client.get_item(TableName=self._table, Key=items.key(name, key), ConsistentRead=True)
        item = answer.get("Item")
        if item is None or "published_at" in item:
            return None
        outcome = items.read_outcome(item)
        if outcome is None or (outcome.name, outcome.key) != (name, key):
            raise Misconfigured(f"{key} of {name} is not a valid outcome: a newer evercert or a manual edit wrote it")
        return outcome

    def published(self, outcome: Outcome, at: datetime) -> None:
        """Mark the outcome as published and let it expire; an unpublished outcome never expires."""
        changes = {"published_at": at, **items.due(outcome.name, None)}
        try:
            self._publish(outcome, {**changes, "expires_at": int((at + items.KEPT).timestamp())})
        except NoRoom:  # a manual edit made it large; the removed due time makes room for one timestamp
            self._publish(outcome, changes)

    def _publish(self, outcome: Outcome, changes: Mapping[str, Any]) -> None:
        update = Update(changes)
        update.require("attribute_exists(#pk)", {}, "pk")
        with translated(f"mark an outcome of {outcome.name} as published"), suppress(ConditionFailed):
            self._writes.update(outcome.name, update, sort=outcome.key)  # or deleted by hand

    def _fenced(self, held: ClaimedRecord, changes: Changes) -> Update:
        strange = set(changes) - OWNED
        if strange:
            raise ValueError(f"attributes that the issuer may not write: {', '.join(sorted(strange))}")
        update = Update({**items.indexed(changes, held.name), "schema": held.schema(changes)})
        update.require("#claim.#id = :mine", {":mine": held.claim.id}, "claim id")
        return update

    def _end(
        self,
        held: ClaimedRecord,
        changes: Changes,
        due_at: datetime | None,
        now: datetime,
        write: Callable[[Update], object],
    ) -> bool:
        """Write the end of a run; if spec, request or issuer changed, write again with the record due now.

        A value that no condition can match is no change: the run read the same one. The last write keeps a rollback
        that was requested since.
        """
        try:
            write(self._final(held, changes, due_at, claims.require_unmoved))
        except ConditionFailed as failed:
            held, moved = claims.compare(failed.old, held)
        else:
            return False
        if "rollback" in changes:
            try:
                write(self._final(held, changes, now if moved else due_at, claims.require_same_rollback))
            except ConditionFailed as failed:
                held, _ = claims.compare(failed.old, held)
                moved, changes = True, {name: value for name, value in changes.items() if name != "rollback"}
            else:
                return moved
        try:
            write(self._final(held, changes, now if moved else due_at))
        except ConditionFailed as failed:
            raise claims.lost(held) from failed
        return moved

    def _final(
        self,
        held: ClaimedRecord,
        changes: Changes,
        due_at: datetime | None,
        require: Callable[[Update, ClaimedRecord], None] | None = None,
    ) -> Update:
        update = self._fenced(held, changes)
        # Without a due time the record rests, and the sweep ignores it.
        update.change({"claim": None, **items.due(held.name, due_at), "resting": True if due_at is None else None})
        if require is not None:
            require(update, held)
        return update

    def _item(self, name: str) -> Mapping[str, Any] | None:
        with translated(f"read the record of {name}"):
            answer = self._client.get_item(TableName=self._table, Key=items.key(name), ConsistentRead=True)
        return answer.get("Item")
