"""Subject names (RFC 5280 §4.1.2.6): conversion from and to document attributes."""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import NameOID

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


def values_of(name: x509.Name, field: str) -> tuple[str, ...]:
    """Return the values of one field, in the order of the name."""
    return tuple(str(attribute.value) for attribute in name.get_attributes_for_oid(OIDS[field]))


def differences(name: x509.Name, attributes: Attributes) -> list[str]:
    """List the requested fields that are missing or different.

    Ignores the common name: many CAs omit it, and clients use the alternative names only (RFC 9525).
    """
    return [
        field.replace("_", "-")
        for field, values in wanted(attributes).items()
        if field != "common_name" and list(map(_folded, values_of(name, field))) != list(map(_folded, values))
    ]


def _folded(value: str) -> str:
    """Normalize case and spaces, which do not distinguish names (RFC 5280 §7.1)."""
    return " ".join(value.casefold().split())
