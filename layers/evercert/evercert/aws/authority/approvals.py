"""DynamoDB: decisions about certificate requests, and the index of approvals to announce or to end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from evercert.authority.contracts.approval_terms import DecidedStatus, Decision, DueNotice
from evercert.authority.contracts.issuance_trail import IssuanceEntry
from evercert.authority.contracts.records import RequestRecord
from evercert.aws.authority import certificate_items as items
from evercert.aws.authority import issuance_trail
from evercert.aws.authority.transactions import refused
from evercert.aws.clients import translated
from evercert.aws.dynamodb.updates import Update
from evercert.timestamps import to_text

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

_PAGES = 20


class DynamoDBApprovals:
    """Decisions in the items of their requests; the index `due` has an entry for each one to announce or to end."""

    _client: DynamoDBClient
    _table: str
    _trail: str  # name of the table of the issuance trail

    def decide(
        self, seen: RequestRecord, decision: Decision, status: DecidedStatus, error: str | None
    ) -> RequestRecord | None:
        """Write the decision in one transaction, with its entries and the claim that a rejection releases."""
        decisions = (*seen.decisions, decision)
        approved_at = decision.at if status == "pending" else None
        changes = {"status": status, "error": error, "updated_at": decision.at, "approved_at": approved_at}
        ended = status != "pending_approval"
        due = {"due_shard": items.APPROVALS, "due_at": decision.at} if ended else {}
        update = Update({**changes, **due, "decisions": decisions_text(decisions)})
        update.require("#status = :waiting", {":waiting": "pending_approval"}, "status")
        update.require_same("decisions", decisions_text(seen.decisions) if seen.decisions else None)
        entries = [IssuanceEntry.decided(seen, decision)]
        if status == "rejected":
            entries.append(IssuanceEntry.failed(replace(seen, updated_at=decision.at), error or "rejected"))
        writes = [self._write("request", seen.id, update), *(issuance_trail.put(self._trail, one) for one in entries)]
        last = len(writes)
        if status == "rejected" and seen.renews is not None:
            free = Update({"renewal": None})
            free.require("#renewal = :request", {":request": seen.id}, "renewal")
            writes.append(self._write("certificate", seen.renews, free))
        doing = f"decide about request {seen.id}"
        met = refused(self._client, writes, doing)
        if met and not met[0]:  # another request has the claim by now
            met = refused(self._client, writes[:last], doing)
        if met:
            return None
        return replace(
            seen, status=status, error=error, decisions=decisions, approved_at=approved_at, updated_at=decision.at
        )

    def notices(self, now: datetime, limit: int) -> Sequence[DueNotice]:
        """Return the entries by one query for each MiB."""
        return self._entries("due_shard = :shard AND due_at <= :now", {":now": {"S": to_text(now)}}, limit)

    def waiting(self, limit: int) -> Sequence[DueNotice]:
        """Return the entries by one query for each MiB."""
        return self._entries("due_shard = :shard", {}, limit)

    def settle_notice(self, notice: DueNotice, following: datetime | None) -> bool:
        """Write with the condition that the entry is unchanged."""
        shard = None if following is None else items.APPROVALS
        update = Update({"due_shard": shard, "due_at": following})
        update.require("#due_at = :seen", {":seen": notice.due_at}, "due_at")
        writes = [self._write("request", notice.request, update)]
        return not refused(self._client, writes, f"settle the approval of request {notice.request}")

    def _entries(self, condition: str, values: dict[str, Any], limit: int) -> list[DueNotice]:
        found: list[DueNotice] = []
        more: dict[str, Any] = {}
        for _ in range(_PAGES):
            with translated("read the approvals"):
                page = self._client.query(
                    TableName=self._table,
                    IndexName="due",
                    KeyConditionExpression=condition,
                    ExpressionAttributeValues={":shard": {"S": items.APPROVALS}, **values},
                    **more,
                )
            found += [items.read_notice(entry) for entry in page["Items"]]
            if len(found) >= limit or not (following := page.get("LastEvaluatedKey")):
                break
            more = {"ExclusiveStartKey": following}
        return found[:limit]

    def _write(self, kind: str, name: str, update: Update) -> dict[str, Any]:
        return {"Update": {"TableName": self._table, "Key": items.key(kind, name), **update.arguments()}}


def decisions_text(decisions: Sequence[Decision]) -> str:
    """Return the decisions as the attribute of a request."""
    return json.dumps([{**asdict(one), "at": to_text(one.at)} for one in decisions])
