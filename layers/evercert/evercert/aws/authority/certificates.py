"""DynamoDB: requests and certificates in the authority's state table."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from evercert.authority.api_errors import compromised_key
from evercert.authority.ca.signing_orders import Revoked
from evercert.authority.contracts.issuance_trail import Actor, IssuanceEntry, is_delayed
from evercert.authority.contracts.records import CertificateRecord, ListedRequest, RequestRecord
from evercert.aws.authority import certificate_items as items
from evercert.aws.authority import inventory_items, issuance_trail
from evercert.aws.authority.approvals import DynamoDBApprovals
from evercert.aws.authority.imports import DynamoDBImports
from evercert.aws.authority.inventory_items import put_entry
from evercert.aws.authority.renewals import DynamoDBRenewals
from evercert.aws.authority.transactions import refused
from evercert.aws.clients import code, translated
from evercert.aws.dynamodb.retries import PATIENT_ATTEMPTS
from evercert.aws.dynamodb.updates import Update
from evercert.errors import Unavailable
from evercert.timestamps import to_text

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

ROUNDS = 5
EARLIEST, LATEST = "0", "~"  # before and after every stored time
NEW = "attribute_not_exists(pk)"
_NOT_DUE = items.due_values("", None)


class DynamoDBCertificates(DynamoDBRenewals, DynamoDBApprovals, DynamoDBImports):
    """Requests and certificates in the state table; reads are consistent except lists, which come from indexes.

    Their answers are in the issuance trail, in another table.
    """

    def __init__(self, client: DynamoDBClient, table: str, trail: str) -> None:
        super().__init__(client, table)
        self._trail = trail

    def open(self, request: RequestRecord, token: str | None, key: bytes | None = None) -> RequestRecord:
        """Open a request in one transaction, which checks the key too; return the existing one if it conflicts."""
        writes = [self._put(items.request_item(request))]
        if token is not None:
            more = {"request": request.id, "expires_at": items.seconds(request.leaf.not_after + items.REMEMBERED)}
            writes.append(self._put({**items.key("idempotency", token), **items.attributes(more)}))
        if request.renews is not None:
            claim = Update({"renewal": request.id})
            claim.require("attribute_exists(pk) AND attribute_not_exists(#renewal)", {}, "renewal")
            writes.append(self._update("certificate", request.renews, claim))
        if is_delayed(request):
            writes.append(issuance_trail.put(self._trail, IssuanceEntry.pending(request)))
        if key is not None:  # last: `met` is read at its end
            writes.append(self._absent("compromised", hashlib.sha256(key).hexdigest()))
        for _ in range(ROUNDS):
            if not (met := refused(self._client, writes, f"open request {request.id}")):
                return request
            if (existing := self._standing(request, token)) is not None:
                return existing
            if key is not None and met[-1]:
                raise compromised_key()
        raise Unavailable(f"cannot open request {request.id}: it conflicts with another request")

    def _standing(self, request: RequestRecord, token: str | None) -> RequestRecord | None:
        found = self.request_of(token) if token is not None else None
        if found is None and request.renews is not None:
            found = self.renewal_of(request.renews)
        return found or self.request(request.id)

    def request(self, request_id: str) -> RequestRecord | None:
        """Return the item with one consistent read."""
        item = self._get("request", request_id)
        return items.read_request(item) if item else None

    def request_of(self, token: str) -> RequestRecord | None:
        """Return the request with two consistent reads."""
        item = self._get("idempotency", token)
        return self.request(items.text(item, "request")) if item else None

    def renewal_of(self, certificate_id: str) -> RequestRecord | None:
        """Return the request with two consistent reads."""
        item = self._get("certificate", certificate_id)
        return self.request(items.text(item, "renewal")) if "renewal" in item else None

    def finish(self, request: RequestRecord, kept: CertificateRecord) -> CertificateRecord:
        """Write all in one transaction; leave the link out if another request holds the claim by now."""
        issued = Update({"status": "issued", "error": None, "updated_at": kept.updated_at})
        issued.require("attribute_exists(pk)", {}, "")
        doing = f"keep certificate {kept.id}"
        writes = [
            self._put(items.certificate_item(kept)),
            self._fingerprint(kept),
            self._update("request", request.id, issued),
            issuance_trail.put(self._trail, IssuanceEntry.issued(request, kept)),
            *self._inventory_writes(kept, doing),
        ]
        link = []
        if request.renews is not None:
            renewed = Update({"renewed_by": kept.id, "updated_at": kept.updated_at, "renewal_error": None, **_NOT_DUE})
            renewed.require_same("renewed_by", None)
            renewed.require("#renewal = :request", {":request": request.id}, "renewal")
            link.append(self._update("certificate", request.renews, renewed))
        met = refused(self._client, [*writes, *link], doing)
        if met and not any(met[: len(writes)]):
            met = refused(self._client, writes, doing)
        if not met:
            return kept
        if (existing := self.certificate(kept.id)) is None:
            raise Unavailable(f"cannot {doing}: its request no longer exists")
        return existing

    def fail(self, request: RequestRecord, error: str, by: Actor | None = None) -> None:
        """End the request in one transaction; a finished request stays unchanged."""
        ended = items.notice_values(request, request.updated_at)
        failed = Update({"status": "failed", "error": error, "updated_at": request.updated_at, **ended})
        failed.require("#status = :seen", {":seen": request.status}, "status")
        trail = issuance_trail.put(self._trail, IssuanceEntry.failed(request, error, by))
        writes = [self._update("request", request.id, failed), trail]
        if request.renews is not None:
            free = Update({"renewal": None})
            free.require("#renewal = :request", {":request": request.id}, "renewal")
            writes.append(self._update("certificate", request.renews, free))
        doing = f"end request {request.id}"
        met = refused(self._client, writes, doing)
        if met and not met[0]:
            refused(self._client, writes[:2], doing)

    def certificate(self, name: str) -> CertificateRecord | None:
        """Return the certificate with one consistent read, or two by its fingerprint."""
        item = self._get("certificate", name)
        if not item and len(name) == 64:  # noqa: PLR2004 (SHA-256 in hexadecimal)
            found = self._get("fingerprint", name)
            item = self._get("certificate", items.text(found, "certificate")) if found else {}
        return items.read_certificate(item) if item else None

    def revoke(self, certificate_id: str, at: datetime, reason: str, by: Actor) -> CertificateRecord | None:
        """Revoke the certificate and index it for the CRL, unless it is self-signed; never an imported one.

        An importer has not proven possession of the key, and must not be able to block it.
        """
        if (found := self.certificate(certificate_id)) is None or found.imported:
            return None
        if reason == "KEY_COMPROMISE":  # first: after a crash here the revocation is requested again
            key = {**items.key("compromised", items.key_digest(found)), **items.attributes({"certificate": found.id})}
            # Each request for the key conflicts with this write: a thief of the key could keep the certificate valid.
            doing = f"remember the key of certificate {found.id}"
            refused(self._client, [self._put(key)], doing, PATIENT_ATTEMPTS)  # a failed condition: it is stored
        revoked = Update(
            {"revoked_at": at, "reason": reason, "updated_at": at, "revoked_by": found.ca or None, **_NOT_DUE}
        )
        revoked.require("attribute_exists(pk) AND attribute_not_exists(#revoked_at)", {}, "revoked_at")
        writes = [
            self._update("certificate", found.id, revoked),
            put_entry(self._table, inventory_items.revoked_entry(found)),
            issuance_trail.put(self._trail, IssuanceEntry.revoked(found, at, reason, by)),
        ]
        if refused(self._client, writes, f"revoke certificate {certificate_id}"):
            return None
        return self.certificate(found.id)

    def set_renewal(
        self, certificate_id: str, days: int | None, due_at: datetime | None, at: datetime, by: Actor
    ) -> CertificateRecord | None:
        """Set or end the automatic renewal in one transaction."""
        if (found := self.certificate(certificate_id)) is None:
            return None
        changes = {"renew_before_days": days, "renewal_error": None, "updated_at": at}
        update = Update({**changes, **items.due_values(found.id, due_at)})
        update.require("attribute_exists(pk)", {}, "")
        if due_at is not None:
            update.require("attribute_not_exists(#renewal)", {}, "renewal")
            update.require("attribute_not_exists(#revoked_at)", {}, "revoked_at")
        writes = [
            self._update("certificate", found.id, update),
            issuance_trail.put(self._trail, IssuanceEntry.configured(found, at, days, by)),
        ]
        if refused(self._client, writes, f"set the renewal of certificate {found.id}"):
            return None
        return self.certificate(found.id)

    def record(self, entry: IssuanceEntry) -> None:
        """Append an entry by a conditional write."""
        with translated("write the issuance trail"):
            try:
                self._client.put_item(TableName=self._trail, Item=issuance_trail.item(entry), ConditionExpression=NEW)
            except ClientError as error:
                if code(error) != "ConditionalCheckFailedException":
                    raise

    def compromised(self, public_key: bytes) -> bool:
        """Return the item with one consistent read."""
        return bool(self._get("compromised", hashlib.sha256(public_key).hexdigest()))

    def requests_of(
        self, profile_id: str, limit: int, since: datetime | None = None, until: datetime | None = None
    ) -> Sequence[ListedRequest]:
        """Return the entries of the index; a page of 1,000 takes about 20 read units."""
        first, last = items.bound(since, EARLIEST), items.bound(until, LATEST)
        if first > last:  # DynamoDB refuses such a period
            return []
        values = {":under": {"S": items.under(profile_id)}, ":since": {"S": first}, ":until": {"S": last}}
        condition = "listed_under = :under AND created_at BETWEEN :since AND :until"
        entries = self._query("listed", condition, values, newest=limit)
        return [items.read_listed(entry) for entry in islice(entries, limit)]

    def requests_by_id(self, ids: Sequence[str]) -> Sequence[RequestRecord]:
        """Return the items by consistent reads, 100 in one call."""
        keys = [items.key("request", one) for one in dict.fromkeys(ids)]
        found = {item["pk"]["S"]: item for item in self._all(keys)}
        return [items.read_request(found[key["pk"]["S"]]) for key in keys if key["pk"]["S"] in found]

    def revoked(self, ca_id: str, expiring_after: datetime) -> Iterator[Revoked]:
        """Yield the entries of the CRL from their index."""
        values = {":ca": {"S": ca_id}, ":after": {"S": to_text(expiring_after)}}
        for entry in self._query("revoked", "revoked_by = :ca AND not_after > :after", values):
            if (found := items.read_revoked(entry)) is not None:
                yield found
