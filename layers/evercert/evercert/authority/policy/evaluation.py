"""Evaluate requests against policies; violations have the wording of Infisical."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from evercert.authority.ca.leaf_fields import SubjectField
from evercert.authority.policy.patterns import allows, denies
from evercert.authority.policy.policy import (
    ANY,
    Algorithms,
    ExtendedKeyUsageRule,
    KeyUsageRule,
    NameType,
    Policy,
    SubjectType,
    ValueRule,
)
from evercert.authority.requests.effective_request import EffectiveRequest, refuse
from evercert.pki.algorithms import KeyAlgorithm
from evercert.pki.identifiers import Identifier, Kind
from evercert.pki.usages import KEY_USAGES, without_impossible
from evercert.schema import printable

__all__ = ["find_violations", "find_violations_of_name", "refuse"]

_SUBJECT: dict[SubjectField, SubjectType] = {
    "common_name": "common_name",
    "organization": "organization",
    "organizational_unit": "organizational_unit",
    "country": "country",
    "state": "state",
    "locality": "locality",
    "domain_components": "domain_component",
}
_NAMES: dict[Kind, NameType] = {"dns": "dns_name", "ip": "ip_address", "email": "email", "uri": "uri"}


def find_violations(
    request: EffectiveRequest, policy: Policy, now: datetime, algorithm: KeyAlgorithm | None = None
) -> list[str]:
    """Return every violation; empty if the policy allows the request. `algorithm` is that of the certificate's key.

    Fields that no certificate of this authority can have are checked by `EffectiveRequest.leaf`, not here.
    """
    return [
        *_subject(request, policy),
        *_names(request, policy),
        *_key_usages(request, policy.key_usages, algorithm),
        *_usages("extended key usages", request.extended_key_usages, policy.extended_key_usages),
        *_algorithms(request, policy),
        *_validity(request, policy, now),
        *_constraints(request, policy),
    ]


def find_violations_of_name(name: Identifier, policy: Policy) -> list[str]:
    """Return every violation of one alternative name, whatever else the request has."""
    rules, kind = {rule.type: rule for rule in policy.sans}, _NAMES[name.kind]
    if kind not in rules:
        return [_undefined(kind, policy)]
    return list(_name(rules[kind], name.value))


def _subject(request: EffectiveRequest, policy: Policy) -> Iterator[str]:
    requested = {
        kind: [",".join(found)] if kind == "domain_component" else list(found)
        for field, kind in _SUBJECT.items()
        if (found := request.subject.get(field))
    }
    rules = {rule.type: rule for rule in policy.subject}
    for kind, rule in rules.items():
        if rule.required and kind not in requested:
            yield f"Missing required {kind} attribute"
    for kind, values in requested.items():
        if kind not in rules:
            why = "not defined in template" if rules else "no subject policies defined"
            yield f"{kind} is not allowed by template policy ({why})"
            continue
        for value in values:
            yield from _attribute(rules[kind], value)


def _attribute(rule: ValueRule, value: str) -> Iterator[str]:
    """Yield violations of one subject attribute; it must match at least one of the required patterns."""
    kind, shown = rule.type, printable(value, 255)
    meets_required = any(allows(kind, pattern, value) for pattern in rule.required or ())
    if rule.required and not meets_required:
        yield f"{kind} value '{shown}' does not match any required patterns: {', '.join(rule.required)}"
    if _denied(rule, value):
        yield f"{kind} value '{shown}' is denied by template policy"
    if rule.allowed and not rule.required and not any(allows(kind, pattern, value) for pattern in rule.allowed):
        yield _not_allowed(rule, value)


def _names(request: EffectiveRequest, policy: Policy) -> Iterator[str]:
    rules = {rule.type: rule for rule in policy.sans}
    requested: dict[NameType, list[str]] = {}
    for name in request.names:
        requested.setdefault(_NAMES[name.kind], []).append(name.value)
    for kind, rule in rules.items():
        for pattern in rule.required or ():
            if not any(allows(kind, pattern, value) for value in requested.get(kind, ())):
                yield f"Required {kind} SAN matching pattern '{pattern}' not found in request"
    for kind, values in requested.items():
        if kind not in rules:
            yield _undefined(kind, policy)
            continue
        for value in values:
            yield from _name(rules[kind], value)


def _undefined(kind: NameType, policy: Policy) -> str:
    why = "not defined in template" if policy.sans else "no SAN policies defined"
    return f"{kind} SAN is not allowed by template policy ({why})"


def _name(rule: ValueRule, value: str) -> Iterator[str]:
    if _denied(rule, value):
        yield f"{rule.type} SAN matching denied pattern '{printable(value, 255)}' found in request"
    known = [*(rule.allowed or ()), *(rule.required or ())]
    if known and not any(allows(rule.type, pattern, value) for pattern in known):
        yield _not_allowed(rule, value)


def _denied(rule: ValueRule, value: str) -> bool:
    return any(denies(rule.type, pattern, value) for pattern in rule.denied or ())


def _not_allowed(rule: ValueRule, value: str) -> str:
    known, shown = [*(rule.allowed or ()), *(rule.required or ())], printable(value, 255)
    if any("*" in pattern for pattern in known):
        return f"{rule.type} value '{shown}' does not match allowed patterns: {', '.join(known)}"
    return f"{rule.type} value '{shown}' is not in allowed values list"


def _key_usages(request: EffectiveRequest, rule: KeyUsageRule | None, algorithm: KeyAlgorithm | None) -> Iterator[str]:
    """Yield violations of key usages; a required usage that the key cannot have may be missing.

    Certificates leave it out, and a renewal requests what the certificate has.
    """
    if rule is not None and rule.required and algorithm is not None:
        never = {use for use in KEY_USAGES if use not in without_impossible(("key_agreement", use), algorithm)}
        required = [one for one in rule.required if one not in never or one in request.key_usages]
        rule = rule.model_copy(update={"required": required})
    yield from _usages("key usages", request.key_usages, rule)


def _usages(what: str, requested: Sequence[str], rule: KeyUsageRule | ExtendedKeyUsageRule | None) -> Iterator[str]:
    """Yield violations of usages; a rule with `denied` alone allows none, as in Infisical."""
    required, allowed, denied = (
        ((), (), ()) if rule is None else (rule.required or (), rule.allowed or (), rule.denied or ())
    )
    if missing := [usage for usage in required if usage not in requested]:
        yield f"Missing required {what}: {', '.join(missing)}"
    if found := [usage for usage in requested if usage in denied]:
        yield f"Denied {what} found in request: {', '.join(found)}"
    if invalid := [usage for usage in requested if usage not in required and usage not in allowed]:
        yield f"Invalid {what}: {', '.join(invalid)}"


def _algorithms(request: EffectiveRequest, policy: Policy) -> Iterator[str]:
    rules = policy.algorithms or Algorithms()
    yield from _algorithm("Signature algorithm", request.signature_algorithm, rules.signature)
    yield from _algorithm("Key algorithm", request.key_algorithm, rules.key_algorithm)


def _algorithm(what: str, requested: str | None, known: Sequence[str] | None) -> Iterator[str]:
    if known is not None and ANY in known:
        return
    if requested is None:
        if known is not None:
            yield f"{what} is required by this policy but not provided"
    elif known is None or requested not in known:
        yield f"{what} '{requested}' is not allowed by template policy"


def _validity(request: EffectiveRequest, policy: Policy, now: datetime) -> Iterator[str]:
    begin, end, longest = request.not_before, request.not_after, policy.validity.span
    if request.ttl is not None and (begin or end) is not None:
        yield "ttl and notBefore or notAfter cannot be given together"
    if begin is not None and end is not None and not begin < end:
        yield "notBefore must be earlier than notAfter"
    span = request.span(now)
    if longest is not None and span is not None and span > longest:
        yield "Requested validity period exceeds maximum allowed duration"


def _constraints(request: EffectiveRequest, policy: Policy) -> Iterator[str]:
    rule = policy.basic_constraints
    if rule.is_ca == "denied" and request.ca:
        yield "CA certificates are not allowed by template policy (basicConstraints.isCA)"
    if rule.is_ca == "required" and not request.ca:
        yield "basicConstraints.isCA is required by template policy"
    if not request.ca or rule.max_path_length < 0:
        return
    length = request.basic_constraints.path_length if request.basic_constraints is not None else None
    if length is None:
        yield f"basicConstraints.pathLength is required by template policy, of at most {rule.max_path_length}"
    elif length > rule.max_path_length:
        yield f"basicConstraints.pathLength {length} exceeds the maximum of {rule.max_path_length} of template policy"
