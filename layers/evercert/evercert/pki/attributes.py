"""The requested attributes of a certificate: subject, alternative names, usages, lifetime."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, model_validator

from evercert.durations import Duration
from evercert.origins import LONGEST_DNS_NAME
from evercert.pki import common_name, uris
from evercert.pki.identifiers import Identifier, Name
from evercert.pki.usages import ExtendedKeyUsages, KeyUsages
from evercert.schema import Model, Moment, at_most, text_of

SignatureAlgorithm = Literal["RSA-SHA256", "RSA-SHA384", "RSA-SHA512", "ECDSA-SHA256", "ECDSA-SHA384", "ECDSA-SHA512"]
SHORTEST_TTL = timedelta(minutes=1)
MOST_NAMES = 2_500  # alternative names; no destination takes a certificate with so many


def _ttl(value: timedelta) -> timedelta:
    if value < SHORTEST_TTL:
        raise ValueError("the shortest ttl is 1m")
    return value


def _within(first: int, last: int) -> AfterValidator:
    """Return a check of the year: certificates have two digits from 1950 on, and four until 9999 (RFC 5280 §4.1.2.5).

    The last year for a beginning is 9998, so that an end can follow it.
    """

    def check(value: datetime) -> datetime:
        if not first <= value.year <= last:
            raise ValueError(f"the year {value.year} is invalid; write one from {first} to {last}")
        return value

    return AfterValidator(check)


def _text(longest: int) -> AfterValidator:
    def check(value: str) -> str:
        if not 0 < len(value) <= longest or not value.isprintable() or value != value.strip():
            raise ValueError(f"1 to {longest} printable characters, without spaces around them")
        return value

    return AfterValidator(check)


CommonName = Annotated[str, AfterValidator(common_name.checked)]
# Upper bounds of RFC 5280 appendix A.1; for street and postal code, which it does not limit, of X.520 annex C.
Text64 = Annotated[str, _text(64)]
Text128 = Annotated[str, _text(128)]
PostalCode = Annotated[str, _text(40)]
Country = Annotated[
    str,
    text_of(r"[A-Za-z]{2}", "a country is two letters (ISO 3166), such as DE"),
    AfterValidator(str.upper),
]
DomainComponent = Annotated[
    str, text_of(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?", "a domain component is one label, such as example")
]


def _domain(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(".".join(value)) > LONGEST_DNS_NAME:
        raise ValueError(f"all domain components together are a DNS name, of at most {LONGEST_DNS_NAME} characters")
    return value


class Attributes(Model):
    """The requested attributes of a certificate."""

    common_name: CommonName | None = None
    organization: Text64 | None = None
    organizational_unit: Text64 | None = None
    country: Country | None = None
    state: Text128 | None = None
    locality: Text128 | None = None
    street_address: Text128 | None = None
    postal_code: PostalCode | None = None
    domain_components: Annotated[tuple[DomainComponent, ...], AfterValidator(_domain), at_most(LONGEST_DNS_NAME)] = ()
    alt_names: Annotated[tuple[Name, ...], at_most(MOST_NAMES)] = ()
    key_usages: KeyUsages = ()
    extended_key_usages: ExtendedKeyUsages = ()
    signature_algorithm: SignatureAlgorithm | None = None
    ttl: Annotated[Duration, AfterValidator(_ttl)] | None = None
    not_before: Annotated[Moment, _within(1950, 9998)] | None = None
    not_after: Annotated[Moment, _within(1950, 9999)] | None = None

    @property
    def identifiers(self) -> tuple[Identifier, ...]:
        """The subject alternative names, sorted and unique, including the common name if it is a valid one."""
        names = set(self.alt_names)
        if self.common_name is not None and (name := common_name.identifier_of(self.common_name)) is not None:
            names.add(name)
        return tuple(sorted(names))

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if not self.identifiers:
            text = f"; common-name {self.common_name!r} is text, not a host" if self.common_name else ""
            raise ValueError(f"give at least one name: a common-name that is a DNS name, or alt-names{text}")
        if (why := uris.conflict([name.value for name in self.identifiers if name.kind == "uri"])) is not None:
            raise ValueError(why)
        return self

    @model_validator(mode="after")
    def _has_one_lifetime(self) -> Self:
        begin, end = self.not_before, self.not_after
        if self.ttl is not None and (begin or end) is not None:
            raise ValueError("give either ttl, or not-before and not-after")
        if begin is not None and end is not None and not begin < end:
            raise ValueError("not-before must be earlier than not-after")
        return self
