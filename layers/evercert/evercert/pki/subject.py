"""Subject names (RFC 5280 §4.1.2.6): conversion from and to document attributes."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID

from evercert.pki import distinguished_names
from evercert.pki.attributes import Attributes

# In the order of a distinguished name: from the widest to the narrowest.
OIDS: dict[str, x509.ObjectIdentifier] = {
    "domain_components": NameOID.DOMAIN_COMPONENT,
    "country": NameOID.COUNTRY_NAME,
    "state": NameOID.STATE_OR_PROVINCE_NAME,
    "locality": NameOID.LOCALITY_NAME,
    "postal_code": NameOID.POSTAL_CODE,
    "street_address": NameOID.STREET_ADDRESS,
    "organization": NameOID.ORGANIZATION_NAME,
    "organizational_unit": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "common_name": NameOID.COMMON_NAME,
}
_FIELDS = {oid.dotted_string: field for field, oid in OIDS.items()}


def wanted(attributes: Attributes) -> dict[str, tuple[str, ...]]:
    """Return the requested subject values by field, in the order of a distinguished name.

    Empty if only alternative names are requested. Domain components are reversed: documents use the order of a host
    name, distinguished names the opposite one (RFC 2247).
    """
    found: dict[str, tuple[str, ...]] = {}
    for field in OIDS:
        value = getattr(attributes, field)
        if field == "domain_components":
            value = tuple(reversed(value))
        if value:
            found[field] = value if isinstance(value, tuple) else (value,)
    return found


def name_of(attributes: Attributes) -> x509.Name:
    """Return the subject name; empty if only alternative names are requested."""
    return x509.Name(
        [x509.NameAttribute(OIDS[field], value) for field, values in wanted(attributes).items() for value in values]
    )


@dataclass(frozen=True)
class Subject:
    """A subject as other programs write it; `others` has the types of attributes that documents do not have."""

    values: dict[str, tuple[str, ...]]
    empty: tuple[str, ...]
    others: tuple[str, ...]
    multi_valued: bool


def parse_subject(name: bytes) -> Subject:
    """Parse the DER of a name, whatever string types it has; raise ValueError if it is malformed.

    Domain components are in the order of a host name.
    """
    values: dict[str, tuple[str, ...]] = {}
    others, empty = [], []
    for kind, text in distinguished_names.entries(name):
        field = _FIELDS.get(kind)
        if field is None:
            others.append(kind)
        elif text is None:
            why = "its text does not fit its string type; create the CSR with UTF8String"
            raise ValueError(f"invalid {field.replace('_', '-')} in the subject: {why}")
        elif text.strip():
            values[field] = (*values.get(field, ()), text.strip())
        else:
            empty.append(field)
    if found := values.get("domain_components"):
        values["domain_components"] = found[::-1]
    unique = dict.fromkeys
    return Subject(values, tuple(unique(empty)), tuple(unique(others)), distinguished_names.has_multi_valued_rdn(name))


def differences(name: bytes, attributes: Attributes) -> list[str]:
    """List the requested fields that are missing or different in the DER of a name.

    Ignores the common name, which has a rule of its own (`common_name`).
    """
    found: dict[str, list[str]] = {}
    for kind, text in distinguished_names.entries(name):
        found.setdefault(kind, []).append(_folded(text or ""))
    return [
        field.replace("_", "-")
        for field, values in wanted(attributes).items()
        if field != "common_name" and found.get(OIDS[field].dotted_string, []) != list(map(_folded, values))
    ]


def _folded(value: str) -> str:
    """Normalize case and spaces, which do not distinguish names (RFC 5280 §7.1)."""
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split())
