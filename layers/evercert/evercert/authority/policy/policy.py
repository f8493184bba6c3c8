"""The policy of a profile: which certificates it allows."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from evercert.authority.policy.patterns import pattern_problem
from evercert.authority.requests.requested_fields import ExtendedKeyUsageWord, KeyUsageWord
from evercert.durations import LONGEST
from evercert.pki.algorithms import KeyAlgorithm
from evercert.pki.attributes import SignatureAlgorithm
from evercert.pki.usages import EXTENDED_KEY_USAGES, KEY_USAGES, purpose_conflict
from evercert.schema import Model, Place, misplaced, printable

SubjectType = Literal[
    "common_name", "organization", "organizational_unit", "country", "state", "locality", "domain_component"
]
NameType = Literal["dns_name", "ip_address", "email", "uri"]
MOST_VALUES = 100  # of one list
ANY: Literal["any"] = "any"  # every algorithm of this authority; a request may omit it
_HOURS = {"h": 1, "d": 24, "m": 30 * 24, "y": 365 * 24}
_CAMEL = re.compile(r"(?<=[a-z])([A-Z])")


def kebab(key: object) -> object:
    """Convert the API's `keyUsages`, or `key_usages`, to the `key-usages` of documents; `isCA` becomes `is-ca`."""
    if not isinstance(key, str):
        return key
    return _CAMEL.sub(r"-\1", key.replace("isCA", "isCa")).replace("_", "-").lower()


def kebab_keys(data: object) -> object:
    """Convert the keys of a mapping to kebab-case; raises ValueError for a key in two spellings."""
    if not isinstance(data, dict):
        return data
    found = {kebab(key): value for key, value in data.items()}
    if len(found) < len(data):
        raise ValueError("duplicate key: given in two spellings")
    return found


class Part(Model):
    """A part of a policy or profile; accepts kebab-case keys (documents) and camelCase keys (API)."""

    @model_validator(mode="before")
    @classmethod
    def _in_one_spelling(cls, data: object) -> object:
        return kebab_keys(data)


