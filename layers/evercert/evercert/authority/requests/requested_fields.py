"""What somebody asks for, field by field: said, said to be nothing, or not said at all."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, NamedTuple, TypedDict

from evercert.authority.ca.leaf_fields import SUBJECT_FIELDS, Leaf
from evercert.pki.algorithms import KeyAlgorithm, family
from evercert.pki.attributes import SignatureAlgorithm
from evercert.pki.identifiers import Identifier, Kind
from evercert.pki.usages import ExtendedKeyUsage, KeyUsage

# The API knows words that no certificate of this authority has, so that a policy can deny them by name.
KeyUsageWord = Literal[KeyUsage, "key_cert_sign", "crl_sign"]
ExtendedKeyUsageWord = Literal[ExtendedKeyUsage, "any_purpose"]
KINDS: dict[str, Kind] = {"dns_name": "dns", "ip_address": "ip", "email": "email", "uri": "uri"}
MOST_NAMES = 100
Metadata = tuple[tuple[str, str], ...]  # key and value, in the order of the request


class BasicConstraints(NamedTuple):
    """A CA or not, and how deep (RFC 5280 §4.2.1.9)."""

    ca: bool = False
    path_length: int | None = None


class RequestedFields(TypedDict, total=False):
    """A key that is missing was not said; None clears what a default, or an older certificate, would say.

    Values are canonical: names are typed, hosts are A-labels. Domain components stand as in a host name. Merge with
    `{**less, **more}`.
    """

    common_name: str | None
    organization: str | None
    organizational_unit: str | None
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
    """What a certificate says, as if it were asked for once more; without its lifetime."""
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
            found[field] = values[::-1] if field == "domain_components" else values[0]
    return found
