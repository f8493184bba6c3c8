"""Search for certificates in all visible profiles, with a cursor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from evercert.authority.api_errors import invalid
from evercert.authority.configuration.identity import Identity
from evercert.authority.contracts.inventory import (
    FINGERPRINT,
    SERIAL_NUMBER,
    Criteria,
    InvalidSearch,
    Inventory,
    Status,
    plain_hexadecimal,
    with_name,
)
from evercert.authority.infisical_api import response_bodies
from evercert.authority.registration.access import Access
from evercert.authority.requests.bodies import to_refusal

MOST = 100  # certificates of a page
Text = Annotated[str, Field(min_length=1, max_length=255)]


class CertificateSearchModel(BaseModel):
    """Body of a search for certificates."""

    model_config = ConfigDict(extra="ignore", alias_generator=to_camel)

    name: Text | None = None
    common_name: Text | None = None
    search: Text | None = None
    serial_number: Text | None = None
    fingerprint: Text | None = None
    not_after_from: datetime | None = None
    not_after_to: datetime | None = None
    profile_ids: Annotated[list[Text], Field(max_length=100)] | None = None
    requested_by: Text | None = None
    status: Status | None = None
    limit: Annotated[int, Field(ge=1, le=MOST)] = 20
    cursor: Annotated[str, Field(max_length=8_000)] | None = None


@dataclass(frozen=True)
class InventorySearch:
    """Search for certificates; identities find only those of profiles that they can see."""

    inventory: Inventory
    access: Access
    clock: Callable[[], datetime]

    def search(self, identity: Identity, data: object) -> dict[str, Any]:
        """Return a page of certificates; raise Refusal (422) for invalid criteria and cursors."""
        body = _parse(data)
        try:
            criteria = _criteria(body, self._profiles(identity, body.profile_ids), self.clock())
            page = self.inventory.search(criteria, body.limit, body.cursor)
        except InvalidSearch as error:
            raise invalid([(("name" if body.cursor is None else "cursor",), str(error))]) from None
        rows = [{**response_bodies.certificate(one, criteria.now), "requestedBy": one.identity} for one in page.records]
        return {"certificates": rows, "nextCursor": page.cursor}

    def _profiles(self, identity: Identity, wanted: list[str] | None) -> tuple[str, ...] | None:
        """Return the profiles to search; None for all, deleted ones included."""
        visible = self.access.visible_profiles(identity)
        if wanted is None:
            return visible
        ids = dict.fromkeys(one.lower() for one in wanted)
        return tuple(one for one in ids if visible is None or one in visible)


def _parse(data: object) -> CertificateSearchModel:
    if not isinstance(data, dict):
        raise invalid([((), "Expected an object")])
    try:
        body = CertificateSearchModel.model_validate(data)
    except ValidationError as error:
        raise to_refusal(error) from None
    naive = [("notAfterFrom", body.not_after_from), ("notAfterTo", body.not_after_to)]
    if issues := [
        ((name,), "Expected a date and time with a time zone") for name, at in naive if at and at.tzinfo is None
    ]:
        raise invalid(issues)
    return body


def _criteria(body: CertificateSearchModel, profiles: tuple[str, ...] | None, now: datetime) -> Criteria:
    digits = {
        "serialNumber": (body.serial_number, SERIAL_NUMBER, "Expected up to 40 hexadecimal digits"),
        "fingerprint": (body.fingerprint, FINGERPRINT, "Expected the 64 hexadecimal digits of a SHA-256"),
    }
    found = {name: plain_hexadecimal(text, form) if text else None for name, (text, form, _) in digits.items()}
    if issues := [((name,), why) for name, (text, _, why) in digits.items() if text and found[name] is None]:
        raise invalid(issues)
    criteria = Criteria(
        now=now,
        fragment=body.search.lower() if body.search else None,
        common_name=body.common_name.lower() if body.common_name else None,
        serial_number=found["serialNumber"],
        fingerprint=found["fingerprint"],
        expires_after=body.not_after_from,
        expires_before=body.not_after_to,
        profiles=profiles,
        identity=body.requested_by.lower() if body.requested_by else None,
        status=body.status,
    )
    name = body.name or body.common_name
    return criteria if name is None else with_name(criteria, name)
