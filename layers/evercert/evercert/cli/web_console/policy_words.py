"""Rules of a policy in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evercert.authority.policy.policy import Policy

NAMES = {
    "common_name": "Common name",
    "organization": "Organization",
    "organizational_unit": "Organizational unit",
    "country": "Country",
    "state": "State",
    "locality": "Locality",
    "domain_component": "Domain components",
    "dns_name": "DNS names",
    "ip_address": "IP addresses",
    "email": "Email addresses",
    "uri": "URIs",
}
MOST = 20  # values of one list


def words_of(policy: Policy) -> Iterator[tuple[str, str]]:
    """Yield the subject of each rule, and the rule as a phrase."""
    for named in (*policy.subject, *policy.sans):
        yield NAMES[named.type], _rule(named.allowed, named.required, named.denied)
    for title, usages in (("Key usages", policy.key_usages), ("Extended key usages", policy.extended_key_usages)):
        if usages is not None:
            yield title, _rule(usages.allowed, usages.required, usages.denied)
    if policy.algorithms is not None:
        for title, algorithms in (
            ("Key algorithms", policy.algorithms.key_algorithm),
            ("Signature algorithms", policy.algorithms.signature),
        ):
            yield title, "none" if algorithms is None else _listed(algorithms)
    longest = policy.validity.max
    yield "Lifetime", "as long as the CA allows" if longest is None else f"at most {longest}"
    yield "CA certificates", policy.basic_constraints.is_ca


def _rule(allowed: Sequence[str] | None, required: Sequence[str] | None, denied: Sequence[str] | None) -> str:
    kinds = (("required", required), ("allowed", allowed), ("denied", denied))
    return "; ".join(f"{kind}: {_listed(values)}" for kind, values in kinds if values is not None) or "none"


def _listed(values: Sequence[str]) -> str:
    found = ["any" if value == "*" else value for value in values]
    more = [f"and {len(found) - MOST} more"] if len(found) > MOST else []
    return ", ".join([*found[:MOST], *more])
