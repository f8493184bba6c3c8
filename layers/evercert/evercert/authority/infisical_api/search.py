"""Search criteria for certificate requests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from evercert.authority.api_errors import invalid
from evercert.authority.contracts.records import RequestRecord
from evercert.authority.infisical_api.response_bodies import common_name
from evercert.authority.requests.bodies import to_refusal
from evercert.authority.requests.requested_fields import Metadata

Text = Annotated[str, Field(max_length=255)]


class _Pair(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    key: Text
    value: Annotated[str, Field(max_length=1020)]


class SearchModel(BaseModel):
    """Body of a search request."""

    model_config = ConfigDict(extra="ignore", alias_generator=to_camel)

    project_id: Text | None = None
    project_slug: Text | None = None
    profile_ids: Annotated[list[Text], Field(max_length=100)] | None = None
    metadata: Annotated[list[_Pair], Field(max_length=50)] | None = None
    status: Text | None = None
    search: Text | None = None
    from_date: datetime | None = None
    to_date: datetime | None = None
    offset: Annotated[int, Field(ge=0, le=10_000)] = 0
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    sort_by: Literal["createdAt"] | None = None
    sort_order: Literal["asc", "desc"] = "desc"


@dataclass(frozen=True)
class Search:
    """Validated search criteria; a `profiles` of None means all visible ones."""

    project: str | None
    project_slug: str | None
    profiles: tuple[str, ...] | None
    metadata: Metadata
    status: str | None
    text: str
    since: datetime | None
    until: datetime | None
    offset: int
    limit: int
    newest_first: bool

    @classmethod
    def of(cls, data: object) -> Search:
        """Validate a request body; raise Refusal (422) with the path of every invalid field."""
        if not isinstance(data, dict):
            raise invalid([((), "Expected an object")])
        try:
            body = SearchModel.model_validate(data)
        except ValidationError as error:
            raise to_refusal(error) from None
        if body.project_id is None and body.project_slug is None:
            raise invalid([(("projectId",), "Required")])
        naive = [("fromDate", body.from_date), ("toDate", body.to_date)]
        if issues := [
            ((name,), "Expected a date and time with a time zone") for name, at in naive if at and at.tzinfo is None
        ]:
            raise invalid(issues)
        return cls(
            project=body.project_id.lower() if body.project_id else None,
            project_slug=body.project_slug,
            profiles=tuple(one.lower() for one in body.profile_ids) if body.profile_ids else None,
            metadata=tuple((one.key, one.value) for one in body.metadata or ()),
            status=body.status,
            text=(body.search or "").lower(),
            since=body.from_date,
            until=body.to_date,
            offset=body.offset,
            limit=body.limit,
            newest_first=body.sort_order == "desc",
        )

    @property
    def reads_content(self) -> bool:
        """Whether a criterion is not in the index, so that requests must be read to count them."""
        return bool(self.metadata or self.status is not None or self.text)

    def matches(self, request: RequestRecord) -> bool:
        """Return whether the request meets all criteria except project and profiles."""
        return (
            all(pair in request.metadata for pair in self.metadata)
            and self.status in (None, request.status)
            and self.text in common_name(request.leaf).lower()
            and (self.since is None or self.since <= request.created_at)
            and (self.until is None or request.created_at <= self.until)
        )
