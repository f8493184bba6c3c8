"""DynamoDB: the index of automatic renewals, and what changes at a certificate: its renewal and its metadata."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from evercert.authority.contracts.automatic_renewals import REFUSED
from evercert.authority.contracts.records import CertificateRecord, DueCertificate
from evercert.authority.requests.requested_fields import Metadata
from evercert.aws.authority import certificate_items as items
from evercert.aws.authority.transactions import refused
from evercert.aws.clients import code, translated
from evercert.aws.dynamodb.updates import Update
from evercert.timestamps import to_text

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

_PAGES = 100  # of one shard


class DynamoDBRenewals:
    """Automatic renewals; the index `due` has an entry for each certificate that the authority renews by itself."""

    _client: DynamoDBClient
    _table: str

    def set_metadata(self, certificate_id: str, metadata: Metadata, at: datetime) -> CertificateRecord | None:
        """Replace the metadata in one conditional write; the stored document keeps that of the request."""
        update = Update({items.METADATA: json.dumps(metadata), "updated_at": at})
        update.require("attribute_exists(pk)", {}, "")
        found = self._updated(certificate_id, update, f"set the metadata of certificate {certificate_id}")
        return None if found is None else items.read_certificate(found)

    def due(self, now: datetime, limit: int) -> Sequence[DueCertificate]:
        """Return what is due in all shards, soonest expiry first; one query for each shard and each further MiB."""
        found: list[DueCertificate] = []
        for number in range(items.DUE_SHARDS):
            found += self._shard(f"{items.RENEWALS}{number}", now, limit)
        return sorted(found, key=lambda one: (one.not_after, one.id))[:limit]

    def record_renewal_failure(self, due: DueCertificate, until: datetime | None, error: str | None) -> bool:
        """Store the error and the time of the next attempt; return False if the certificate is no longer due."""
        update = Update({"renewal_error": error, **items.due_values(due.id, until)})
        update.require("#due_at = :seen", {":seen": due.due_at}, "due_at")
        return self._updated(due.id, update, f"store the failed renewal of certificate {due.id}") is not None

    def record_refused_renewal(self, certificate_id: str, reason: str, at: datetime) -> bool:
        """Store the reason in one conditional write; the entry of the index remains."""
        update = Update({"renewal_error": f"{REFUSED}{reason}", "updated_at": at})
        update.require("attribute_exists(pk) AND attribute_not_exists(#renewed_by)", {}, "renewed_by")
        earlier = "attribute_not_exists(#renewal_error) OR begins_with(#renewal_error, :refused)"
        update.require(earlier, {":refused": REFUSED}, "renewal_error")
        key = items.key("certificate", certificate_id)
        writes = [{"Update": {"TableName": self._table, "Key": key, **update.arguments()}}]
        return not refused(self._client, writes, f"store the refused renewal of certificate {certificate_id}")

    def _shard(self, shard: str, now: datetime, limit: int) -> list[DueCertificate]:
        found: list[DueCertificate] = []
        more: dict[str, Any] = {}
        for _ in range(_PAGES):
            with translated("read the certificates to renew"):
                page = self._client.query(
                    TableName=self._table,
                    IndexName="due",
                    KeyConditionExpression="due_shard = :shard AND due_at <= :now",
                    ExpressionAttributeValues={":shard": {"S": shard}, ":now": {"S": to_text(now)}},
                    **more,
                )
            found += [items.read_due(entry) for entry in page["Items"]]
            if len(found) >= limit or not (following := page.get("LastEvaluatedKey")):
                return found
            more = {"ExclusiveStartKey": following}
        return found

    def _updated(self, certificate_id: str, update: Update, doing: str) -> dict[str, Any] | None:
        """Return the attributes after the update, None if a condition failed."""
        with translated(doing):
            try:
                answer = self._client.update_item(
                    TableName=self._table,
                    Key=items.key("certificate", certificate_id),
                    ReturnValues="ALL_NEW",
                    **update.arguments(),
                )
            except ClientError as error:
                if code(error) == "ConditionalCheckFailedException":
                    return None
                raise
        return dict(answer["Attributes"])
