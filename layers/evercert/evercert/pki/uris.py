"""URIs as alternative names: the grammar of RFC 3986, the rules of RFC 5280 §4.2.1.6, and SPIFFE ids."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection

SPIFFE = "spiffe:"
MAX_SPIFFE_BYTES = 2_048
_UNRESERVED, _SUB_DELIMS = r"A-Za-z0-9._~\-", r"!$&'()*+,;="
_ESCAPED = r"%[0-9A-Fa-f]{2}"
_PCHAR = rf"(?:[{_UNRESERVED}{_SUB_DELIMS}:@]|{_ESCAPED})"
_HOST = rf"(?P<host>\[[0-9A-Fa-f:.]+\]|[{_UNRESERVED}{_SUB_DELIMS}]+)"  # a DNS name or an address: no escapes
_AUTHORITY = rf"(?:(?P<user>(?:[{_UNRESERVED}{_SUB_DELIMS}:]|{_ESCAPED})*)@)?{_HOST}(?::[0-9]*)?"
_URI = re.compile(
    rf"[A-Za-z][A-Za-z0-9+.-]*:(?://{_AUTHORITY}(?:/{_PCHAR}*)*|/?{_PCHAR}+(?:/{_PCHAR}*)*)"
    rf"(?:\?(?:{_PCHAR}|[/?])*)?(?:#(?:{_PCHAR}|[/?])*)?"
)
_TRUST_DOMAIN = re.compile(r"(?=.{1,255}\Z)[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
_SEGMENT = re.compile(r"[A-Za-z0-9._-]+")


def checked(value: str) -> str:
    """Return the URI; raise ValueError if it is not one (RFC 3986 §3), or begins like a SPIFFE id and is not one."""
    found = _URI.fullmatch(value)
    if found is None or not _is_host(found["host"]):
        raise ValueError(f"{value!r} is not a URI with a scheme, such as spiffe://example.org/web")
    if ":" in (found["user"] or ""):
        raise ValueError("a URI with a password would be published in the certificate: remove user name and password")
    if value.lower().startswith(SPIFFE) and (why := _spiffe_problem(value)) is not None:
        raise ValueError(f"{value!r} is not a SPIFFE id: {why}")
    return value


def _is_host(host: str | None) -> bool:
    """Return whether clients can parse the host (RFC 5280 §4.2.1.6); a URI without `//` has none."""
    if host is None:
        return True
    if host.startswith("["):
        try:
            ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            return False
    return all(host.split("."))


def conflict(uris: Collection[str]) -> str | None:
    """Return why these URIs cannot share a certificate, or None: an X.509-SVID has exactly one URI."""
    if len(uris) > 1 and any(uri.lower().startswith(SPIFFE) for uri in uris):
        return "a certificate with a SPIFFE id has no other URI: request one certificate for each"
    return None


def _spiffe_problem(value: str) -> str | None:
    """Return what breaks the rules of "SPIFFE Identity", sections 2.1 to 2.3, or None."""
    domain, *segments = value[len(SPIFFE) + 2 :].split("/")
    if not value.startswith(f"{SPIFFE}//"):
        return "it must begin with spiffe:// in lower case"
    if len(value) > MAX_SPIFFE_BYTES:
        return f"it is longer than {MAX_SPIFFE_BYTES} bytes"
    if not _TRUST_DOMAIN.fullmatch(domain):
        return "a trust domain has lower-case letters, digits, dots, dashes and underscores, no port and no user"
    if any(not _SEGMENT.fullmatch(segment) or segment in {".", ".."} for segment in segments):
        return "path segments have letters, digits, dots, dashes and underscores, and are not empty, `.` or `..`"
    return None
