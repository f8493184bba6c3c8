"""Paths of calls: a slash at the end, and calls of the Infisical API that this authority does not offer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from evercert.authority.api_errors import Refusal, not_found, not_implemented

_MANAGER = "/api/v1/cert-manager"
_ISSUE = f"use POST {_MANAGER}/certificates"
# Not 404: Terraform would take it for a deleted object and create another one.
_NOT_OFFERED: tuple[tuple[re.Pattern[str], str, str], ...] = tuple(
    (re.compile(pattern), what, remedy)
    for pattern, what, remedy in (
        (
            f"{_MANAGER}/certificate-templates(/.*)?|/api/v[12]/pki/certificate-templates(/.*)?",
            "certificate templates are the older form of certificate policies",
            f"use {_MANAGER}/certificate-policies",
        ),
        (
            f"{_MANAGER}/applications/[^/]+/(identities|groups|users)(/.*)?",
            "applications have no members",
            "give identities permissions with /api/v1/projects/ID/identities",
        ),
        (
            f"{_MANAGER}/ca(/.*)?|/api/v[12]/pki/ca(/.*)?",
            "certificate authorities cannot be changed through this API",
            "use `evercert authority init` and `evercert authority ca`",
        ),
        (
            "/api/v1/pki/certificates/.*",
            "this deprecated call is not offered",
            _ISSUE,
        ),
        (
            f"{_MANAGER}/certificates/[^/]+",
            "certificates cannot be deleted",
            f"revoke the certificate, or set its renewal with PATCH {_MANAGER}/certificates/ID/config",
        ),
        (
            "/api/v[0-9]/(identities|workspace|organizations?)(/.*)?",
            "identities are managed per project",
            "use /api/v1/projects/ID/identities",
        ),
        (
            "/api/v[0-9]/projects(/.*)?",
            "projects are not managed through this API",
            "use `evercert authority project create`",
        ),
        (
            "/api/v1/auth/[^/]+-auth/identities(/.*)?",
            "unsupported login method",
            "use universal-auth, aws-auth, kubernetes-auth, oidc-auth, jwt-auth, azure-auth or gcp-auth",
        ),
    )
)


_CERTIFICATE = re.compile(f"{_MANAGER}/certificates/[^/]+")
_WRITES = ("POST", "PUT", "PATCH", "DELETE")
_READS = re.compile(
    rf"{_MANAGER}/certificate-templates(/[\w-]+)?"
    rf"|{_MANAGER}/applications/[\w-]+/(identities|groups|users)"
    rf"|{_MANAGER}/ca/[\w-]+(/[\w-]+)?",
    re.ASCII,
)


def refuse_unknown(method: str, path: str) -> Refusal:
    """Return the refusal of a call without a route: 501 with the remedy if Infisical offers it, otherwise 404."""
    if method == "PATCH" and _CERTIFICATE.fullmatch(path):  # its id cannot be one
        return not_found("Certificate not found")
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
