"""Convert requests and certificates to items of the authority's state table and back."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar

from cryptography.hazmat.primitives import hashes
from pydantic import TypeAdapter

from evercert.authority.ca.revocation_reasons import REASONS
from evercert.authority.ca.signing_orders import Revoked
from evercert.authority.contracts.approval_terms import DueNotice
from evercert.authority.contracts.inventory import ListedCertificate
from evercert.authority.contracts.records import CertificateRecord, DueCertificate, ListedRequest, RequestRecord
from evercert.aws.dynamodb import items
from evercert.errors import Misconfigured
from evercert.pki.keys import public_bytes
from evercert.schema import printable
from evercert.timestamps import to_text

REMEMBERED = timedelta(days=400)  # after the expiry of the certificate
SINCE_EVER = datetime(2000, 1, 1, tzinfo=UTC)  # a revocation whose time cannot be read
SCHEMA = 1
DUE_SHARDS = 8
RENEWALS = "renewals#"  # index key, followed by the number of the shard
APPROVALS = "approvals"  # index key
_CHANGING = ("updated_at", "renewed_by", "revoked_at", "reason", "renew_before_days", "renewal_error", "due_at")
METADATA = "metadata"
_SERIAL = re.compile("[0-9a-f]{1,40}")
Item = dict[str, Any]
Row = TypeVar("Row", RequestRecord, CertificateRecord)


def key(kind: str, name: str) -> Item:
    """Return the primary key; the sort key is the kind of the item."""
    return {"pk": {"S": f"{kind}#{name}"}, "sk": {"S": kind}}


def under(profile_id: str) -> str:
    """Return the index key of a profile's requests."""
    return f"profile#{profile_id}"


def imported_under(profile_id: str) -> str:
    """Return the index key of certificates that were imported for a profile."""
    return f"imported#{profile_id}"


def request_item(request: RequestRecord) -> Item:
    """Return the item of a request, with its entry in the index of the profile."""
    return _item(
        key("request", request.id),
        request,
        {
            "status": request.status,
            "updated_at": request.updated_at,
            "error": request.error,
            "listed_under": under(request.profile),
            "created_at": request.created_at,
            "expires_at": seconds(request.leaf.not_after + REMEMBERED),
            **notice_values(request, request.created_at),
        },
    )


def notice_values(request: RequestRecord, moment: datetime) -> dict[str, Any]:
    """Return the attributes of the index of approvals; none for a request that needs no approval."""
    return {} if request.approval is None else {"due_shard": APPROVALS, "due_at": moment}


def certificate_item(kept: CertificateRecord) -> Item:
    """Return the item of a certificate, without an entry in the index of revoked certificates."""
    return _item(
        key("certificate", kept.id),
        kept,
        {
            "updated_at": kept.updated_at,
            "not_after": kept.not_after,
            "serial_number": kept.serial_number,
            "expires_at": seconds(kept.not_after + REMEMBERED),
            "renew_before_days": kept.renew_before_days,
            **due_values(kept.id, kept.due_at),
            **_listed_values(kept),
        },
    )


def _listed_values(kept: CertificateRecord) -> dict[str, Any]:
    """Return the attributes of the index of imports; issued certificates are listed by their requests."""
    return {"listed_under": imported_under(kept.profile), "created_at": kept.created_at} if kept.imported else {}


def fingerprint_item(kept: CertificateRecord) -> Item:
    """Return the item by which a certificate is found by its fingerprint."""
    values = {
        "certificate": kept.id,
        "expires_at": seconds(kept.not_after + REMEMBERED),
        "imported": "yes" if kept.imported else None,
    }
    return {**key("fingerprint", fingerprint(kept)), **attributes(values)}


def due_shard(certificate_id: str) -> str:
    """Return the shard key of the certificate; shards spread the writes."""
    return f"{RENEWALS}{int(hashlib.sha256(certificate_id.encode()).hexdigest()[:8], 16) % DUE_SHARDS}"


def due_values(certificate_id: str, due_at: datetime | None) -> dict[str, Any]:
    """Return the attributes of the index of automatic renewals; None removes the entry."""
    return {"due_shard": None if due_at is None else due_shard(certificate_id), "due_at": due_at}


def read_due(entry: Mapping[str, Any]) -> DueCertificate:
    """Return an entry of the index; DynamoDB guarantees its keys, and an unreadable `not_after` sorts first."""
    end = entry.get("not_after")
    end = end.get("S") if isinstance(end, Mapping) else None
    name = entry["pk"]["S"].removeprefix("certificate#")
    return DueCertificate(name, entry["due_at"]["S"], end if isinstance(end, str) else "")


