"""Client for the certificate endpoints of the Infisical API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from evercert.errors import Misconfigured, Rejected, Unavailable
from evercert.http_client.response import Response
from evercert.issuers.infisical.errors import FIRST_REFUSAL, NOT_FOUND, Refusal
from evercert.issuers.infisical.session import Session

MANAGER = "/v1/cert-manager"
CERTIFICATES = f"{MANAGER}/certificates"
REQUESTS = f"{CERTIFICATES}/certificate-requests"
PROFILES = f"{MANAGER}/certificate-profiles"
PAGE_SIZE = 100  # of a search; only its first page is read
Fields = Mapping[str, Any]
_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


@dataclass(frozen=True)
class Names:
    """Server ids of the profile, application and project that the settings name; requests are searched by project."""

    profile: str
    application: str | None = None
    project: str | None = None
    defaults: Fields | None = None  # None: not requested yet

    @property
    def where(self) -> dict[str, str]:
        """Return the first fields of an issue request."""
        return {"profileId": self.profile, **({"applicationId": self.application} if self.application else {})}


class Api:
    """Calls of the API; each raises Unavailable, Misconfigured or Rejected."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def project_profile(self, project: str, profile: str) -> Names:
        """Find a profile by its slug, in a project by its slug (v1 of the agent's documents)."""
        found = self._get(f"/v1/projects/slug/{_part(project)}", f"find project {project!r}")
        project_id = _id(found, "id")
        path = f"{PROFILES}/slug/{_part(profile)}?projectId={_part(project_id)}"
        entry = _object(self._get(path, f"find profile {profile!r} of project {project!r}"), "certificateProfile")
        return Names(_id(entry, "id"), project=project_id, defaults=_optional(entry, "defaults") or {})

    def application_profile(self, application: str, profile: str) -> Names:
        """Find a profile that is attached to an application, both by name (v2 of the agent's documents)."""
        path = f"{MANAGER}/applications/by-name/{_part(application)}"
        entry = _object(self._get(path, f"find application {application!r}"), "application")
        application_id = _id(entry, "id")
        path = f"{MANAGER}/applications/{_part(application_id)}/profiles"
        attached = self._get(path, f"list the profiles of application {application!r}").get("profiles")
        for candidate in attached if isinstance(attached, list) else ():
            if isinstance(candidate, dict) and candidate.get("profileSlug") == profile:
                return Names(_id(candidate, "profileId"), application=application_id)
        raise Misconfigured(f"profile {profile!r} is not attached to application {application!r}; attach it there")

    def profile(self, profile_id: str) -> Fields | None:
        """Return the details of a profile, or None if the identity may not read it."""
        answer = self._session.call("GET", f"{PROFILES}/{_part(profile_id)}")
        if answer.status >= FIRST_REFUSAL:
            return None
        return _optional(_body(answer), "certificateProfile")

    def issue(self, body: Fields) -> Fields | Refusal:
        """Request a certificate; raise AnswerLost if the request may have taken effect. Not idempotent."""
        return self._request_certificate(CERTIFICATES, body)

    def renew(self, certificate_id: str, body: Fields) -> Fields | Refusal:
        """Renew a certificate, with the errors of `issue`; return a Refusal if it cannot be renewed."""
        return self._request_certificate(_certificate(certificate_id, "renew"), body)

    def request(self, request_id: str) -> Fields:
        """Return a request with its status; it does not include the chain."""
        return self._get(f"{REQUESTS}/{_part(request_id)}", f"read request {request_id}")

    def search(self, project: str, profile: str, metadata: Mapping[str, str]) -> list[Fields]:
        """Return the newest requests with this metadata, or an empty list if the server has no search.

        Older servers ignore the metadata and return other requests too.
        """
        body = {
            "projectId": project,
            "profileIds": [profile],
            "offset": 0,
            "limit": PAGE_SIZE,
            "sortBy": "createdAt",
            "sortOrder": "desc",
            "metadata": [{"key": key, "value": value} for key, value in metadata.items()],
        }
        answer = self._session.call("POST", f"{REQUESTS}/search", body=body)
        if answer.status >= FIRST_REFUSAL:
            return []
        found = _body(answer).get("certificateRequests")
        return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []

    def trigger_validation(self, request_id: str) -> None:
        """Ask the server to validate now; failures are ignored, because the server also validates by itself."""
        with suppress(Unavailable):
            self._session.call("POST", f"{REQUESTS}/{_part(request_id)}/trigger-validation", body={})

    def cancel(self, request_id: str) -> Fields | Refusal:
        """Cancel a request; field `cancelled` is false if the request was already processed."""
        answer = self._session.call("POST", f"{REQUESTS}/{_part(request_id)}/cancel", body={})
        return _body(answer) if answer.status < FIRST_REFUSAL else Refusal.of(answer)

    def certificate(self, certificate_id: str) -> Fields | None:
        """Return a certificate with its status and successor, or None if it is missing or not visible."""
        answer = self._session.call("GET", _certificate(certificate_id))
        if answer.status == NOT_FOUND:
            return None
        return _object(_accepted(answer, f"read certificate {certificate_id}"), "certificate")

    def bundle(self, certificate_id: str) -> Fields:
        """Return certificate, chain and, if the server has it and the identity may read it, the private key."""
        return self._get(_certificate(certificate_id, "bundle"), f"read certificate {certificate_id}")

    def revoke(self, certificate_id: str, reason: str) -> None:
        """Revoke a certificate; idempotent: the server rejects a second revocation, so the status is checked."""
        if self._is_revoked(certificate_id):
            return
        path = _certificate(certificate_id, "revoke")
        try:
            answer = self._session.call("POST", path, body={"revocationReason": reason})
        except Unavailable:
            if self._is_revoked(certificate_id):
                return
            raise
        if answer.status >= FIRST_REFUSAL and not self._is_revoked(certificate_id):
            raise Refusal.of(answer).as_error(f"revoke certificate {certificate_id}")

    def _is_revoked(self, certificate_id: str) -> bool:
        """Return False if the identity may not read the certificate."""
        answer = self._session.call("GET", _certificate(certificate_id))
        known = _optional(_body(answer), "certificate") if answer.status < FIRST_REFUSAL else None
        return known is not None and known.get("status") == "revoked"

    def _get(self, path: str, operation: str) -> Fields:
        return _accepted(self._session.call("GET", path), operation)

    def _request_certificate(self, path: str, body: Fields) -> Fields | Refusal:
        answer = self._session.call("POST", path, body=body, repeatable=False)
        return _body(answer) if answer.status < FIRST_REFUSAL else Refusal.of(answer)