def _list(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not 0 < len(values) <= MOST_VALUES:
        raise ValueError(f"invalid list: must have 1 to {MOST_VALUES} values; leave it out to set no rule")
    if duplicates := [value for place, value in enumerate(values) if value in values[:place]]:
        raise ValueError(f"duplicate value {printable(str(duplicates[0]), 60)!r}")
    return values


def _spelled(words: dict[str, str]) -> BeforeValidator:
    return BeforeValidator(lambda word: words.get(word, word) if isinstance(word, str) else word)


def _usage(words: tuple[str, ...]) -> BeforeValidator:
    return _spelled({word.replace("_", "-"): word for word in words})


def _validity(text: str) -> str:
    if not re.fullmatch(r"[0-9]{1,6}[dhmy]", text):
        raise ValueError(
            "invalid validity: must be a number and h, d, m (months of 30 days) or y (years of 365 days), such as 90d"
        )
    if not timedelta(0) < _span(text) <= LONGEST:
        raise ValueError("invalid validity: must be longer than zero, and at most 100y")
    return text


def _span(text: str) -> timedelta:
    return int(text[:-1]) * timedelta(hours=_HOURS[text[-1]])


_KEYS = {"ECDSA-P256": "EC_prime256v1", "ECDSA-P384": "EC_secp384r1", "ECDSA-P521": "EC_secp521r1"} | {
    f"RSA-{size}": f"RSA_{size}" for size in (2048, 3072, 4096)
}
_SIGNATURES = {f"SHA{bits}-{signs}": f"{signs}-SHA{bits}" for bits in (256, 384, 512) for signs in ("RSA", "ECDSA")}
POLICY_NAMES = {api: policy for policy, api in (_KEYS | _SIGNATURES).items()}  # of algorithms, in the API for policies
Values = Annotated[tuple[str, ...], AfterValidator(_list)]
KeyUsageWords = Annotated[
    tuple[Annotated[KeyUsageWord, _usage((*KEY_USAGES, "key_cert_sign", "crl_sign"))], ...], AfterValidator(_list)
]
ExtendedKeyUsageWords = Annotated[
    tuple[Annotated[ExtendedKeyUsageWord, _usage((*EXTENDED_KEY_USAGES, "any_purpose"))], ...], AfterValidator(_list)
]


class _Rule(Part):
    @model_validator(mode="after")
    def _require_a_list(self) -> Self:
        if not any(getattr(self, word) for word in ("allowed", "required", "denied")):
            raise ValueError("empty rule: must have at least one of allowed, required and denied")
        return self


class ValueRule(_Rule):
    """A rule for one type of subject attribute or name; its lists hold patterns."""

    type: str
    allowed: Values | None = None
    required: Values | None = None
    denied: Values | None = None

    @model_validator(mode="after")
    def _check_patterns(self) -> Self:
        wrong: dict[Place, str] = {}
        for word in ("allowed", "required", "denied"):
            for place, pattern in enumerate(getattr(self, word) or ()):
                if why := pattern_problem(self.type, pattern):
                    wrong[word, place] = f"invalid pattern {printable(pattern, 60)!r}: {why}"
        if wrong:
            raise misplaced(wrong)
        return self


class SubjectRule(ValueRule):
    """A rule for one subject attribute."""

    type: Annotated[SubjectType, _spelled({word.replace("_", "-"): word for word in get_args(SubjectType)})]


class NameRule(ValueRule):
    """A rule for one type of alternative name."""

    type: Annotated[NameType, _spelled({word.replace("_", "-"): word for word in get_args(NameType)})]


class KeyUsageRule(_Rule):
    """A rule for key usages. As in Infisical, one with `denied` alone allows none."""

    allowed: KeyUsageWords | None = None
    required: KeyUsageWords | None = None
    denied: KeyUsageWords | None = None


class ExtendedKeyUsageRule(_Rule):
    """A rule for extended key usages. As in Infisical, one with `denied` alone allows none."""

    allowed: ExtendedKeyUsageWords | None = None
    required: ExtendedKeyUsageWords | None = None
    denied: ExtendedKeyUsageWords | None = None


class Algorithms(Part):
    """Allowed algorithms; accepts the names of the API and of documents. A missing list allows none."""

    signature: (
        Annotated[
            tuple[Annotated[Literal[SignatureAlgorithm, "any"], _spelled(_SIGNATURES)], ...], AfterValidator(_list)
        ]
        | None
    ) = None
    key_algorithm: (
        Annotated[
            tuple[
                Annotated[Literal[KeyAlgorithm, "any"], _spelled(_KEYS)],
                ...,
            ],
            AfterValidator(_list),
        ]
        | None
    ) = None

    @model_validator(mode="after")
    def _require_any_alone(self) -> Self:
        for key, words in (("signature", self.signature), ("key-algorithm", self.key_algorithm)):
            if words is not None and ANY in words and len(words) > 1:
                raise misplaced({(key,): f"{ANY} with other values: use {ANY} alone"})
        return self


class Validity(Part):
    """How long a certificate may be valid."""

    max: Annotated[str, AfterValidator(_validity)] | None = None

    @property
    def span(self) -> timedelta | None:
        """Return the maximum as a timedelta; None leaves the limit to the CA."""
        return None if self.max is None else _span(self.max)


class BasicConstraintsRule(Part):
    """Whether a request may be for a CA certificate; a maximum path length of -1 means any."""

    is_ca: Literal["allowed", "required", "denied"] = "denied"
    max_path_length: int = Field(-1, ge=-1, le=255)


class Policy(Part):
    """Rules for certificates. Fields without a rule are refused; validity without a rule is unlimited."""

    subject: tuple[SubjectRule, ...] = ()
    sans: tuple[NameRule, ...] = ()
    key_usages: KeyUsageRule | None = None
    extended_key_usages: ExtendedKeyUsageRule | None = None
    algorithms: Algorithms | None = None
    validity: Validity = Validity()
    basic_constraints: BasicConstraintsRule = BasicConstraintsRule()

    @model_validator(mode="after")
    def _require_unique_types(self) -> Self:
        wrong: dict[Place, str] = {}
        for key, rules in (("subject", self.subject), ("sans", self.sans)):
            types = [rule.type for rule in rules]
            for place, kind in enumerate(types):
                if kind in types[:place]:
                    wrong[key, place, "type"] = f"duplicate rule for {kind}; write one rule for each type"
        if wrong:
            raise misplaced(wrong)
        return self

    @model_validator(mode="after")
    def _require_satisfiable(self) -> Self:
        unavailable: tuple[tuple[Place, KeyUsageRule | ExtendedKeyUsageRule | None], ...] = (
            (("key-usages", "required"), self.key_usages),
            (("extended-key-usages", "required"), self.extended_key_usages),
        )
        wrong: dict[Place, str] = {
            place: "cannot be satisfied: no certificate of this authority has it"
            for place, rule in unavailable
            if rule is not None and {"key_cert_sign", "crl_sign", "any_purpose"} & set(rule.required or ())
        }
        if self.extended_key_usages is not None and (
            conflict := purpose_conflict(self.extended_key_usages.required or ())
        ):
            wrong["extended-key-usages", "required"] = f"cannot be satisfied: {conflict}"
        if self.basic_constraints.is_ca == "required":
            wrong["basic-constraints", "is-ca"] = "cannot be satisfied: this authority issues no CA certificates"
        if wrong:
            raise misplaced(wrong)
        return self