def read_notice(entry: Mapping[str, Any]) -> DueNotice:
    """Return an entry of the index; DynamoDB guarantees its keys."""
    return DueNotice(entry["pk"]["S"].removeprefix("request#"), entry["due_at"]["S"])


def read_request(item: Mapping[str, Any]) -> RequestRecord:
    """Return the parsed item; raise Misconfigured if it does not parse (manual edits)."""
    return _read(RequestRecord, item, ("status", "updated_at", "error", "approved_at", "decisions"))


def read_certificate(item: Mapping[str, Any]) -> CertificateRecord:
    """Return the parsed item; raise Misconfigured if it does not parse (manual edits)."""
    return _read(CertificateRecord, item, _CHANGING)


def read_imported(entry: Mapping[str, Any]) -> ListedCertificate:
    """Return an entry of the index of imports; DynamoDB guarantees its keys."""
    return ListedCertificate(entry["pk"]["S"].removeprefix("certificate#"), entry["created_at"]["S"])


def read_listed(entry: Mapping[str, Any]) -> ListedRequest:
    """Return an entry of the index of a profile; DynamoDB guarantees its keys."""
    return ListedRequest(entry["pk"]["S"].removeprefix("request#"), entry["created_at"]["S"])


def bound(moment: datetime | None, otherwise: str) -> str:
    """Return a time as the index stores it; `otherwise` if it is absent or its year in UTC is out of range."""
    try:
        return otherwise if moment is None else to_text(moment)
    except OverflowError:
        return otherwise


def read_revoked(item: Mapping[str, Any]) -> Revoked | None:
    """Return an entry of a CRL from its index entry; None if its serial number is spoiled (manual edit).

    One spoiled item must not stop the list of its CA; a spoiled time or reason must not keep it out of the list.
    """
    values = items.plain(item)
    serial_number, reason = values.get("serial_number"), values.get("reason")
    if not isinstance(serial_number, str) or not _SERIAL.fullmatch(serial_number):
        return None
    since = items.moment(values.get("revoked_at")) or SINCE_EVER
    return Revoked(int(serial_number, 16), since, REASONS.get(reason) if isinstance(reason, str) else None)


def text(item: Mapping[str, Any], name: str) -> str:
    """Return a text attribute; raise Misconfigured for anything else (manual edits)."""
    found = items.plain({name: item[name]}).get(name) if name in item else None
    if not isinstance(found, str) or not found:
        raise _spoiled(items.plain(item))
    return found


def fingerprint(kept: CertificateRecord) -> str:
    """Return the SHA-256 of the certificate in lower-case hexadecimal."""
    return kept.signed.fingerprint(hashes.SHA256()).hex()


def key_digest(kept: CertificateRecord) -> str:
    """Return the SHA-256 of its SubjectPublicKeyInfo in lower-case hexadecimal."""
    public_key = kept.signed.public_key()
    return hashlib.sha256(public_bytes(public_key)).hexdigest()


def seconds(moment: datetime) -> int:
    """Return a time as the TTL attribute of the table."""
    return int(moment.timestamp())


def attributes(values: Mapping[str, Any]) -> Item:
    """Return the values that are not None as DynamoDB attribute values."""
    return {name: items.attribute(value) for name, value in values.items() if value is not None}


def _item(primary: Item, row: RequestRecord | CertificateRecord, values: Mapping[str, Any]) -> Item:
    document = _adapter(type(row).__name__).dump_json(row, by_alias=True, exclude_defaults=True).decode()
    return {**primary, **attributes({**values, "document": document, "schema": SCHEMA})}


def _read(kind: type[Row], item: Mapping[str, Any], changing: tuple[str, ...]) -> Row:
    """Return the stored document, updated with the attributes that change later."""
    values = items.plain(item)
    schema = values.get("schema")
    if isinstance(schema, Decimal) and schema > SCHEMA:
        raise Misconfigured(f"item {str(values['pk'])[:100]} was written by a newer evercert: deploy that version")
    try:
        fields = json.loads(values["document"]) | {name: values.get(name) for name in changing}
        if "decisions" in changing:
            fields["decisions"] = json.loads(fields["decisions"] or "[]")
        if METADATA in values:  # only after a change
            fields[METADATA] = json.loads(values[METADATA])
        return _adapter(kind.__name__).validate_python(fields)  # type: ignore[no-any-return]
    except Exception:  # noqa: BLE001 (whatever a stored value makes a parser raise)
        raise _spoiled(values) from None


def _spoiled(values: Mapping[str, Any]) -> Misconfigured:
    name = printable(str(values.get("pk", "?")), 100)
    return Misconfigured(f"item {name} of the authority's table cannot be read; restore it from a backup")


@cache
def _adapter(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter({"RequestRecord": RequestRecord, "CertificateRecord": CertificateRecord}[kind])
