"""Pydantic models of the certificate attributes in API bodies; values become canonical."""

from __future__ import annotations

import re
from contextlib import suppress
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
from evercert.pki.identifiers import KINDS as PREFIXES
from evercert.pki.identifiers import Identifier, Kind, parse

_LONGEST_TTL = 32  # characters
_LONGEST_ALT_NAMES = 4096  # characters of all alternative names together
LONGEST_LIFETIME = timedelta(days=100 * 365)
_LAST_YEAR = 9_000  # leaves room for date arithmetic
CAMEL = {field: to_camel(field) for field in SUBJECT_FIELDS}
# The grammar of the npm package `ms`, except that a year has 365 days, as in policies.
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
# Other words for the types, as Infisical's examples, RFC 5280 and other clients write them, in any case.
_ALT_NAME_TYPES = {
    **dict.fromkeys(("dns", "dnsname", "dns-name"), "dns_name"),
    **dict.fromkeys(("ip", "ipaddress", "ip-address"), "ip_address"),
    **dict.fromkeys(("rfc822name", "rfc822_name"), "email"),
    "url": "uri",
}
_SECONDS = {"": 0.001} | {word: seconds for words, seconds in _UNITS.items() for word in words.split()}


class Body(BaseModel):
    """A part of a request body; types are strict, unknown keys are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, defer_build=True, alias_generator=to_camel)


def _ttl(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = _TTL.fullmatch(value.strip()) if len(value) <= _LONGEST_TTL else None
    seconds = _SECONDS.get(found[2].lower()) if found else None
    if found is None or seconds is None:
        raise ValueError("invalid ttl: must be a number and s, m (minutes), h, d, w or y, such as 90d")
    span = float(found[1]) * seconds
    if not 1 <= span <= LONGEST_LIFETIME.total_seconds():
        raise ValueError("invalid ttl: must be from one second to 100 years")
    return timedelta(seconds=int(span))


def _date_time(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        moment = datetime.fromisoformat(value)
        utc = None if moment.tzinfo is None else moment.astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError):  # years 1 and 9999 may be out of range in UTC
        utc = None
    if utc is None:
        raise ValueError("invalid date: must be ISO 8601 with a time zone, such as 2027-01-31T12:00:00Z")
    if utc.year > _LAST_YEAR:
        raise ValueError(f"invalid date: must not be after the year {_LAST_YEAR}")
    return utc


def _max_length(limit: int) -> Any:  # noqa: ANN401 (pydantic's)
    return Field(max_length=limit)


def _domain(value: list[str]) -> list[str]:
    if len(".".join(value)) > LONGEST_DNS_NAME:
        raise ValueError(f"domain components too long: together at most {LONGEST_DNS_NAME} characters, as a DNS name")
    return value


class SubjectBody(Body):
    """The subject; limits are those of RFC 5280 appendix A.1, which are stricter than the Infisical API's 255."""

    common_name: CommonName | None = None
    organization: Text64 | None = None
    organizational_unit: Text64 | None = None
    country: Country | None = None
    state: Text128 | None = None
    locality: Text128 | None = None
    domain_components: Annotated[list[DomainComponent], _max_length(50), AfterValidator(_domain)] | None = None


class BasicConstraintsBody(Body):
    """Basic constraints; the policy refuses a request for a CA later."""

    is_ca: bool = Field(default=False, alias="isCA")
    path_length: Annotated[int, Field(ge=0, le=255)] | None = None


def _alt_name_type(value: object) -> object:
    if not isinstance(value, str):
        return value
    lower = value.lower()
    return _ALT_NAME_TYPES.get(lower, lower)


def _kind(type_name: str, value: str) -> Kind | None:
    """Return the kind of a name; the Infisical agent sends every name as a DNS name, addresses and URIs included."""
    kind = KINDS.get(type_name)
    if kind != "dns" or not (":" in value or "@" in value or value[:1].isdigit()):
        return kind
    with suppress(ValueError):
        found = parse(value)
        return found.kind if value.partition(":")[0].lower() not in PREFIXES else kind
    return kind


class AltName(Body):
    """One alternative name; types are those of the Infisical API and of its examples, in any case."""

    type: Annotated[Literal["dns_name", "ip_address", "email", "uri"], BeforeValidator(_alt_name_type)]
    value: Annotated[str, Field(min_length=1, max_length=255)]

    @field_validator("value")
    @classmethod
    def _canonical(cls, value: str, info: ValidationInfo) -> str:
        kind = _kind(info.data.get("type", ""), value)
        return value if kind is None else parse(f"{kind}:{value}").value

    @property
    def identifier(self) -> Identifier:
        """Return the name as an Identifier."""
        return Identifier(_kind(self.type, self.value) or "dns", self.value)


class AttributesBody(SubjectBody):
    """`attributes` of an issue or renew body; null clears the profile's default."""

    alt_names: Annotated[list[AltName], _max_length(MOST_NAMES)] | None = None
    key_usages: Annotated[list[KeyUsageWord], _max_length(20)] | None = None
    extended_key_usages: Annotated[list[ExtendedKeyUsageWord], _max_length(20)] | None = None
    key_algorithm: (
        Literal["RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1"] | None
    ) = None
    signature_algorithm: SignatureAlgorithm | None = None
    ttl: Annotated[timedelta, BeforeValidator(_ttl)] | None = None
    not_before: Annotated[datetime, BeforeValidator(_date_time)] | None = None
    not_after: Annotated[datetime, BeforeValidator(_date_time)] | None = None
    basic_constraints: BasicConstraintsBody | None = None
    custom_extensions: Any = None
    remove_roots_from_chain: bool = False  # the Infisical agent sends it here

    @field_validator("alt_names")
    @classmethod
    def _limit_alt_names(cls, value: list[AltName] | None) -> list[AltName] | None:
        if sum(len(name.value) + 1 for name in value or ()) > _LONGEST_ALT_NAMES:
            limit = f"together at most {_LONGEST_ALT_NAMES} characters"
            raise ValueError(f"alternative names too long: {limit}; request several certificates")
        return value

    @field_validator("custom_extensions")
    @classmethod
    def _refuse_extensions(cls, value: object) -> object:
        if value:
            raise ValueError("unsupported: this authority adds no custom extensions; leave it out")
        return None


def requested_fields(body: SubjectBody) -> RequestedFields:
    """Return the fields that the body contains, including those set to null."""
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