def _certificate(certificate_id: str, action: str = "") -> str:
    return f"{CERTIFICATES}/{_part(certificate_id)}" + (f"/{action}" if action else "")


def _part(text: str) -> str:
    """Percent-encode one path segment."""
    return quote(text, safe="")


def _accepted(answer: Response, operation: str) -> Fields:
    """Return the body of a read; raise Misconfigured, not Rejected, which would stop the certificate until edited."""
    if answer.status >= FIRST_REFUSAL:
        error = Refusal.of(answer).as_error(operation)
        raise Misconfigured(str(error)) if isinstance(error, Rejected) else error
    return _body(answer)


def _body(answer: Response) -> Fields:
    found = answer.json()
    if not isinstance(found, dict):
        raise Unavailable("the server answered with JSON that is not an object")
    return found


def _object(fields: Fields, key: str) -> Fields:
    if (found := _optional(fields, key)) is None:
        raise Unavailable(f"the server's answer has no {key}")
    return found


def _optional(fields: Fields, key: str) -> Fields | None:
    found = fields.get(key)
    return found if isinstance(found, dict) else None


def _id(fields: Fields, key: str) -> str:
    if (found := id_of(fields, key)) is None:
        raise Unavailable(f"the server's answer has no {key}")
    return found


def id_of(fields: Fields, key: str) -> str | None:
    """Return the id under `key`, or None; raise Unavailable if it is not usable in a path, message or record."""
    found = fields.get(key)
    if found is None or found == "":
        return None
    if not is_id(found):
        raise Unavailable(f"the server answered with an invalid id ({key})")
    return str(found)


def status_of(fields: Fields) -> str | None:
    """Return the status, or None if it is missing or not text."""
    found = fields.get("status")
    return found if isinstance(found, str) else None


def is_id(value: object) -> bool:
    """Return whether the value has the form of the server's ids."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None
