"""Lists of requests and certificates, newest first."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Iterable
from datetime import datetime
from typing import Any

from evercert.authority.api_errors import not_found
from evercert.authority.configuration.identity import Identity
from evercert.authority.configuration.profiles import Profile, id_of
from evercert.authority.contracts.ports import Certificates
from evercert.authority.contracts.records import RequestRecord
from evercert.authority.infisical_api import response_bodies
from evercert.authority.infisical_api.search import Search
from evercert.authority.registration.access import Access
from evercert.documents.spec import RESERVED_METADATA
from evercert.timestamps import to_text

MAX_SCANNED = 1_000  # requests of each profile
MAX_SCANNED_WITH_TOKEN = 100  # of each profile, if the request of the token is read directly


def token_digest(identity: Identity, token: str) -> str:
    """Return the stored form of an idempotency token; tokens are scoped to an identity."""
    return hashlib.sha256(f"{identity.id}\n{token}".encode()).hexdigest()


class Listings:
    """Lists from an eventually consistent index; a search by token reads its request directly."""

    def __init__(self, certificates: Certificates, access: Access, stack: str, clock: Callable[[], datetime]) -> None:
        self._certificates = certificates
        self._access = access
        self._stack = stack
        self._clock = clock

    def search(self, identity: Identity, body: object) -> dict[str, Any]:
        """Search the latest 1,000 requests of each profile; with a token, the latest 100 and the token's own request.

        Only the requests of the page are read, unless a criterion is not in the index.
        """
        search = Search.of(body)
        visible = [one for one in self._access.profiles(identity) if self._in_project(one, search)]
        if not visible:
            raise not_found("Project not found")
        if search.profiles is not None:
            visible = [one for one in visible if one.id in search.profiles]
        names = {one.id: one.slug for one in visible}
        ids = self._listed(search, names)
        own = self._of_token(identity, search, names)
        first, last = search.offset, search.offset + search.limit
        if search.reads_content:
            found = {one.id: one for one in (*own, *self._certificates.requests_by_id(ids)) if search.matches(one)}
            ordered = sorted(found.values(), key=lambda one: (one.created_at, one.id), reverse=search.newest_first)
            page, count = ordered[first:last], len(ordered)
        else:
            page, count = list(self._certificates.requests_by_id(ids[first:last])), len(ids)
        items = [{**response_bodies.request_row(one), "profileName": names.get(one.profile)} for one in page]
        return {"certificateRequests": items, "totalCount": count}

    def certificates_of(self, identity: Identity, profile_id: str, offset: int, limit: int) -> dict[str, Any]:
        """Return the certificates of a profile: of its latest 1,000 requests, and its latest 1,000 imports."""
        profile, now = self._access.profile(identity, profile_id), self._clock()
        listed = self._certificates.requests_of(profile.id, MAX_SCANNED)
        requests = self._certificates.requests_by_id([one.id for one in listed])
        found = [(to_text(one.created_at), one.certificate_id) for one in requests if one.status == "issued"]
        if imported := self._certificates.imported_of(profile.id, MAX_SCANNED):
            found += [(one.created_at, one.id) for one in imported]
            found.sort(key=lambda one: one[0], reverse=True)
        records = [self._certificates.certificate(name) for _, name in found[offset : offset + limit]]
        return {
            "certificates": [response_bodies.certificate(one, now) for one in records if one is not None],
            "totalCount": len(found),
        }

    def _in_project(self, profile: Profile, search: Search) -> bool:
        project = id_of(self._stack, "project", profile.project)
        return project == search.project if search.project else profile.project == search.project_slug

    def _listed(self, search: Search, profiles: Iterable[str]) -> list[str]:
        """Return the ids of the requests in the period, in the order of the search."""
        limit = MAX_SCANNED if _token(search) is None else MAX_SCANNED_WITH_TOKEN
        listed = {
            (one.created_at, one.id)
            for profile in profiles
            for one in self._certificates.requests_of(profile, limit, search.since, search.until)
        }
        return [name for _, name in sorted(listed, reverse=search.newest_first)]

    def _of_token(self, identity: Identity, search: Search, profiles: Container[str]) -> list[RequestRecord]:
        """Return the request of the token, if the search names one."""
        if (token := _token(search)) is None:
            return []
        found = self._certificates.request_of(token_digest(identity, token))
        return [found] if found is not None and found.profile in profiles else []


def _token(search: Search) -> str | None:
    return dict(search.metadata).get(RESERVED_METADATA)
