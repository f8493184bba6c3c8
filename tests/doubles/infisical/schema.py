"""Request schemas: unknown keys are dropped, all issues are reported in one 422 response."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from tests.doubles.infisical import durations
from tests.doubles.infisical.ca import EXTENDED, USAGES
from tests.doubles.infisical.errors import Refusal

KEY_ALGORITHMS = ("RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1")
SIGNATURES = tuple(f"{family}-{size}" for family in ("RSA", "ECDSA") for size in ("SHA256", "SHA384", "SHA512"))
TEXTS = ("commonName", "organization", "organizationalUnit", "country", "state", "locality")
SAN_TYPES = ("dns_name", "ip_address", "email", "uri")
CENTURY = timedelta(days=36_525)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class Issues(list[dict[str, Any]]):
    """The issues of a body, with their paths."""

    def say(self, path: Iterable[str | int], message: str, code: str = "custom") -> None:
        self.append({"code": code, "path": list(path), "message": message})

    def done(self) -> None:
        if self:
            raise Refusal(422, list(self))


def strings(body: Any, needed: Iterable[str], optional: Iterable[str] = ()) -> dict[str, str]:
    """Parse a flat body of strings; drop anything else."""
    issues = Issues()
    given = body if isinstance(body, dict) else {}
    for key in needed:
        if key not in given:
            issues.say([key], "Required", "invalid_type")
        elif not isinstance(given[key], str):
            issues.say([key], f"Expected string, received {type(given[key]).__name__}", "invalid_type")
    issues.done()
    return {key: given[key] for key in (*needed, *optional) if isinstance(given.get(key), str)}


def is_uuid(value: Any) -> bool:
    return isinstance(value, str) and bool(_UUID.fullmatch(value))


def issue_body(body: Any) -> dict[str, Any]:
    """Parse the body of an issuance."""
    given = body if isinstance(body, dict) else {}
    issues = Issues()
    if not is_uuid(given.get("profileId")):
        issues.say(["profileId"], "Invalid uuid" if "profileId" in given else "Required", "invalid_string")
    if "applicationId" in given and not is_uuid(given["applicationId"]):
        issues.say(["applicationId"], "Invalid uuid", "invalid_string")
    _csr(given, issues)
    read = {key: given[key] for key in ("profileId", "applicationId", "csr") if key in given}
    read["attributes"] = _attributes(given.get("attributes"), issues)
    read["removeRootsFromChain"] = _flag(given, "removeRootsFromChain", issues)
    read["metadata"] = _metadata(given.get("metadata", []), ["metadata"], issues)
    issues.done()
    return read


def renew_body(body: Any) -> dict[str, Any]:
    """Parse the body of a renewal; `attributes` stays None if absent, which needs another permission."""
    given = body if isinstance(body, dict) else {}
    issues = Issues()
    source = given.get("renewalKeySource", "new")
    if source not in ("new", "reuse", "csr"):
        issues.say(["renewalKeySource"], "Invalid enum value", "invalid_enum_value")
    _csr(given, issues)
    read = {
        "renewalKeySource": source,
        "csr": given.get("csr"),
        "attributes": _attributes(given["attributes"], issues) if "attributes" in given else None,
        "removeRootsFromChain": _flag(given, "removeRootsFromChain", issues),
    }
    issues.done()
    return read


def search_body(body: Any) -> dict[str, Any]:
    """Parse the body of a search for certificate requests."""
    given = body if isinstance(body, dict) else {}
    issues = Issues()
    if not given.get("projectId") and not given.get("projectSlug"):
        issues.say(["projectId"], "Required", "invalid_type")
    limit, offset = given.get("limit", 20), given.get("offset", 0)
    if not isinstance(limit, int) or not 1 <= limit <= 100:
        issues.say(["limit"], "Number must be between 1 and 100", "too_big")
    if not isinstance(offset, int) or offset < 0:
        issues.say(["offset"], "Number must be greater than or equal to 0", "too_small")
    if given.get("sortBy", "createdAt") != "createdAt" or given.get("sortOrder", "desc") not in ("asc", "desc"):
        issues.say(["sortBy"], "Invalid enum value", "invalid_enum_value")
    read = {key: given[key] for key in ("projectId", "projectSlug", "search", "status", "profileIds") if key in given}
    for key in ("fromDate", "toDate"):
        if key in given:
            read[key] = _instant(given[key], [key], issues)
    read |= {"limit": limit, "offset": offset, "sortOrder": given.get("sortOrder", "desc")}
    read["metadata"] = _metadata(given.get("metadata", []), ["metadata"], issues)
    issues.done()
    return read


def _flag(given: dict[str, Any], key: str, issues: Issues) -> bool:
    value = given.get(key, False)
    if not isinstance(value, bool):
        issues.say([key], "Expected boolean", "invalid_type")
    return bool(value)


def _csr(given: dict[str, Any], issues: Issues) -> None:
    csr = given.get("csr")
    if csr is not None and not (isinstance(csr, str) and 1 <= len(csr) <= 4096):
        issues.say(["csr"], "String must contain 1 to 4096 characters", "too_big")


def _metadata(given: Any, path: list[str | int], issues: Issues) -> list[dict[str, str]]:
    read = []
    for number, pair in enumerate(given if isinstance(given, list) else [None]):
        key, value = (pair.get("key"), pair.get("value", "")) if isinstance(pair, dict) else (None, None)
        if not isinstance(key, str) or not 1 <= len(key) <= 255 or not isinstance(value, str) or len(value) > 1020:
            issues.say([*path, number], "Expected key and value", "invalid_type")
            continue
        read.append({"key": key, "value": value})
    return read


def _attributes(given: Any, issues: Issues) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        issues.say(["attributes"], "Expected object", "invalid_type")
        return {}
    read: dict[str, Any] = {}
    for key in TEXTS:
        if key in given:
            read[key] = given[key]
            if given[key] is not None and not (isinstance(given[key], str) and len(given[key]) <= 255):
                issues.say(["attributes", key], "Expected string of at most 255 characters", "invalid_type")
    _lists(given, read, issues)
    _names(given, read, issues)
    for key, allowed in (("keyAlgorithm", KEY_ALGORITHMS), ("signatureAlgorithm", SIGNATURES)):
        if key in given:
            read[key] = given[key]
            if given[key] not in allowed:
                issues.say(["attributes", key], f"Invalid enum value, received {given[key]!r}", "invalid_enum_value")
    _span(given, read, issues)
    for key in ("basicConstraints", "customExtensions"):
        if key in given:
            read[key] = given[key]
    return read


def _lists(given: dict[str, Any], read: dict[str, Any], issues: Issues) -> None:
    for key, allowed in (("keyUsages", USAGES), ("extendedKeyUsages", EXTENDED)):
        if key not in given:
            continue
        read[key] = values = given[key] if isinstance(given[key], list) else [given[key]]
        if len(values) > 20:
            issues.say(["attributes", key], "Array must contain at most 20 elements", "too_big")
        for number, value in enumerate(values):
            if value not in list(allowed):
                told = f"Invalid enum value, received {value!r}"
                issues.say(["attributes", key, number], told, "invalid_enum_value")
    if "domainComponents" in given:
        read["domainComponents"] = parts = given["domainComponents"] or []
        if len(parts) > 50 or sum(map(len, parts)) > 255 or any("," in part for part in parts):
            issues.say(["attributes", "domainComponents"], "Invalid domain components")


def _names(given: dict[str, Any], read: dict[str, Any], issues: Issues) -> None:
    if "altNames" not in given:
        return
    read["altNames"] = names = [*given["altNames"]] if isinstance(given["altNames"], list) else [None]
    for number, san in enumerate(names):
        kind, value = (san.get("type"), san.get("value")) if isinstance(san, dict) else (None, None)
        if kind not in SAN_TYPES or not isinstance(value, str) or not 1 <= len(value) <= 255:
            issues.say(["attributes", "altNames", number], f"Invalid alternative name of type {kind!r}")
        elif not value.isascii() or (kind == "ip_address" and not _is_address(value)):
            issues.say(["attributes", "altNames", number], f"{value!r} is no {kind}")
        elif kind == "dns_name" and _is_address(value):  # the agent sends every name so
            names[number] = {**san, "type": "ip_address"}
    if len(names) > 100 or sum(len(str((san or {}).get("value"))) + 1 for san in names) > 4097:
        issues.say(["attributes", "altNames"], "Too many alternative names", "too_big")


def _is_address(text: str) -> bool:
    try:
        return bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def _span(given: dict[str, Any], read: dict[str, Any], issues: Issues) -> None:
    if "ttl" in given:
        read["ttl"] = text = given["ttl"]
        span = durations.ttl(text) if isinstance(text, str) and len(text) <= 32 else None
        if span is None or not timedelta(0) < span <= CENTURY:
            issues.say(["attributes", "ttl"], "TTL must be a positive duration of at most 100 years")
    for key in ("notBefore", "notAfter"):
        if key in given:
            read[key] = _instant(given[key], ["attributes", key], issues)
    begins, ends = read.get("notBefore"), read.get("notAfter")
    if "ttl" in read and (begins or ends):
        issues.say(["attributes", "ttl"], "ttl cannot be used together with notBefore or notAfter")
    if begins and ends and begins >= ends:
        issues.say(["attributes", "notBefore"], "notBefore must be earlier than notAfter")


def _instant(text: Any, path: list[str | int], issues: Issues) -> datetime | None:
    try:
        read = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        read = None
    if read is None or read.tzinfo is None:
        issues.say(path, "Invalid datetime", "invalid_string")
        return None
    return read
