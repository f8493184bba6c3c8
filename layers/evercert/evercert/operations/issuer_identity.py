"""The issuer that a certificate came from, by the identities of the defined issuers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from evercert.contracts.record import Record
from evercert.errors import Misconfigured
from evercert.registry import Component, Registry


def identities(names: Iterable[str], definitions: Mapping[str, Component], issuers: Registry) -> dict[str, str]:
    """Return the identity hashes of these issuers by name, without those that are undefined or invalid now."""
    found = {}
    for name in names:
        if name in definitions:
            try:
                found[name] = issuers.identity_hash(definitions[name])
            except Misconfigured:
                continue
    return found


def issuer_of(record: Record, definitions: Mapping[str, Component], issuers: Registry) -> str | None:
    """Return which issuer of the spec issued the delivered certificate; None if none of them did, as defined now.

    Of issuers with the same identity, the first one of the spec is returned.
    """
    if record.facts is None:
        return None
    hashes = identities(record.spec.issuer_names, definitions, issuers)
    return next((name for name, identity in hashes.items() if identity == record.issuer_hash), None)
