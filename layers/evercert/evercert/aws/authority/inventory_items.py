"""Convert a certificate to its entries in the inventory, small items beside it in the authority's state table.

Each entry has the key of one search, sorted by expiry: the serial number, each name, the requester, the profile, a
shard of all certificates, and after a revocation the list of revoked ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from evercert.authority.contracts.inventory import Criteria, is_host
from evercert.authority.contracts.issuance_trail import names_of
from evercert.authority.contracts.records import CertificateRecord
from evercert.aws.authority import certificate_items as items
from evercert.aws.dynamodb.items import moment, plain
from evercert.errors import Misconfigured
from evercert.schema import printable
from evercert.timestamps import to_text

INVENTORY = "inventory#"
SHARDS = 2  # of all certificates: one page reads both, and then the certificates
REVOKED = f"{INVENTORY}revoked"
MOST_TEXT = 1_000  # bytes of the names in an entry
LONGEST_KEY = 600  # bytes of a name in a sort key, which has at most 1,024
ZONE_LABELS = 2
Item = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """An entry that a search read; `names` is None if they are too long for an entry."""

    place: str  # the sort key
    certificate: str
    not_after: datetime
    profile: str
    identity: str
    names: str | None

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> Self:
        """Return a stored entry; raise Misconfigured if it does not parse (manual edit)."""
        values = plain(item)
        end = moment(values.get("not_after"))
        texts = [values.get(name) for name in ("sk", "certificate", "profile", "identity")]
        if end is None or not all(isinstance(text, str) for text in texts):
            raise Misconfigured(
                f"item {printable(str(values.get('pk')), 100)} of the authority's table cannot be read; run evercert"
                " authority certificates --reindex"
            )
        place, certificate, profile, identity = map(str, texts)
        names = values.get("names")
        return cls(place, certificate, end, profile, identity, names if isinstance(names, str) else None)

    def may_match(self, criteria: Criteria) -> bool:
        """Return False if the certificate cannot match; it is not read then."""
        fragments = [text for text in (criteria.fragment, criteria.common_name) if text is not None]
        expired = self.not_after <= criteria.now
        return (
            (criteria.expires_after is None or self.not_after >= criteria.expires_after)
            and (criteria.expires_before is None or self.not_after <= criteria.expires_before)
            and (criteria.profiles is None or self.profile in criteria.profiles)
            and criteria.identity in (None, self.identity)
            and (self.names is None or all(text in self.names for text in fragments))
            and not (criteria.status == "active" and expired)
            and not (criteria.status == "expired" and not expired)
        )


def entries(record: CertificateRecord) -> list[Item]:
    """Return the items of a certificate, except that of its revocation."""
    names = dict.fromkeys(map(name_key, names_of(record.leaf)))
    partitions = [
        f"{INVENTORY}serial#{record.serial_number.lstrip('0')}",
        f"{INVENTORY}identity#{record.identity}",
        f"{INVENTORY}profile#{record.profile}",
        shard(record.id),
    ]
    return [
        *(_item(partition, "", record) for partition in partitions),
        *(_item(partition, f"{start}#", record) for partition, start in names),
    ]


def revoked_entry(record: CertificateRecord) -> Item:
    """Return the item that lists a revoked certificate."""
    return _item(REVOKED, "", record)


def name_key(name: str) -> tuple[str, str]:
    """Return partition and start of the sort key of a name: its labels from right to left, so that a zone is a range.

    The partition is the last two labels. A long name is replaced by its digest, which no range finds.
    """
    text = name.lower()
    if len(text.encode(errors="replace")) > LONGEST_KEY:
        return f"{INVENTORY}name#", f"sha256:{hashlib.sha256(text.encode(errors='replace')).hexdigest()}"
    if not is_host(text):
        return f"{INVENTORY}name#", text
    labels = text.split(".")[::-1]
    return f"{INVENTORY}name#{'.'.join(labels[:ZONE_LABELS])}", ".".join(labels)


def shard(certificate_id: str) -> str:
    """Return the partition of a certificate among all; shards spread the writes."""
    return f"{INVENTORY}all#{int(hashlib.sha256(certificate_id.encode()).hexdigest()[:8], 16) % SHARDS}"


def put_entry(table: str, entry: Item) -> Item:
    """Return the write of an entry, which replaces only one of the same certificate: it can be repeated."""
    return {
        "Put": {
            "TableName": table,
            "Item": entry,
            "ConditionExpression": "attribute_not_exists(pk) OR certificate = :certificate",
            "ExpressionAttributeValues": {":certificate": entry["certificate"]},
        }
    }


def _item(partition: str, start: str, record: CertificateRecord) -> Item:
    names = " ".join(names_of(record.leaf)).lower()
    values = {
        "certificate": record.id,
        "not_after": record.not_after,
        "profile": record.profile,
        "identity": record.identity,
        "names": names if len(names.encode(errors="replace")) <= MOST_TEXT else None,
        "expires_at": items.seconds(record.not_after + items.REMEMBERED),
    }
    key = {"pk": {"S": partition}, "sk": {"S": f"{start}{to_text(record.not_after)}#{record.id}"}}
    return {**key, **items.attributes(values)}
