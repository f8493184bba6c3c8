"""The attributes of the API's bodies, each checked as the certificate will hold it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.alias_generators import to_camel

from evercert.authority.ca.leaf_fields import SUBJECT_FIELDS
from evercert.authority.requests.requested_fields import (
    KINDS,
    MOST_NAMES,
    BasicConstraints,
    ExtendedKeyUsageWord,
    KeyUsageWord,
    RequestedFields,
)
from evercert.origins import LONGEST_DNS_NAME
from evercert.pki.attributes import CommonName, Country, DomainComponent, SignatureAlgorithm, Text64, Text128
from evercert.pki.identifiers import Identifier, parse

_LONGEST_TTL = 32  # characters
_LONGEST_TOGETHER = 4096  # of all alternative names
LONGEST_LIFETIME = timedelta(days=100 * 365)
_LAST_YEAR = 9_000  # so that what is reckoned from it is a moment too
CAMEL = {field: to_camel(field) for field in SUBJECT_FIELDS}
# The grammar of the npm package `ms`, but that a year is the 365 days that it is in policies.
_TTL = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?|\.[0-9]{1,9}) *([a-z]*)", re.IGNORECASE)
_UNITS = {
    "milliseconds millisecond msecs msec ms": 0.001,
    "seconds second secs sec s": 1,
    "minutes minute mins min m": 60,
    "hours hour hrs hr h": 3_600,
    "days day d": 86_400,
    "weeks week w": 7 * 86_400,
    "months month mo": 30 * 86_400,
    "years year yrs yr y": 365 * 86_400,
}
_SECONDS = {"": 0.001} | {word: seconds for words, seconds in _UNITS.items() for word in words.split()}


class Body(BaseModel):
    """A part of a request's body: types are exact, and keys that we do not know are left out."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, defer_build=True, alias_generator=to_camel)


def _host(value: str) -> str:
    """What could be read as a host by anybody is one exactly, so that no rule for hosts is passed by."""
    if value != value.strip():
        raise ValueError("a common name has no spaces around it")
    if "*" in value:
        parse(f"dns:{value}")
    if value.endswith(".") and _is_host(value.rstrip(".")):
        raise ValueError("a host stands in a common name without a dot at its end")
    return value


def _is_host(value: str) -> bool:
    try:
        parse(f"dns:{value}")
    except ValueError:
        return False
    return True


def _ttl(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = _TTL.fullmatch(value.strip()) if len(value) <= _LONGEST_TTL else None
    seconds = _SECONDS.get(found[2].lower()) if found else None
    if found is None or seconds is None:
        raise ValueError("ttl is a number and s, m (minutes), h, d, w or y, such as 90d")
    span = float(found[1]) * seconds
    if not 1 <= span <= LONGEST_LIFETIME.total_seconds():
        raise ValueError("ttl is at least one second, and at most 100 years")
    return timedelta(seconds=int(span))


def _moment(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        moment = datetime.fromisoformat(value)
        utc = None if moment.tzinfo is None else moment.astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError):  # the first and the last day of all have no UTC everywhere
        utc = None
    if utc is None:
        raise ValueError("a moment of ISO 8601 with its zone, such as 2027-01-31T12:00:00Z")
    if utc.year > _LAST_YEAR:
        raise ValueError(f"a moment not after the year {_LAST_YEAR}")
    return utc


def _few(most: int) -> Any:  # noqa: ANN401 (pydantic's)
    return Field(max_length=most)


def _domain(value: list[str]) -> list[str]:
    if len(".".join(value)) > LONGEST_DNS_NAME:
        raise ValueError(f"all domain components together are a DNS name, of at most {LONGEST_DNS_NAME} characters")
    return value


class SubjectBody(Body):
    """The subject; upper bounds are those of RFC 5280 appendix A.1, which are closer than the contract's 255."""

    common_name: Annotated[CommonName, AfterValidator(_host)] | None = None
    organization: Text64 | None = None
    organizational_unit: Text64 | None = None
    country: Country | None = None
    state: Text128 | None = None
    locality: Text128 | None = None
    domain_components: Annotated[list[DomainComponent], _few(50), AfterValidator(_domain)] | None = None


class BasicConstraintsBody(Body):
    """Refused later, in the policy's words, when it asks for a CA."""

    is_ca: bool = Field(default=False, alias="isCA")
    path_length: Annotated[int, Field(ge=0, le=255)] | None = None


class AltName(Body):
    """One alternative name."""

    type: Literal["dns_name", "ip_address", "email", "uri"]
    value: Annotated[str, Field(min_length=1, max_length=255)]

    @field_validator("value")
    @classmethod
    def _canonical(cls, value: str, info: ValidationInfo) -> str:
        kind = KINDS.get(info.data.get("type", ""))
        return value if kind is None else parse(f"{kind}:{value}").value

    @property
    def identifier(self) -> Identifier:
        """The same, typed."""
        return Identifier(KINDS[self.type], self.value)


class AttributesBody(SubjectBody):
    """`attributes` of an issue and of a renewal; null clears what a default would say."""

    alt_names: Annotated[list[AltName], _few(MOST_NAMES)] | None = None
    key_usages: Annotated[list[KeyUsageWord], _few(20)] | None = None
    extended_key_usages: Annotated[list[ExtendedKeyUsageWord], _few(20)] | None = None
    key_algorithm: (
        Literal["RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1"] | None
    ) = None
    signature_algorithm: SignatureAlgorithm | None = None
    ttl: Annotated[timedelta, BeforeValidator(_ttl)] | None = None
    not_before: Annotated[datetime, BeforeValidator(_moment)] | None = None
    not_after: Annotated[datetime, BeforeValidator(_moment)] | None = None
    basic_constraints: BasicConstraintsBody | None = None
    custom_extensions: Any = None
    remove_roots_from_chain: bool = False  # agents write it here

    @field_validator("alt_names")
    @classmethod
    def _not_too_much(cls, value: list[AltName] | None) -> list[AltName] | None:
        if sum(len(name.value) + 1 for name in value or ()) > _LONGEST_TOGETHER:
            raise ValueError(f"all alternative names together have at most {_LONGEST_TOGETHER} characters")
        return value

    @field_validator("custom_extensions")
    @classmethod
    def _none(cls, value: object) -> object:
        if value:
            raise ValueError("this authority adds none; leave it out")
        return None


def requested_fields(body: SubjectBody) -> RequestedFields:
    """What was said in it, whether something or null."""
    found: dict[str, Any] = {}
    for field in body.model_fields_set - {"remove_roots_from_chain", "custom_extensions"}:
        value = getattr(body, field)
        if isinstance(value, BasicConstraintsBody):
            value = BasicConstraints(value.is_ca, value.path_length)
        elif field == "alt_names":
            field, value = "names", None if value is None else tuple(sorted({name.identifier for name in value}))  # noqa: PLW2901
        elif isinstance(value, list):
            value = tuple(dict.fromkeys(value)) if field != "domain_components" else tuple(value)
        found[field] = value
    return cast("RequestedFields", found)
