"""Requests and certificates of a project's profiles, the newest first (contract §B.5)."""

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
from evercert.authority.infisical_api import response_bodies as answers
from evercert.authority.infisical_api.search import Search
from evercert.authority.registration.access import Access
from evercert.documents.spec import RESERVED_METADATA

MOST_LOOKED_AT = 1_000  # of each profile
MOST_BESIDE = 100  # the same, where the request of the token is read directly


def token_digest(identity: Identity, token: str) -> str:
    """Each identity has tokens of its own."""
    return hashlib.sha256(f"{identity.id}\n{token}".encode()).hexdigest()


class Listings:
    """From an index that lags behind for a moment; a request that is searched by its token is read directly."""

    def __init__(self, certificates: Certificates, seeing: Access, stack: str, clock: Callable[[], datetime]) -> None:
        self._certificates = certificates
        self._seeing = seeing
        self._stack = stack
        self._clock = clock

    def search(self, identity: Identity, body: object) -> dict[str, Any]:
        """Within the latest thousand requests of each profile; by a token, within a hundred beside its own."""
        wanted = Search.of(body)
        visible = [one for one in self._seeing.profiles(identity) if self._is_in(one, wanted)]
        if not visible:
            raise not_found("Project not found")
        if wanted.profiles is not None:
            visible = [one for one in visible if one.id in wanted.profiles]
        names = {one.id: one.slug for one in visible}
        found = {one.id: one for one in self._candidates(identity, wanted, visible) if wanted.fits(one)}
        rows = sorted(found.values(), key=lambda one: one.created_at, reverse=wanted.newest_first)
        page = rows[wanted.offset : wanted.offset + wanted.limit]
        said = [{**answers.row(one), "profileName": names.get(one.profile)} for one in page]
        return {"certificateRequests": said, "totalCount": len(rows)}

    def certificates_of(self, identity: Identity, profile_id: str, offset: int, limit: int) -> dict[str, Any]:
        """Those of one profile."""
        profile, now = self._seeing.profile(identity, profile_id), self._clock()
        requests = self._certificates.requests_of(profile.id, MOST_LOOKED_AT)
        issued = [one for one in requests if one.status == "issued"]
        kept = [self._certificates.certificate(one.certificate_id) for one in issued[offset : offset + limit]]
        return {
            "certificates": [answers.described(one, now) for one in kept if one is not None],
            "totalCount": len(issued),
        }

    def _is_in(self, profile: Profile, wanted: Search) -> bool:
        project = id_of(self._stack, "project", profile.project)
        return project == wanted.project if wanted.project else profile.project == wanted.project_slug

    def _candidates(self, identity: Identity, wanted: Search, profiles: Iterable[Profile]) -> Iterable[RequestRecord]:
        known, most = {one.id for one in profiles}, MOST_LOOKED_AT
        if (token := dict(wanted.metadata).get(RESERVED_METADATA)) is not None:
            most = MOST_BESIDE
            found = self._certificates.request_of(token_digest(identity, token))
            if found is not None and found.profile in known:
                yield found
        for profile in profiles:
            yield from self._certificates.requests_of(profile.id, most)
