"""What is wanted: names, key, lifetime, issuer, destinations."""

from __future__ import annotations

import hashlib
import re
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

from evercert import csr as csrs
from evercert import durations
from evercert.algorithms import KeyAlgorithm
from evercert.attributes import Attributes
from evercert.canonical import digest
from evercert.durations import Duration
from evercert.errors import foreign
from evercert.model import Model, Place, misplaced, text_of
from evercert.subject import wanted
from evercert.usages import impossible

__all__ = [
    "NAME_PATTERN",
    "Attributes",
    "CertificateName",
    "Component",
    "IssuerName",
    "KeyAlgorithm",
    "LabelKey",
    "LabelValue",
    "Lifecycle",
    "Model",
    "PrivateKeySpec",
    "RenewBefore",
    "Spec",
    "text_of",
]

NAME_PATTERN = r"[A-Za-z0-9._*-]{1,200}"
WHOLE = 100  # per cent
SHORTEST_CHECK, LONGEST_CHECK = timedelta(minutes=5), timedelta(days=90)

CertificateName = Annotated[str, text_of(NAME_PATTERN, "a name has 1 to 200 letters, digits and . _ * -")]
IssuerName = Annotated[
    str, text_of(r"[A-Za-z0-9._-]{1,100}", "an issuer's name has 1 to 100 letters, digits and . _ -")
]
LabelKey = Annotated[str, text_of(r"[A-Za-z0-9._/-]{1,63}", "a label has 1 to 63 letters, digits and . _ / -")]
LabelValue = Annotated[
    str, text_of(r"[A-Za-z0-9._/@: -]{0,128}", "a label's value has up to 128 letters, digits, spaces and . _ / @ : -")
]


class PrivateKeySpec(Model):
    """What kind of private key the certificate gets, and whether every revision gets a new one."""

    algorithm: KeyAlgorithm = "EC_prime256v1"
    rotate: Literal["always", "never"] = "always"


class Component(BaseModel):
    """An issuer or a destination as its document names it: a type, and settings that only that type understands."""

    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)

    type: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,40}$")]

    @property
    def settings(self) -> dict[str, Any]:
        """What only its type understands, in the spelling of the document."""
        return dict(self.model_extra or {})

    @property
    def key(self) -> str:
        """A name that stays the same while type and settings do, wherever it stands in the document."""
        return f"{self.type}-{digest(self.settings)[:16]}"


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


def _check_interval(value: timedelta) -> timedelta:
    if not SHORTEST_CHECK <= value <= LONGEST_CHECK:
        raise ValueError("the status is checked every 5m at the most, and every 90d at the least")
    return value


class Lifecycle(Model):
    """When to renew (without `renew-before-expiry` evercert chooses, `renewal.py`), and how often to look after it."""

    renew_before_expiry: (
        Annotated[RenewBefore, PlainValidator(RenewBefore.parse), PlainSerializer(lambda wish: wish.text)] | None
    ) = None
    status_check_interval: Annotated[Duration, AfterValidator(_check_interval)] = timedelta(days=1)


class Spec(Model):
    """One certificate that is wanted."""

    name: CertificateName
    issuer: IssuerName
    csr: Annotated[str, AfterValidator(lambda text: csrs.read(text).pem)] | None = None
    attributes: Attributes
    private_key: PrivateKeySpec = PrivateKeySpec()
    lifecycle: Lifecycle = Lifecycle()
    destinations: Annotated[tuple[Component, ...], Field(min_length=1, max_length=10)]
    labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=20)] = {}

    @model_validator(mode="before")
    @classmethod
    def _filled_from_the_csr(cls, data: object) -> object:
        """What a CSR asks for need not be written a second time."""
        if not isinstance(data, dict) or not isinstance(data.get("csr"), str):
            return data
        try:
            asked = csrs.read(data["csr"])
        except ValueError as error:
            raise misplaced({("csr",): str(error)}) from None
        found = {
            "attributes": asked.attributes.model_dump(mode="json", by_alias=True, exclude_defaults=True),
            "private-key": {"algorithm": asked.algorithm},
        }
        beside = {key: data.get(key) for key in found}
        whole = {key: {**found[key], **given} for key, given in beside.items() if isinstance(given, dict)}
        return {**found, **data, **whole}

    @model_validator(mode="after")
    def _asks_for_what_the_csr_asks_for(self) -> Self:
        if self.csr is not None and (problems := _beside(csrs.read(self.csr), self)):
            raise misplaced(problems)
        return self

    @model_validator(mode="after")
    def _key_can_be_used_so(self) -> Self:
        if problem := impossible(self.attributes.key_usages, self.private_key.algorithm):
            raise misplaced({("csr",) if self.csr is not None else ("attributes", "key-usages"): problem})
        return self

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
    def renews(self) -> bool:
        """Whether it is renewed by itself: a supplied CSR is used once, unless its key is never to change."""
        return self.csr is None or self.private_key.rotate == "never"

    @property
    def request_hash(self) -> str:
        """Changes when another certificate is wanted; not by labels, lifecycle or destinations.

        What came later than the first release is in it only where it is set: stored hashes must go on to fit.
        """
        attributes = self.attributes
        later = {
            "subject": {field: values for field, values in wanted(attributes).items() if field != "common_name"},
            "key-usages": attributes.key_usages,
            "extended-key-usages": attributes.extended_key_usages,
            "csr": self.csr and hashlib.sha256(self.csr.encode()).hexdigest(),
        }
        return digest(
            {
                "issuer": self.issuer,
                "common-name": attributes.common_name,
                "names": [str(name) for name in attributes.identifiers],
                "ttl": attributes.ttl and int(attributes.ttl.total_seconds()),
                "private-key": {"algorithm": self.private_key.algorithm},
                **{key: value for key, value in later.items() if value},
            }
        )


def _beside(asked: csrs.Supplied, spec: Spec) -> dict[Place, str]:
    """What is written beside a CSR and says something else, by its place."""
    problems: dict[Place, str] = {}
    for field in Attributes.model_fields:
        # The common name is among the alternative names whether or not it is repeated there.
        name = "identifiers" if field == "alt_names" else field
        there, here = getattr(asked.attributes, name), getattr(spec.attributes, name)
        if field != "ttl" and there != here and not (field == "alt_names" and problems):
            problems["attributes", field.replace("_", "-")] = _says(there)
    if spec.private_key.algorithm != asked.algorithm:
        problems["private-key", "algorithm"] = _says(asked.algorithm)
    return problems


def _says(there: object) -> str:
    text = ", ".join(map(str, there)) if isinstance(there, tuple) else str(there or "")
    return f"the CSR has {foreign(text, 120) or 'none'}; leave it out here, or make the CSR anew"
