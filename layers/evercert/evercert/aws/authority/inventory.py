"""DynamoDB: search in the inventory, by at most two queries and one batch of consistent reads for a page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from evercert.authority.contracts.inventory import Criteria, Page
from evercert.authority.contracts.records import CertificateRecord
from evercert.aws.authority import certificate_items as items
from evercert.aws.authority.inventory_items import Entry, name_key
from evercert.aws.authority.inventory_ranges import Range, choose_range, has_filters, place_of, to_cursor
from evercert.aws.clients import translated
from evercert.errors import Unavailable

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

BATCH = 100  # maximum of one BatchGetItem
ROUNDS = 5
QUERIES = 2  # of one page
SCANNED = 2_000  # entries of one query, if a criterion is not in its key; about a megabyte


class DynamoDBInventory:
    """Search in the entries that `finish` and `revoke` write together with a certificate."""

    _client: DynamoDBClient
    _table: str

    def search(self, criteria: Criteria, limit: int, cursor: str | None = None) -> Page:
        """Return the next page; see `Inventory`."""
        if criteria.profiles == () or (criteria.fingerprint is not None and cursor is not None):
            return Page([], None)
        if criteria.fingerprint is not None:
            return Page([one for one in self._of_fingerprint(criteria.fingerprint) if criteria.matches(one)], None)
        range_ = choose_range(criteria)
        if cursor is not None:
            range_ = range_.after(place_of(cursor, criteria))
        entries, place = self._page(range_, criteria, min(limit, BATCH))
        records = {record.id: record for record in self._certificates([entry.certificate for entry in entries])}
        matching = [
            record
            for entry in entries
            if (record := records.get(entry.certificate)) is not None
            and criteria.matches(record)
            and _is_first(entry, record, criteria)
        ]
        return Page(matching, None if place is None else to_cursor(place, criteria))

    def _page(self, range_: Range, criteria: Criteria, limit: int) -> tuple[list[Entry], str | None]:
        """Return at most `limit` entries that may match, and the place after which the next page begins."""
        found: list[Entry] = []
        for _ in range(QUERIES // len(range_.partitions)):
            read, end = self._merged(range_, criteria, limit - len(found))
            found += read
            if end is None or len(found) == limit:
                return found, end
            range_ = range_.after(end)
        return found, end

    def _merged(self, range_: Range, criteria: Criteria, limit: int) -> tuple[list[Entry], str | None]:
        """Query each partition once; return the first entries, and the last place that all of them have passed."""
        found: list[Entry] = []
        ends: list[str] = []
        for partition in range_.partitions:
            read, end = self._query_range(partition, range_, SCANNED if has_filters(criteria, range_) else limit)
            found += read
            ends += [] if end is None else [end]
        passed = min(ends, default=None)
        matching = [
            entry
            for entry in sorted(found, key=lambda entry: entry.place)
            if (passed is None or entry.place <= passed) and entry.may_match(criteria)
        ]
        if len(matching) > limit:
            return matching[:limit], matching[limit - 1].place
        return matching, passed

    def _query_range(self, partition: str, range_: Range, limit: int) -> tuple[list[Entry], str | None]:
        """Return the entries of one query, and the sort key of its last one if there are more."""
        if range_.low > range_.high:  # DynamoDB refuses such a range
            return [], None
        with translated("search the inventory"):
            answer = self._client.query(
                TableName=self._table,
                KeyConditionExpression="pk = :pk AND sk BETWEEN :low AND :high",
                ExpressionAttributeValues={
                    ":pk": {"S": partition},
                    ":low": {"S": range_.low},
                    ":high": {"S": range_.high},
                },
                ConsistentRead=True,
                Limit=limit,
            )
        more = answer.get("LastEvaluatedKey")
        return [Entry.of(item) for item in answer["Items"]], None if more is None else str(more["sk"]["S"])

    def _of_fingerprint(self, fingerprint: str) -> list[CertificateRecord]:
        found = self._all([items.key("fingerprint", fingerprint)])
        return self._certificates([items.text(item, "certificate") for item in found])

    def _certificates(self, ids: list[str]) -> list[CertificateRecord]:
        """Return the certificates with these ids, without those that are missing."""
        keys = [items.key("certificate", one) for one in dict.fromkeys(ids)]
        return [items.read_certificate(item) for item in self._all(keys)]

    def _all(self, keys: list[Any]) -> Iterator[dict[str, Any]]:
        for start in range(0, len(keys), BATCH):
            wanted: Any = {self._table: {"Keys": keys[start : start + BATCH], "ConsistentRead": True}}
            for _ in range(ROUNDS):
                with translated("read requests"):
                    answer = self._client.batch_get_item(RequestItems=wanted)
                yield from answer.get("Responses", {}).get(self._table, [])
                if not (wanted := answer.get("UnprocessedKeys", {})):
                    break
            else:
                raise Unavailable("cannot read requests: the table is throttled")


def _is_first(entry: Entry, record: CertificateRecord, criteria: Criteria) -> bool:
    """Return whether this is the certificate's first entry in the range: a zone may contain several of its names."""
    if criteria.zone is None:
        return True
    starts = [start for _, start in map(name_key, criteria.names_found(record))]
    return bool(starts) and entry.place.startswith(min(f"{start}#" for start in starts))
