"""DynamoDB: imported certificates, and the writes that they share with issued ones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from evercert.authority.contracts.inventory import ListedCertificate
from evercert.authority.contracts.issuance_trail import IssuanceEntry
from evercert.authority.contracts.records import CertificateRecord
from evercert.aws.authority import certificate_items as items
from evercert.aws.authority import inventory_items, issuance_trail
from evercert.aws.authority.crls import DynamoDBCrls
from evercert.aws.authority.inventory import DynamoDBInventory
from evercert.aws.authority.inventory_items import put_entry
from evercert.aws.authority.transactions import refused
from evercert.errors import Unavailable

MOST_WRITES = 90  # entries of the inventory in the transaction of a certificate, which may have 100 writes


class DynamoDBImports(DynamoDBCrls, DynamoDBInventory):
    """Imported certificates; they have no request."""

    _trail: str

    def add_imported(self, record: CertificateRecord) -> CertificateRecord:
        """Store the certificate in one transaction, or return the one that has its fingerprint already."""
        doing = f"keep imported certificate {record.id}"
        writes = [
            self._put(items.certificate_item(record)),
            self._fingerprint(record),
            issuance_trail.put(self._trail, IssuanceEntry.imported(record)),
            *self._inventory_writes(record, doing),
        ]
        if not refused(self._client, writes, doing):
            return record
        found = self._of_fingerprint(items.fingerprint(record))
        if not found:
            raise Unavailable(f"cannot {doing}: it conflicts with another write")
        return found[0]

    def imported_of(self, profile_id: str, limit: int) -> Sequence[ListedCertificate]:
        """Return the entries of the index; a page of 1,000 takes about 20 read units."""
        values = {":under": {"S": items.imported_under(profile_id)}}
        entries = self._query("listed", "listed_under = :under", values, newest=limit)
        return [items.read_imported(entry) for entry in islice(entries, limit)]

    def _inventory_writes(self, record: CertificateRecord, doing: str) -> list[dict[str, Any]]:
        """Return the entries of the inventory for the transaction of the certificate.

        Write those beyond its limit first: a search ignores them until the certificate exists.
        """
        entries = [put_entry(self._table, item) for item in inventory_items.entries(record)]
        for start in range(MOST_WRITES, len(entries), MOST_WRITES):
            refused(self._client, entries[start : start + MOST_WRITES], doing)
        return entries[:MOST_WRITES]

    def _fingerprint(self, record: CertificateRecord) -> dict[str, Any]:
        """Return the write of the fingerprint; an issued certificate takes it over from an imported one."""
        put = self._put(items.fingerprint_item(record))
        if not record.imported:
            put["Put"]["ConditionExpression"] = "attribute_not_exists(pk) OR attribute_exists(imported)"
        return put
