"""What a profile says where a request says nothing (contract §D.1), with a CSR or without."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, cast

from pydantic import ConfigDict, Field, ValidationError

from evercert.authority.api_errors import bad_request
from evercert.authority.requests.attribute_fields import CAMEL, BasicConstraintsBody, SubjectBody, asked_of
from evercert.authority.requests.csr import ParsedCsr
from evercert.authority.requests.effective_request import EffectiveRequest
from evercert.authority.requests.requested_fields import ExtendedKeyUsageWord, KeyUsageWord, RequestedFields
from evercert.errors import Misconfigured
from evercert.pki.algorithms import KeyAlgorithm, family
from evercert.pki.attributes import SignatureAlgorithm
from evercert.pki.usages import KEY_USAGES, impossible
from evercert.schema import first_problem

# What a CSR says of itself; usages and the lifetime beside it count as the body has them.
_CARRIED = CAMEL | {"names": "altNames", "key_algorithm": "keyAlgorithm"}


class Defaults(SubjectBody):
    """`defaults` of a profile, in the contract's spelling."""

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
    def asked(self) -> RequestedFields:
        """As if a request said them."""
        found: dict[str, Any] = {key: value for key, value in asked_of(self).items() if value is not None}
        if days := found.pop("ttl_days", None):
            found["ttl"] = timedelta(days=days)
        return cast("RequestedFields", found)


def wish(asked: RequestedFields, supplied: ParsedCsr | None, defaults: Mapping[str, Any]) -> EffectiveRequest:
    """What a request asks for: its attributes, what its CSR carries, and the profile's defaults for the rest.

    Raises Refusal (400) where attributes and CSR contradict each other, Misconfigured for defaults that are none.
    """
    try:
        default = Defaults.model_validate(dict(defaults)).asked
    except ValidationError as error:
        raise Misconfigured(f"the profile's defaults: {first_problem(error)}; apply its document again") from error
    return EffectiveRequest.of(complete(asked if supplied is None else beside(supplied, asked), default))


def carried(supplied: ParsedCsr, asked: RequestedFields) -> list[str]:
    """The attributes, by their names in the API, that are said beside a CSR that says them too."""
    return [word for field, word in _CARRIED.items() if asked.get(field) is not None and supplied.asked.get(field)]


def beside(supplied: ParsedCsr, asked: RequestedFields) -> RequestedFields:
    """Attributes beside a CSR: what it carries counts as the CSR has it, and attributes may only repeat it.

    The rest adds to it: a lifetime, usages (which replace the CSR's), or a subject field that it leaves out. Raises
    Refusal (400) for a field on which the two do not agree.
    """
    both: dict[str, Any] = {**supplied.asked, **asked}
    others = []
    for field, word in _CARRIED.items():
        mine = supplied.asked.get(field)
        if not mine:
            continue
        if asked.get(field) not in (None, mine):
            others.append(word)
        both[field] = mine
    if others:
        raise bad_request(f"attributes.{', attributes.'.join(others)}: the CSR says something else; leave it out")
    constraints = supplied.asked.get("basic_constraints")
    if constraints is not None and constraints.ca:  # told as what it is, and never dropped on the way
        both["basic_constraints"] = constraints
    return cast("RequestedFields", both)


def complete(said: RequestedFields, default: RequestedFields) -> RequestedFields:
    """The request wins, lists replace, None clears. A default that cannot go with what was said is left out."""
    found: dict[str, Any] = {**default, **said}
    if "ttl" not in said and found.get("ttl") is not None:
        begin = found.get("not_before")
        if found.get("not_after") is not None:
            del found["ttl"]
        elif begin is not None:
            found["not_after"] = begin + found.pop("ttl")
    algorithm = found.get("key_algorithm")
    if algorithm is None:
        return cast("RequestedFields", found)
    signature = found.get("signature_algorithm")
    other = signature is not None and (family(algorithm) == "RSA") != signature.startswith("RSA")
    if other and "signature_algorithm" not in said:
        del found["signature_algorithm"]
    if "key_usages" not in said:
        usages = [
            word for word in found.get("key_usages") or () if word not in KEY_USAGES or _possible(word, algorithm)
        ]
        found["key_usages"] = tuple(usages)
    return cast("RequestedFields", found)


def _possible(usage: KeyUsageWord, algorithm: KeyAlgorithm) -> bool:
    known = [word for word in KEY_USAGES if word == usage]
    if usage in {"encipher_only", "decipher_only"}:  # they mean nothing alone
        known.append("key_agreement")
    return impossible(known, algorithm) is None
