"""Paths of calls: a slash at the end, and calls of the Infisical API that this authority does not offer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from evercert.authority.api_errors import Refusal, not_found, not_implemented

_MANAGER = "/api/v1/cert-manager"
_APPLY = "define them in an authority document and run `evercert authority apply FILE`"
_ISSUE = f"use POST {_MANAGER}/certificates"
# Not 404: Terraform would take it for a deleted object and create another one.
_NOT_OFFERED: tuple[tuple[re.Pattern[str], str, str], ...] = tuple(
    (re.compile(pattern), what, remedy)
    for pattern, what, remedy in (
        (
            f"{_MANAGER}/certificate-profiles/[^/]+/certificates/latest-active-bundle",
            "the newest bundle of a profile is not offered",
            f"use GET {_MANAGER}/certificate-profiles/ID/certificates, then GET {_MANAGER}/certificates/ID/bundle",
        ),
        (f"{_MANAGER}/certificate-profiles(/.*)?", "certificate profiles are not managed through this API", _APPLY),
        (
            f"{_MANAGER}/(certificate-policies|certificate-templates)(/.*)?|/api/v[12]/pki/certificate-templates(/.*)?",
            "certificate policies are not managed through this API",
            f"{_APPLY}; they are part of certificate profiles",
        ),
        (f"{_MANAGER}/applications(/.*)?", "applications are not managed through this API", _APPLY),
        (
            f"{_MANAGER}/ca(/.*)?|/api/v[12]/pki/ca(/.*)?",
            "certificate authorities are not managed through this API",
            "use `evercert authority init` and `evercert authority ca`",
        ),
        (
            f"{_MANAGER}/certificates/(sign|issue|order)-certificate|/api/v1/pki/certificates/.*",
            "this deprecated call is not offered",
            _ISSUE,
        ),
        (f"{_MANAGER}/certificates/import-certificate", "certificates cannot be imported", _ISSUE),
        (
            f"{_MANAGER}/certificates/[^/]+(/config)?",
            "certificates cannot be changed or deleted through this API",
            "revoke the certificate, or configure renewals in the client",
        ),
        (
            "/api/v[0-9]/(identities|projects|workspace|organizations?)(/.*)?",
            "identities and projects are not managed through this API",
            "use `evercert authority identity create` and `evercert authority apply FILE`",
        ),
        (
            "/api/v1/auth/[^/]+-auth/identities(/.*)?",
            "logins of identities are not managed through this API",
            "use `evercert authority identity create`",
        ),
    )
)


_WRITES = ("POST", "PUT", "PATCH", "DELETE")
_READS = re.compile(
    rf"{_MANAGER}/certificate-profiles/[\w-]+/certificates/latest-active-bundle"
    rf"|{_MANAGER}/(certificate-policies|certificate-templates)(/[\w-]+)?"
    rf"|{_MANAGER}/applications(/[\w-]+(/(identities|enrollment))?)?"
    rf"|{_MANAGER}/ca(/internal)?(/[\w-]+)?",
    re.ASCII,
)


def refuse_unknown(method: str, path: str) -> Refusal:
    """Return the refusal of a call without a route: 501 with the remedy if Infisical offers it, otherwise 404."""
    for pattern, what, remedy in _NOT_OFFERED:
        if pattern.fullmatch(path) and (method in _WRITES or _READS.fullmatch(path)):
            return not_implemented(f"{what}: {remedy}")
    return not_found("Route not found")


def without_trailing_slash(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event without one slash at the end of its path, which some clients add to every address."""
    context = event.get("requestContext", {})
    http = context.get("http", {})
    cut = {"rawPath": _cut(event.get("rawPath", ""))}
    return {**event, **cut, "requestContext": {**context, "http": {**http, "path": _cut(http.get("path", ""))}}}


def _cut(path: str) -> str:
    return path[:-1] if len(path) > 1 and path.endswith("/") else path
