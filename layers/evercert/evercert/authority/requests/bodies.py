"""Parse the bodies of the issue and renew endpoints of the Infisical API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, cast

from pydantic import AfterValidator, Field, ValidationError

from evercert.authority.api_errors import Refusal, invalid
from evercert.authority.requests.attribute_fields import AttributesBody, Body, requested_fields
from evercert.authority.requests.requested_fields import Metadata, RequestedFields, Spelling
from evercert.documents.spec import RESERVED_METADATA
from evercert.pki.csr_parser import LARGEST
from evercert.schema import printable

MOST_ISSUES = 100
T = TypeVar("T", bound=Body)
KeySource = Literal["new", "reuse", "csr"]
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
# The Infisical API allows 4096, but a CSR with a hundred names is larger.
Csr = Annotated[str, Field(min_length=1, max_length=LARGEST)]


def uuid_text(value: str) -> str:
    """Return a UUID in lower case; raise ValueError."""
    if not _UUID.fullmatch(value):
        raise ValueError("Invalid uuid")
    return value.lower()


class _Entry(Body):
    key: Annotated[str, Field(min_length=1, max_length=255)]
    value: Annotated[str, Field(max_length=1020)]


class IssueModel(Body):
    """The JSON body of the issue endpoint."""

    profile_id: Annotated[str, AfterValidator(uuid_text)]
    application_id: Annotated[str, AfterValidator(uuid_text)] | None = None
    csr: Csr | None = None
    attributes: AttributesBody | None = None
    remove_roots_from_chain: bool = False
    metadata: Annotated[list[_Entry], Field(max_length=50)] | None = None


class RenewModel(Body):
    """The JSON body of the renew endpoint."""

    csr: Csr | None = None
    attributes: AttributesBody | None = None
    remove_roots_from_chain: bool = False
    renewal_key_source: KeySource | None = None


@dataclass(frozen=True)
class IssueBody:
    """A parsed issue body; `requested` has the attributes, `csr` is not parsed yet."""

    profile_id: str
    application_id: str | None
    csr: str | None
    requested: RequestedFields
    remove_roots: bool
    metadata: Metadata
    spelling: Spelling

    @property
    def token(self) -> str | None:
        """Return the idempotency token in the metadata, or None."""
        return dict(self.metadata).get(RESERVED_METADATA)


@dataclass(frozen=True)
class RenewBody:
    """A parsed renew body; `key_source` is None if omitted."""

    csr: str | None
    requested: RequestedFields
    remove_roots: bool
    key_source: KeySource | None


def issue(data: object) -> IssueBody:
    """Parse an issue body; raises Refusal (422) with every error and its path. Unknown keys are ignored."""
    body = _read(IssueModel, data)
    requested = _check_attributes(body.attributes)
    metadata = tuple((entry.key, entry.value) for entry in body.metadata or ())
    if sum(key == RESERVED_METADATA for key, _ in metadata) > 1:
        raise invalid([(("metadata",), f"duplicate {RESERVED_METADATA}")])
    return IssueBody(
        body.profile_id,
        body.application_id,
        body.csr,
        requested,
        _without_roots(body, body.attributes),
        metadata,
        _spelling(cast("dict[str, Any]", data).get("attributes") or {}),
    )


def renew(data: object) -> RenewBody:
    """Parse a renew body, which may be omitted (None); raises Refusal (422) like `issue`."""
    body = _read(RenewModel, {} if data is None else data)
    requested = _check_attributes(body.attributes)
    return RenewBody(body.csr, requested, _without_roots(body, body.attributes), body.renewal_key_source)


def _spelling(attributes: Mapping[str, Any]) -> Spelling:
    """Return the spelling of attributes that were checked before."""
    names, usages, purposes = (attributes.get(key) for key in ("altNames", "keyUsages", "extendedKeyUsages"))
    return Spelling(
        attributes.get("commonName"),
        attributes.get("country"),
        None if names is None else tuple(name["value"] for name in names),
        None if usages is None else tuple(usages),
        None if purposes is None else tuple(purposes),
    )


def _read(model: type[T], data: object) -> T:
    if not isinstance(data, dict):
        raise invalid([((), "Expected an object")])
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise to_refusal(error) from None


def to_refusal(error: ValidationError) -> Refusal:
    """Convert a ValidationError to a 422 in Infisical's form; never quotes the input."""
    details = error.errors(include_url=False, include_input=False, include_context=False)[:MOST_ISSUES]
    return invalid(
        [(detail["loc"], printable(str(detail["msg"]).removeprefix("Value error, "), 300)) for detail in details]
    )


def _without_roots(body: IssueModel | RenewModel, attributes: AttributesBody | None) -> bool:
    return body.remove_roots_from_chain or (attributes is not None and attributes.remove_roots_from_chain)


def _check_attributes(attributes: AttributesBody | None) -> RequestedFields:
    """Check rules across attributes and return the requested fields."""
    if attributes is None:
        return RequestedFields()
    begin, end = attributes.not_before, attributes.not_after
    issues: list[tuple[tuple[str, ...], str]] = []
    if attributes.ttl is not None and (begin or end) is not None:
        issues.append((("attributes", "ttl"), "ttl and notBefore or notAfter cannot be given together"))
    if begin is not None and end is not None and not begin < end:
        issues.append((("attributes", "notBefore"), "notBefore must be earlier than notAfter"))
    constraints = attributes.basic_constraints
    if constraints is not None and constraints.path_length is not None and not constraints.is_ca:
        issues.append((("attributes", "basicConstraints", "pathLength"), "only a CA has a path length"))
    if issues:
        raise invalid(issues)
    return requested_fields(attributes)
