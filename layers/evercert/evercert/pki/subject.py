"""The subject name of a certificate (RFC 5280 §4.1.2.6): from the words of a document, and back."""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import NameOID

from evercert.pki.attributes import Attributes

# In the order in which they stand in a name: from the widest to the narrowest.
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
    """What was asked for, by field, in the order of a name; empty when only alternative names are wanted.

    Domain components are written as in a host name, and stand in a name the other way round (RFC 2247).
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
    """The subject name; empty when only alternative names are wanted."""
    return x509.Name(
        [x509.NameAttribute(OIDS[field], value) for field, values in wanted(attributes).items() for value in values]
    )


def values_of(name: x509.Name, field: str) -> tuple[str, ...]:
    """What a name has in one field, in its own order."""
    return tuple(str(attribute.value) for attribute in name.get_attributes_for_oid(OIDS[field]))


def differences(name: x509.Name, attributes: Attributes) -> list[str]:
    """The fields that were asked for and are not there, or are not the same.

    Not the common name: many CAs leave it out, and the alternative names are what counts (RFC 9525).
    """
    return [
        field.replace("_", "-")
        for field, values in wanted(attributes).items()
        if field != "common_name" and list(map(_folded, values_of(name, field))) != list(map(_folded, values))
    ]


def _folded(value: str) -> str:
    """Case and the number of spaces make no other name (RFC 5280 §7.1)."""
    return " ".join(value.casefold().split())
