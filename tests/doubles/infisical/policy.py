"""Certificate policies: check a request and collect all violations."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from tests.doubles.infisical import durations
from tests.doubles.infisical.errors import broken

SUBJECT_TYPES = {
    "commonName": "common_name",
    "organization": "organization",
    "organizationalUnit": "organizational_unit",
    "country": "country",
    "state": "state",
    "locality": "locality",
}
KEYS = {
    "RSA_2048": "RSA-2048", "RSA_3072": "RSA-3072", "RSA_4096": "RSA-4096",
    "EC_prime256v1": "ECDSA-P256", "EC_secp384r1": "ECDSA-P384", "EC_secp521r1": "ECDSA-P521",
}  # fmt: skip
Rule = dict[str, list[str]]


def matches(value: str, pattern: str) -> bool:
    """Match the whole lower-case value; `*` matches any characters."""
    parts = (re.escape(part) for part in pattern.lower().split("*"))
    return bool(re.fullmatch(".*".join(parts), value.lower(), re.DOTALL))


def _any(value: str, patterns: list[str]) -> bool:
    return any(matches(value, pattern) for pattern in patterns)


def errors(rules: dict[str, Any], wanted: dict[str, Any], now: datetime) -> list[str]:
    """Return the violations of a request; empty if it is allowed."""
    return [
        *_subject(rules.get("subject", []), wanted),
        *_domain_components(rules.get("subject", []), wanted.get("domainComponents") or []),
        *_sans(rules.get("sans", []), wanted.get("altNames") or []),
        *_usages(rules.get("keyUsages"), wanted.get("keyUsages") or [], "key usages"),
        *_usages(rules.get("extendedKeyUsages"), wanted.get("extendedKeyUsages") or [], "extended key usages"),
        *_algorithms(rules.get("algorithms", {}), wanted),
        *_validity(rules.get("validity", {}).get("max"), wanted, now),
        *_authority(rules.get("basicConstraints", {}), wanted.get("basicConstraints") or {}),
    ]


def _subject(rules: list[dict[str, Any]], wanted: dict[str, Any]) -> list[str]:
    by_type = {rule["type"]: rule for rule in rules}
    found = []
    for field, kind in SUBJECT_TYPES.items():
        value, rule = wanted.get(field), by_type.get(kind)
        if rule is None:
            if value:
                why = "not defined in template" if rules else "no subject policies defined"
                found.append(f"{kind} is not allowed by template policy ({why})")
            continue
        required, allowed = rule.get("required", []), rule.get("allowed", [])
        if required and not value:
            found.append(f"Missing required {kind} attribute")
        if not value:
            continue
        if required and not allowed and not _any(value, required):
            found.append(f"{kind} value '{value}' does not match any required patterns: {', '.join(required)}")
        if _any(value, rule.get("denied", [])):
            found.append(f"{kind} value '{value}' is denied by template policy")
        if allowed and not _any(value, allowed + required):
            found.append(f"{kind} value '{value}' does not match allowed patterns: {', '.join(allowed)}")
    return found


def _domain_components(rules: list[dict[str, Any]], asked: list[str]) -> list[str]:
    """Compare ordered sequences; `denied` matches any contiguous part."""
    found = [rule for rule in rules if rule["type"] == "domain_component"]
    if not found:
        return ["domain_component is not allowed by template policy (not defined in template)"] if asked else []
    rule = found[0]

    def same(values: list[str], pattern: str) -> bool:
        parts = [part.strip() for part in pattern.split(",")]
        return len(parts) == len(values) and all(map(matches, values, parts))

    told = []
    required, allowed = rule.get("required", []), rule.get("allowed", [])
    if required and not any(same(asked, pattern) for pattern in required):
        told.append("Missing required domain_component attribute")
    for pattern in rule.get("denied", []):
        size = len(pattern.split(","))
        if any(same(asked[at : at + size], pattern) for at in range(len(asked))):
            told.append(f"domain_component value '{','.join(asked)}' is denied by template policy")
    if asked and allowed and not any(same(asked, pattern) for pattern in allowed + required):
        told.append(f"domain_component value '{','.join(asked)}' does not match allowed patterns")
    return told


def _sans(rules: list[dict[str, Any]], asked: list[dict[str, str]]) -> list[str]:
    found = []
    by_type = {rule["type"]: rule for rule in rules}
    for rule in rules:
        values = [san["value"] for san in asked if san["type"] == rule["type"]]
        found += [
            f"Required {rule['type']} SAN matching pattern '{pattern}' not found in request"
            for pattern in rule.get("required", [])
            if not any(matches(value, pattern) for value in values)
        ]
    for san in asked:
        kind, value, rule = san["type"], san["value"], by_type.get(san["type"])
        if rule is None:
            why = "not defined in template" if rules else "no SAN policies defined"
            found.append(f"{kind} SAN is not allowed by template policy ({why})")
            continue
        if _any(value, rule.get("denied", [])):
            found.append(f"{kind} SAN matching denied pattern '{value}' found in request")
        allowed = rule.get("allowed", []) + rule.get("required", [])
        if allowed and not _any(value, allowed):
            found.append(f"{kind} SAN value '{value}' does not match allowed patterns: {', '.join(allowed)}")
    return found


def _usages(rule: Rule | None, asked: list[str], what: str) -> list[str]:
    """Check usages: each must be required or allowed, so a rule with only `denied` allows none."""
    if rule is None:
        return [f"Invalid {what}: {', '.join(asked)}"] if asked else []
    required, denied = rule.get("required", []), rule.get("denied", [])
    told = []
    if missing := [usage for usage in required if usage not in asked]:
        told.append(f"Missing required {what}: {', '.join(missing)}")
    if forbidden := [usage for usage in asked if usage in denied]:
        told.append(f"Denied {what} found in request: {', '.join(forbidden)}")
    if strange := [usage for usage in asked if usage not in {*required, *rule.get("allowed", [])}]:
        told.append(f"Invalid {what}: {', '.join(strange)}")
    return told


def _algorithms(rules: Rule, wanted: dict[str, Any]) -> list[str]:
    told = []
    for key, listed, what in (
        ("signatureAlgorithm", rules.get("signature"), "Signature algorithm"),
        ("keyAlgorithm", rules.get("keyAlgorithm"), "Key algorithm"),
    ):
        asked = wanted.get(key)
        if listed == []:
            continue
        if listed and not asked:
            told.append(f"{what} is required by this policy but not provided")
        elif asked and (_policy_spelling(asked) not in (listed or ())):
            told.append(f"{what} '{asked}' is not allowed by template policy")
    return told


def _policy_spelling(name: str) -> str:
    return KEYS.get(name) or "-".join(reversed(name.split("-")))


def _validity(most: str | None, wanted: dict[str, Any], now: datetime) -> list[str]:
    if most is None:
        return []
    begins, ends = wanted.get("notBefore") or now, wanted.get("notAfter")
    if text := wanted.get("ttl"):
        span = durations.policy(text)
        if span is None:
            raise broken()  # its parser lacks the unit
    elif ends:
        span = ends - begins
    else:
        span = timedelta(0)
    allowed = durations.policy(most)
    return ["Requested validity period exceeds maximum allowed duration"] if allowed is None or span > allowed else []


def _authority(rule: dict[str, Any], asked: dict[str, Any]) -> list[str]:
    kind, most, wants = rule.get("isCA", "denied"), rule.get("maxPathLength"), bool(asked.get("isCA"))
    if kind == "denied" and wants:
        return ["CA certificates are not allowed by this policy"]
    if kind == "required" and not wants:
        return ["This policy is for CA certificates only"]
    if wants and most not in (None, -1):
        length = asked.get("pathLength")
        if length is None or length > most:
            return [f"Path length must be at most {most}"]
    return []
