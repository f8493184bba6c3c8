"""Requested certificate fields: present, cleared (None), or absent."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, NamedTuple, TypedDict

from evercert.authority.ca.leaf_fields import SUBJECT_FIELDS, Leaf
from evercert.pki.algorithms import KeyAlgorithm, family
from evercert.pki.attributes import SignatureAlgorithm
from evercert.pki.identifiers import Identifier, Kind
from evercert.pki.usages import ExtendedKeyUsage, KeyUsage

# Includes usages that this authority never issues, so that a policy can deny them by name.
KeyUsageWord = Literal[KeyUsage, "key_cert_sign", "crl_sign"]
ExtendedKeyUsageWord = Literal[ExtendedKeyUsage, "any_purpose"]
KINDS: dict[str, Kind] = {"dns_name": "dns", "ip_address": "ip", "email": "email", "uri": "uri"}
MOST_NAMES = 100
Metadata = tuple[tuple[str, str], ...]  # key and value, in the order of the request


class BasicConstraints(NamedTuple):
    """Basic constraints (RFC 5280 §4.2.1.9)."""

    ca: bool = False
    path_length: int | None = None


class Spelling(NamedTuple):
    """Fields of a request as the client wrote them; None if not requested.

    Clients compare them with the answers, order and spelling included: Terraform fails if they differ.
    """

    common_name: str | None = None
    country: str | None = None
    alt_names: tuple[str, ...] | None = None
    key_usages: tuple[str, ...] | None = None
    extended_key_usages: tuple[str, ...] | None = None


AS_CERTIFIED = Spelling()  # nothing to remember: answers show the certificate


class RequestedFields(TypedDict, total=False):
    """Fields of a request. A missing key falls back to a default or to the renewed certificate; None clears it.

    Values are canonical: names are typed, hosts are A-labels, domain components are in the order of a host name.
    Merge with `{**defaults, **overrides}`.
    """

    common_name: str | None
    organization: str | tuple[str, ...] | None  # a CSR may have several
    organizational_unit: str | tuple[str, ...] | None
    country: str | None
    state: str | None
    locality: str | None
    domain_components: tuple[str, ...] | None
    names: tuple[Identifier, ...] | None
    key_usages: tuple[KeyUsageWord, ...] | None
    extended_key_usages: tuple[ExtendedKeyUsageWord, ...] | None
    key_algorithm: KeyAlgorithm | None
    signature_algorithm: SignatureAlgorithm | None
    basic_constraints: BasicConstraints | None
    ttl: timedelta | None
    not_before: datetime | None
    not_after: datetime | None


def fields_of_leaf(leaf: Leaf, key_algorithm: KeyAlgorithm | None) -> RequestedFields:
    """Return the fields that request the same leaf again, without its lifetime."""
    found = RequestedFields(
        names=leaf.names,
        key_usages=leaf.key_usages,
        extended_key_usages=leaf.extended_key_usages,
    )
    if key_algorithm is not None:
        found["key_algorithm"] = key_algorithm
        if leaf.hash is not None:
            signs = "RSA" if family(key_algorithm) == "RSA" else "ECDSA"
            found["signature_algorithm"] = f"{signs}-{leaf.hash}"  # type: ignore[typeddict-item]
    for field in SUBJECT_FIELDS:
        if values := leaf.subject.get(field):
            several = field != "domain_components" and len(values) > 1
            found[field] = values[::-1] if field == "domain_components" else values if several else values[0]
    return found
