"""Routes: path templates and their handlers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.doubles.infisical import schema
from tests.doubles.infisical.access_tokens import Tokens
from tests.doubles.infisical.certificates import Reading
from tests.doubles.infisical.configuration import Estate, Identity, Profile
from tests.doubles.infisical.errors import Refusal
from tests.doubles.infisical.issuance import Issuing, need
from tests.doubles.infisical.renewal import Renewing

MANAGER = "/api/v1/cert-manager"
CERTIFICATES = f"{MANAGER}/certificates"
REQUESTS = f"{CERTIFICATES}/certificate-requests"
Login = Callable[[Any, datetime], tuple[Identity, dict[str, Any]]]


@dataclass
class Call:
    """The input of a handler; `identity` is None for routes without a bearer token."""

    identity: Any
    ids: dict[str, str]
    query: dict[str, str]
    body: Any


@dataclass
class Route:
    method: str
    template: str
    handler: Callable[[Call], Any]
    bearer: bool = True

    def __post_init__(self) -> None:
        self._pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.template))

    def fits(self, method: str, path: str) -> dict[str, str] | None:
        match = self._pattern.fullmatch(path)
        return match.groupdict() if match and method == self.method else None


class Names:
    """Lookup of projects, profiles and applications by name."""

    def __init__(self, issuing: Issuing) -> None:
        self._estate: Estate = issuing.estate
        self._switches = issuing.switches

    def project(self, call: Call) -> Any:
        slug = call.ids["slug"]
        if slug not in self._estate.projects:
            raise Refusal(404, f"Project with slug '{slug}' not found")
        return {"id": self._estate.projects[slug], "slug": slug, "name": slug, "type": "cert-manager"}

    def profile_by_slug(self, call: Call) -> Any:
        if "projectId" not in call.query:
            issues = schema.Issues()
            issues.say(["projectId"], "Required", "invalid_type")
            issues.done()
        need(call.identity, "read certificate-profiles")
        for one in self._estate.profiles.values():
            if one.slug == call.ids["slug"] and one.project_id == call.query["projectId"]:
                return {"certificateProfile": _profile(one)}
        raise Refusal(404, "Certificate profile not found")

    def profile(self, call: Call) -> Any:
        need(call.identity, "read certificate-profiles")
        if not self._switches.profile_by_id:
            raise Refusal(403, "You are not allowed to read this certificate profile")
        if call.ids["id"] not in self._estate.profiles:
            raise Refusal(404, "Certificate profile not found")
        return {"certificateProfile": _profile(self._estate.profiles[call.ids["id"]])}

    def application(self, call: Call) -> Any:
        found = self._estate.applications.get(call.ids["name"])
        if found is None:
            raise Refusal(404, f"Application with name '{call.ids['name']}' not found")
        return {"application": {"id": found.id, "name": found.name, "projectId": found.project_id}}

    def attached(self, call: Call) -> Any:
        found = [one for one in self._estate.applications.values() if one.id == call.ids["id"]]
        if not found:
            raise Refusal(404, f"Application with ID '{call.ids['id']}' not found")
        rows = [
            {"applicationId": found[0].id, "profileId": profile, "profileSlug": self._estate.profiles[profile].slug}
            for profile in found[0].attached
        ]
        return {"profiles": rows}


def _status(issuing: Issuing) -> dict[str, Any]:
    return {
        "date": issuing.clock().isoformat(),
        "message": "Ok",
        "emailConfigured": False,
        "inviteOnlySignup": True,
        "redisConfigured": True,
        "secretScanningConfigured": False,
    }


def _profile(one: Profile) -> dict[str, Any]:
    return {
        "id": one.id,
        "slug": one.slug,
        "projectId": one.project_id,
        "description": None,
        "enrollmentType": one.enrollment,
        "issuerType": "self-signed" if one.authority is None else "ca",
        "caId": one.authority.id if one.authority else None,
        "apiConfig": {"autoRenew": False} if one.enrollment == "api" else None,
        "externalConfigs": None,
        "defaults": one.defaults or None,
    }


def routes(issuing: Issuing, tokens: Tokens, logins: dict[str, Login]) -> list[Route]:
    """Return the routes; the first match is used."""
    names, reading = Names(issuing), Reading(issuing)
    renewing = Renewing(issuing, reading)

    def log_in(method: str) -> Callable[[Call], Any]:
        def handler(call: Call) -> Any:
            identity, claims = logins[method](call.body, issuing.clock())
            _organization(issuing.estate, identity, call.body)
            return tokens.issue(identity, claims)

        return handler

    def token(act: Callable[[str], Any]) -> Callable[[Call], Any]:
        return lambda call: act(schema.strings(call.body, ("accessToken",))["accessToken"])

    def by_id(act: Callable[[Identity, str], Any]) -> Callable[[Call], Any]:
        return lambda call: act(call.identity, call.ids["id"])

    return [
        Route("GET", "/api/status", lambda call: _status(issuing), bearer=False),
        *(Route("POST", f"/api/v1/auth/{method}-auth/login", log_in(method), bearer=False) for method in logins),
        Route("POST", "/api/v1/auth/token/renew", token(tokens.renew), bearer=False),
        Route("POST", "/api/v1/auth/token/revoke", token(tokens.revoke), bearer=False),
        Route("GET", "/api/v1/projects/slug/{slug}", names.project),
        Route("GET", f"{MANAGER}/certificate-profiles/slug/{{slug}}", names.profile_by_slug),
        Route("GET", f"{MANAGER}/certificate-profiles/{{id}}", names.profile),
        Route("GET", f"{MANAGER}/applications/by-name/{{name}}", names.application),
        Route("GET", f"{MANAGER}/applications/{{id}}/profiles", names.attached),
        Route("POST", CERTIFICATES, lambda call: issuing.issue(call.identity, schema.issue_body(call.body))),
        Route("POST", f"{REQUESTS}/search", lambda call: reading.search(call.identity, call.body)),
        Route("GET", f"{REQUESTS}/{{id}}", by_id(reading.poll)),
        Route("POST", f"{REQUESTS}/{{id}}/trigger-validation", by_id(reading.trigger_validation)),
        Route("POST", f"{REQUESTS}/{{id}}/cancel", by_id(reading.cancel)),
        Route("GET", f"{CERTIFICATES}/{{id}}", by_id(reading.certificate)),
        Route("GET", f"{CERTIFICATES}/{{id}}/bundle", by_id(reading.bundle)),
        Route("GET", f"{CERTIFICATES}/{{id}}/private-key", by_id(reading.private_key)),
        Route(
            "POST",
            f"{CERTIFICATES}/{{id}}/renew",
            lambda call: renewing.renew(call.identity, call.ids["id"], schema.renew_body(call.body)),
        ),
        Route(
            "POST",
            f"{CERTIFICATES}/{{id}}/revoke",
            lambda call: reading.revoke(call.identity, call.ids["id"], call.body),
        ),
    ]


def _organization(estate: Estate, identity: Identity, body: Any) -> None:
    """Check the sub-organisation: `organizationSlug` on newer servers, `subOrganizationName` on older ones."""
    slug = body.get("organizationSlug") or body.get("subOrganizationName")
    if not slug:
        return
    if slug not in estate.organizations:
        raise Refusal(404, f"Sub organization with slug {slug} not found")
    if slug not in identity.organizations:
        raise Refusal(401, f"Identity not authorized to access sub organization {slug}")
