"""Staging issuers, whose certificates no client trusts: they must not replace others by mistake."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from evercert.contracts.record import Record
from evercert.documents.spec import Spec
from evercert.errors import Misconfigured
from evercert.registry import Component, Registry


def conflicts(
    records: Iterable[Record],
    specs: Iterable[Spec],
    defined: Mapping[str, Component],
    changes: Mapping[str, Component],
    issuers: Registry,
) -> Iterator[str]:
    """Yield a line for each certificate in use that a staging issuer would replace.

    `defined` are the issuers of the stack, `changes` the new and changed ones.
    """
    after, new = {**defined, **changes}, {spec.name: spec.issuer for spec in specs}
    for record in records:
        wanted = new.get(record.name, record.spec.issuer)
        definition, current = after.get(wanted), defined.get(record.spec.issuer)
        if record.facts is None or definition is None or not _is_staging(definition, issuers):
            continue
        if record.issuer_hash == issuers.identity_hash(definition):
            continue
        if current is None or not _is_staging(current, issuers):
            yield (
                f"{record.name}: issuer {wanted} is for staging: clients do not trust its certificates; "
                f"to replace the certificate of issuer {record.spec.issuer} anyway, pass --allow-staging"
            )


def _is_staging(definition: Component, issuers: Registry) -> bool:
    """Whether the issuer is for staging; a stored definition that is invalid now is not."""
    try:
        return bool(getattr(issuers.settings(definition), "is_staging", False))
    except Misconfigured:
        return False
