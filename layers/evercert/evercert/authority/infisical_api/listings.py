"""Lists of requests and certificates, newest first."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
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
        """Search the latest 1,000 requests of each profile, or 100 and the token's own."""
        search = Search.of(body)
        visible = [one for one in self._access.profiles(identity) if self._in_project(one, search)]
        if not visible:
            raise not_found("Project not found")
        if search.profiles is not None:
            visible = [one for one in visible if one.id in search.profiles]
        names = {one.id: one.slug for one in visible}
        found = {one.id: one for one in self._candidates(identity, search, visible) if search.matches(one)}
        rows = sorted(found.values(), key=lambda one: one.created_at, reverse=search.newest_first)
        page = rows[search.offset : search.offset + search.limit]
        items = [{**response_bodies.request_row(one), "profileName": names.get(one.profile)} for one in page]
        return {"certificateRequests": items, "totalCount": len(rows)}

    def certificates_of(self, identity: Identity, profile_id: str, offset: int, limit: int) -> dict[str, Any]:
        """Return the certificates of a profile."""
        profile, now = self._access.profile(identity, profile_id), self._clock()
        requests = self._certificates.requests_of(profile.id, MAX_SCANNED)
        issued = [one for one in requests if one.status == "issued"]
        records = [self._certificates.certificate(one.certificate_id) for one in issued[offset : offset + limit]]
        return {
            "certificates": [response_bodies.certificate(one, now) for one in records if one is not None],
            "totalCount": len(issued),
        }

    def _in_project(self, profile: Profile, search: Search) -> bool:
        project = id_of(self._stack, "project", profile.project)
        return project == search.project if search.project else profile.project == search.project_slug

    def _candidates(self, identity: Identity, search: Search, profiles: Iterable[Profile]) -> Iterable[RequestRecord]:
        known, limit = {one.id for one in profiles}, MAX_SCANNED
        if (token := dict(search.metadata).get(RESERVED_METADATA)) is not None:
            limit = MAX_SCANNED_WITH_TOKEN
            found = self._certificates.request_of(token_digest(identity, token))
            if found is not None and found.profile in known:
                yield found
        for profile in profiles:
            yield from self._certificates.requests_of(profile.id, limit)
