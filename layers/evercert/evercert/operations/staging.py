"""Staging issuers, whose certificates no client trusts: they must not replace others by mistake."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from evercert.contracts.record import Record
from evercert.documents.spec import Spec
from evercert.errors import Misconfigured
from evercert.operations.issuer_identity import identities, issuer_of
from evercert.registry import Component, Registry


def conflicts(
    records: Iterable[Record],
    specs: Iterable[Spec],
    defined: Mapping[str, Component],
    changes: Mapping[str, Component],
    issuers: Registry,
) -> Iterator[str]:
    """Yield a line for each certificate in use that a staging issuer would replace.

    `defined` are the issuers of the stack, `changes` those of the documents. A spec with staging or self-signed issuers
    beside others is a conflict before its first certificate too: an outage would replace the certificate later.
    """
    records = list(records)
    after, new = {**defined, **changes}, {spec.name: spec for spec in specs}
    for spec in {**{record.name: record.spec for record in records}, **new}.values():
        mixed = _untrusted_beside_others(spec, after, issuers)
        if mixed and (spec.name in new or any(defined.get(name) != after.get(name) for name in spec.issuer_names)):
            name, why = next(iter(mixed.items()))
            yield (
                f"{spec.name}: issuer {name} is {why}: clients of the others do not trust its certificates; "
                "remove it from issuers, or pass --allow-staging"
            )
    for record in records:
        wanted = new.get(record.name, record.spec)
        staging = _staging(wanted, after, issuers)
        if record.facts is None or len(staging) < len(wanted.issuer_names):
            continue
        if record.issuer_hash in identities(staging, after, issuers).values():
            continue
        current = issuer_of(record, defined, issuers) or record.spec.issuer
        if current not in defined or not _is_staging(defined[current], issuers):
            yield (
                f"{record.name}: issuer {staging[0]} is for staging: clients do not trust its certificates; "
                f"to replace the certificate of issuer {current} anyway, pass --allow-staging"
            )


def _staging(spec: Spec, definitions: Mapping[str, Component], issuers: Registry) -> list[str]:
    """Return the staging issuers of a spec."""
    return [name for name in spec.issuer_names if name in definitions and _is_staging(definitions[name], issuers)]


def _untrusted_beside_others(spec: Spec, definitions: Mapping[str, Component], issuers: Registry) -> dict[str, str]:
    """Return the staging and self-signed issuers of a spec with the word for each; empty if it has no others."""
    found = {}
    for name in spec.issuer_names:
        if name in definitions and _is_staging(definitions[name], issuers):
            found[name] = "for staging"
        elif name in definitions and _is_self_signed(definitions[name], issuers):
            found[name] = "self-signed"
    return found if len(found) < len(spec.issuer_names) or len(set(found.values())) > 1 else {}


def _is_self_signed(definition: Component, issuers: Registry) -> bool:
    try:
        return hasattr(issuers.load(definition.type), "issue_with")
    except Misconfigured:
        return False


def _is_staging(definition: Component, issuers: Registry) -> bool:
    """Whether the issuer is for staging; a stored definition that is invalid now is not."""
    try:
        return bool(getattr(issuers.settings(definition), "is_staging", False))
    except Misconfigured:
        return False
