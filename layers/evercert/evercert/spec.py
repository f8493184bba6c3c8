"""What is wanted: names, key, lifetime, issuer, destinations."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    model_validator,
)

from evercert import durations
from evercert.canonical import digest
from evercert.durations import Duration
from evercert.errors import foreign
from evercert.identifiers import Identifier, Name, parse

NAME_PATTERN = r"[A-Za-z0-9._*-]{1,200}"
WHOLE = 100  # per cent
LONGEST_COMMON_NAME = 64  # ub-common-name, RFC 5280 appendix A.1
SHORTEST_TTL = timedelta(minutes=1)


def text_of(pattern: str, rule: str) -> AfterValidator:
    """Text of one form; the error says the rule instead of the pattern."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"{foreign(value, 60)!r}: {rule}")
        return value

    return AfterValidator(check)


CertificateName = Annotated[str, text_of(NAME_PATTERN, "a name has 1 to 200 letters, digits and . _ * -")]
IssuerName = Annotated[
    str, text_of(r"[A-Za-z0-9._-]{1,100}", "an issuer's name has 1 to 100 letters, digits and . _ -")
]
LabelKey = Annotated[str, text_of(r"[A-Za-z0-9._/-]{1,63}", "a label has 1 to 63 letters, digits and . _ / -")]
LabelValue = Annotated[
    str, text_of(r"[A-Za-z0-9._/@: -]{0,128}", "a label's value has up to 128 letters, digits, spaces and . _ / @ : -")
]
KeyAlgorithm = Literal["EC_prime256v1", "RSA_2048"]


class Model(BaseModel):
    """A frozen part of a document: kebab-case keys, and no key that we do not know."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=lambda field: field.replace("_", "-"),
    )


class Component(BaseModel):
    """An issuer or a destination as its document names it: a type, and settings that only that type understands."""

    model_config = ConfigDict(frozen=True, extra="allow")

    type: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,40}$")]

    @property
    def settings(self) -> dict[str, Any]:
        """What only its type understands, in the spelling of the document."""
        return dict(self.model_extra or {})

    @property
    def key(self) -> str:
        """A name that stays the same while type and settings do, wherever it stands in the document."""
        return f"{self.type}-{digest(self.settings)[:16]}"


class PrivateKeySpec(Model):
    """What kind of private key the certificate gets; a new one for every revision."""

    algorithm: KeyAlgorithm = "EC_prime256v1"


def _common_name(value: str) -> str:
    if not 0 < len(value.encode()) <= LONGEST_COMMON_NAME or not value.isprintable():
        raise ValueError("a common name has 1 to 64 printable characters, fewer where they are not ASCII")
    return value


def _ttl(value: timedelta) -> timedelta:
    if value < SHORTEST_TTL:
        raise ValueError("the shortest ttl is 1m")
    return value


class Attributes(Model):
    """What stands in the certificate."""

    common_name: Annotated[str, AfterValidator(_common_name)] | None = None
    alt_names: tuple[Name, ...] = ()
    ttl: Annotated[Duration, AfterValidator(_ttl)] | None = None

    @property
    def identifiers(self) -> tuple[Identifier, ...]:
        """Every subject alternative name, sorted and once each; the common name is one where it can be."""
        names = set(self.alt_names)
        if self.common_name is not None:
            with suppress(ValueError):  # "Payroll service" is a fine common name and no SAN
                names.add(parse(self.common_name))
        return tuple(sorted(names))

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if not self.identifiers:
            raise ValueError("give at least one name: a common-name that is a DNS name, or alt-names")
        return self


@dataclass(frozen=True)
class RenewBefore:
    """How long before expiry to renew: a span, or a share of the certificate's own lifetime in per cent."""

    text: str

    @classmethod
    def parse(cls, value: object) -> RenewBefore:
        """`30d` or `33%`; raises ValueError."""
        if isinstance(value, cls):
            return value
        if not isinstance(value, str):
            raise ValueError(f"{durations.GRAMMAR}; or a share of the lifetime, such as 33%")
        wish = cls(value)
        wish.within(timedelta(days=1))
        return wish

    def within(self, lifetime: timedelta) -> timedelta:
        """The span that this means for a certificate of this lifetime."""
        if not self.text.endswith("%"):
            return durations.parse(self.text)
        share = self.text[:-1]
        if not re.fullmatch(r"[0-9]{1,2}", share) or not 1 <= int(share) < WHOLE:
            raise ValueError(f"{self.text!r} is not a share of the lifetime: 1% to 99%")
        return lifetime * int(share) / WHOLE


class Lifecycle(Model):
    """When to renew; without `renew-before-expiry` evercert chooses (`renewal.py`)."""

    renew_before_expiry: (
        Annotated[RenewBefore, PlainValidator(RenewBefore.parse), PlainSerializer(lambda wish: wish.text)] | None
    ) = None


class Spec(Model):
    """One certificate that is wanted."""

    name: CertificateName
    issuer: IssuerName
    attributes: Attributes
    private_key: PrivateKeySpec = PrivateKeySpec()
    lifecycle: Lifecycle = Lifecycle()
    destinations: Annotated[tuple[Component, ...], Field(min_length=1, max_length=10)]
    labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=20)] = {}

    @model_validator(mode="after")
    def _renews_within_its_lifetime(self) -> Self:
        wish, ttl = self.lifecycle.renew_before_expiry, self.attributes.ttl
        if wish is not None and ttl is not None and wish.within(ttl) >= ttl:
            raise ValueError(f"lifecycle.renew-before-expiry ({wish.text}) must be shorter than attributes.ttl")
        return self

    def document(self) -> dict[str, Any]:
        """The spec as plain values in the spelling of a document, defaults left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    @property
    def request_hash(self) -> str:
        """Changes when another certificate is wanted; not by labels, lifecycle or destinations."""
        wanted = {
            "issuer": self.issuer,
            "common-name": self.attributes.common_name,
            "names": [str(name) for name in self.attributes.identifiers],
            "ttl": self.attributes.ttl and int(self.attributes.ttl.total_seconds()),
            "private-key": self.private_key.model_dump(mode="json"),
        }
        return digest(wanted)
