"""Infisical's issuing API, call by call: paths, fields, and what its refusals mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from evercert.errors import Misconfigured, Rejected, Unavailable
from evercert.http_client.response import Answer
from evercert.issuers.infisical.errors import FIRST_REFUSAL, NOT_FOUND, Refusal
from evercert.issuers.infisical.session import Session

MANAGER = "/v1/cert-manager"
CERTIFICATES = f"{MANAGER}/certificates"
REQUESTS = f"{CERTIFICATES}/certificate-requests"
PROFILES = f"{MANAGER}/certificate-profiles"
FOUND = 100  # entries of one page of a search
Fields = Mapping[str, Any]
_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


@dataclass(frozen=True)
class Names:
    """The server's ids of what a definition names; the project is what requests are searched in."""

    profile: str
    application: str | None = None
    project: str | None = None
    defaults: Fields | None = None  # None: not asked for yet

    @property
    def where(self) -> dict[str, str]:
        """What an issue request begins with."""
        return {"profileId": self.profile, **({"applicationId": self.application} if self.application else {})}


class Api:
    """Raises Unavailable, Misconfigured or Rejected."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def project_profile(self, project: str, profile: str) -> Names:
        """The agent's v1: a profile by its slug, in a project by its slug."""
        found = self._get(f"/v1/projects/slug/{_part(project)}", f"find project {project!r}")
        project_id = _id(found, "id")
        path = f"{PROFILES}/slug/{_part(profile)}?projectId={_part(project_id)}"
        entry = _object(self._get(path, f"find profile {profile!r} of project {project!r}"), "certificateProfile")
        return Names(_id(entry, "id"), project=project_id, defaults=_optional(entry, "defaults") or {})

    def application_profile(self, application: str, profile: str) -> Names:
        """The agent's v2: a profile that is attached to an application, by their names."""
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
        """What else there is to know of a profile; None: this identity may not look at it."""
        answer = self._session.call("GET", f"{PROFILES}/{_part(profile_id)}")
        if answer.status >= FIRST_REFUSAL:
            return None
        return _optional(_body(answer), "certificateProfile")

    def issue(self, body: Fields) -> Fields | Refusal:
        """Not repeatable: raises AnswerLost when nobody knows whether it was done."""
        return self._asked(CERTIFICATES, body)

    def renew(self, certificate_id: str, body: Fields) -> Fields | Refusal:
        """As `issue`; a certificate that cannot be renewed is an answer, and no error."""
        return self._asked(_certificate(certificate_id, "renew"), body)

    def request(self, request_id: str) -> Fields:
        """How a request stands; holds no chain."""
        return self._get(f"{REQUESTS}/{_part(request_id)}", f"look at request {request_id}")

    def search(self, project: str, profile: str, metadata: Mapping[str, str]) -> list[Fields]:
        """The newest requests with this metadata; older servers ignore it, or know no search: then there are none."""
        body = {
            "projectId": project,
            "profileIds": [profile],
            "offset": 0,
            "limit": FOUND,
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
        """Tells the server that it may look now; it looks by itself too, so a failure means nothing."""
        with suppress(Unavailable):
            self._session.call("POST", f"{REQUESTS}/{_part(request_id)}/trigger-validation", body={})

    def cancel(self, request_id: str) -> Fields | Refusal:
        """`cancelled` tells whether it is; not, if it is done already."""
        answer = self._session.call("POST", f"{REQUESTS}/{_part(request_id)}/cancel", body={})
        return _body(answer) if answer.status < FIRST_REFUSAL else Refusal.of(answer)

    def certificate(self, certificate_id: str) -> Fields | None:
        """Its status and its successor; None: there is none of this id, or none that we may see."""
        answer = self._session.call("GET", _certificate(certificate_id))
        if answer.status == NOT_FOUND:
            return None
        return _object(_accepted(answer, f"look at certificate {certificate_id}"), "certificate")

    def bundle(self, certificate_id: str) -> Fields:
        """Certificate, chain and, where the server has it and we may read it, private key."""
        return self._get(_certificate(certificate_id, "bundle"), f"read certificate {certificate_id}")

    def revoke(self, certificate_id: str, reason: str) -> None:
        """A second revocation is an error of the server's, and none of ours: so it is looked before and after."""
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
        """Not, where we may not look."""
        answer = self._session.call("GET", _certificate(certificate_id))
        known = _optional(_body(answer), "certificate") if answer.status < FIRST_REFUSAL else None
        return known is not None and known.get("status") == "revoked"

    def _get(self, path: str, doing: str) -> Fields:
        return _accepted(self._session.call("GET", path), doing)

    def _asked(self, path: str, body: Fields) -> Fields | Refusal:
        answer = self._session.call("POST", path, body=body, repeatable=False)
        return _body(answer) if answer.status < FIRST_REFUSAL else Refusal.of(answer)


def _certificate(certificate_id: str, what: str = "") -> str:
    return f"{CERTIFICATES}/{_part(certificate_id)}" + (f"/{what}" if what else "")


def _part(text: str) -> str:
    """One part of a path, whatever it holds."""
    return quote(text, safe="")


def _accepted(answer: Answer, doing: str) -> Fields:
    """Of what is only read: no content of ours is refused there, so Rejected, which stops, would be too much."""
    if answer.status >= FIRST_REFUSAL:
        error = Refusal.of(answer).as_error(doing)
        raise Misconfigured(str(error)) if isinstance(error, Rejected) else error
    return _body(answer)


def _body(answer: Answer) -> Fields:
    found = answer.json()
    if not isinstance(found, dict):
        raise Unavailable("the server answered with JSON that is no object")
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
    """None: there is none; raises Unavailable for what can stand in no path, message or record."""
    found = fields.get(key)
    if found is None or found == "":
        return None
    if not is_id(found):
        raise Unavailable(f"the server answered with an id that is none ({key})")
    return str(found)


def is_id(value: object) -> bool:
    """Whether it looks like the server's ids."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None
