"""Merge a request's attributes, its CSR and the profile's defaults into the effective request."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, cast

from pydantic import ConfigDict, Field, ValidationError

from evercert.authority.api_errors import bad_request
from evercert.authority.requests.attribute_fields import CAMEL, BasicConstraintsBody, SubjectBody, requested_fields
from evercert.authority.requests.csr import ParsedCsr
from evercert.authority.requests.effective_request import EffectiveRequest
from evercert.authority.requests.requested_fields import ExtendedKeyUsageWord, KeyUsageWord, RequestedFields
from evercert.errors import Misconfigured
from evercert.pki.algorithms import family
from evercert.pki.attributes import SignatureAlgorithm
from evercert.schema import first_problem

# Fields that a CSR fixes. The body decides on usages and the lifetime.
_CSR_FIELDS = CAMEL | {"names": "altNames", "key_algorithm": "keyAlgorithm"}


class Defaults(SubjectBody):
    """`defaults` of a profile, with the API's keys (camelCase)."""

    model_config = ConfigDict(extra="forbid")

    ttl_days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    key_algorithm: (
        Literal["RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1"] | None
    ) = None
    signature_algorithm: SignatureAlgorithm | None = None
    key_usages: list[KeyUsageWord] | None = None
    extended_key_usages: list[ExtendedKeyUsageWord] | None = None
    basic_constraints: BasicConstraintsBody | None = None

    @property
    def requested(self) -> RequestedFields:
        """Return the defaults as if a request contained them."""
        found: dict[str, Any] = {key: value for key, value in requested_fields(self).items() if value is not None}
        if days := found.pop("ttl_days", None):
            found["ttl"] = timedelta(days=days)
        return cast("RequestedFields", found)


def resolve_request(requested: RequestedFields, csr: ParsedCsr | None, defaults: Mapping[str, Any]) -> EffectiveRequest:
    """Merge attributes, CSR and the profile's defaults, in this order of precedence.

    Raises Refusal (400) if attributes and CSR contradict each other, and Misconfigured for invalid defaults.
    """
    try:
        default = Defaults.model_validate(dict(defaults)).requested
    except ValidationError as error:
        raise Misconfigured(
            f"invalid profile defaults: {first_problem(error)}; apply the profile's document again"
        ) from error
    return EffectiveRequest.of(apply_defaults(requested if csr is None else merge_csr(csr, requested), default))


def find_repeated_attributes(csr: ParsedCsr, requested: RequestedFields) -> list[str]:
    """Return the API names of attributes that the CSR contains too."""
    return [
        word for field, word in _CSR_FIELDS.items() if requested.get(field) is not None and csr.requested.get(field)
    ]


def merge_csr(csr: ParsedCsr, requested: RequestedFields) -> RequestedFields:
    """Merge attributes into a CSR: the CSR's names, subject and key win, and attributes may only repeat them.

    Attributes may add a lifetime, usages (which replace the CSR's), or a subject field that the CSR omits. Raises
    Refusal (400) with every field on which the two disagree.
    """
    merged: dict[str, Any] = {**csr.requested, **requested}
    conflicts = []
    for field, word in _CSR_FIELDS.items():
        value = csr.requested.get(field)
        if not value:
            continue
        if requested.get(field) not in (None, value):
            conflicts.append(word)
        merged[field] = value
    if conflicts:
        raise bad_request(
            f"attributes.{', attributes.'.join(conflicts)}: the CSR has another value; leave the attribute out, or make"
            " them equal"
        )
    constraints = csr.requested.get("basic_constraints")
    if constraints is not None and constraints.ca:  # attributes must not hide that the CSR requests a CA
        merged["basic_constraints"] = constraints
    return cast("RequestedFields", merged)


def apply_defaults(requested: RequestedFields, default: RequestedFields) -> RequestedFields:
    """Fill in defaults: the request wins, lists replace lists, None clears.

    Drop a default that is incompatible with the request, such as a usage that the key cannot have.
    """
    found: dict[str, Any] = {**default, **requested}
    if "ttl" not in requested and found.get("ttl") is not None:
        begin = found.get("not_before")
        if found.get("not_after") is not None:
            del found["ttl"]
        elif begin is not None:
            found["not_after"] = begin + found.pop("ttl")
    algorithm = found.get("key_algorithm")
    if algorithm is None:
        return cast("RequestedFields", found)
    signature = found.get("signature_algorithm")
    mismatched = signature is not None and (family(algorithm) == "RSA") != signature.startswith("RSA")
    if mismatched and "signature_algorithm" not in requested:
        del found["signature_algorithm"]
    if "key_usages" not in requested:
        found["key_usages"] = EffectiveRequest.of(cast("RequestedFields", found)).for_key(algorithm).key_usages
    return cast("RequestedFields", found)
