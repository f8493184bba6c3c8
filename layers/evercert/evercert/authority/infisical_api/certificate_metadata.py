"""Change the metadata of certificates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, ValidationError

from evercert.authority.api_errors import invalid, not_found
from evercert.authority.configuration.identity import Identity
from evercert.authority.contracts.ports import Certificates
from evercert.authority.infisical_api import response_bodies
from evercert.authority.registration.access import Access
from evercert.authority.requests.attribute_fields import Body
from evercert.authority.requests.bodies import to_refusal
from evercert.deadline import Clock
from evercert.documents.spec import RESERVED_METADATA


class ChangedPair(Body):
    """A key and its value, which may be omitted."""

    key: Annotated[str, Field(min_length=1, max_length=255)]
    value: Annotated[str, Field(max_length=1020)] = ""


class MetadataChange(Body):
    """The body of a call; without metadata, nothing changes."""

    metadata: Annotated[list[ChangedPair], Field(max_length=50)] | None = None


@dataclass(frozen=True)
class CertificateMetadata:
    """Replace the metadata of a certificate; idempotent."""

    certificates: Certificates
    access: Access
    clock: Clock

    def change(self, identity: Identity, name: str, data: object) -> dict[str, Any]:
        """Replace all metadata, except the idempotency token of the request, which stays; raise Refusal."""
        record = self.access.certificate(identity, name)
        self.access.require_change(identity, record, "edit", "certificates")
        body = _parsed(data)
        if body.metadata is not None:
            reserved = [pair for pair in record.metadata if pair[0] == RESERVED_METADATA]
            wanted = [(pair.key, pair.value) for pair in body.metadata]
            if any(pair[0] == RESERVED_METADATA and pair not in reserved for pair in wanted):
                raise invalid([(("metadata",), f"{RESERVED_METADATA} cannot be changed")])
            metadata = (*(pair for pair in wanted if pair not in reserved), *reserved)
            found = self.certificates.set_metadata(record.id, metadata, self.clock())
            if found is None:
                raise not_found("Certificate not found")
            record = found
        return {"metadata": response_bodies.metadata_pairs(record.metadata)}


def _parsed(data: object) -> MetadataChange:
    if not isinstance(data, dict):
        raise invalid([((), "Expected an object")])
    try:
        return MetadataChange.model_validate(data)
    except ValidationError as error:
        raise to_refusal(error) from None
