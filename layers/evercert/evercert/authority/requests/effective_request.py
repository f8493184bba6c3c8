"""What is asked for once defaults are in, and the certificate that it would be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from evercert.authority.api_errors import Refusal, bad_request
from evercert.authority.ca.leaf_fields import SUBJECT_FIELDS, Leaf, SubjectField
from evercert.authority.requests.attribute_fields import LONGEST_LIFETIME
from evercert.authority.requests.requested_fields import (
    BasicConstraints,
    ExtendedKeyUsageWord,
    KeyUsageWord,
    RequestedFields,
)
from evercert.pki.algorithms import KeyAlgorithm, family
from evercert.pki.attributes import SignatureAlgorithm
from evercert.pki.identifiers import Identifier
from evercert.pki.usages import EXTENDED_KEY_USAGES, KEY_USAGES, impossible

BACKDATED = timedelta(minutes=5)  # for clients whose clocks are slow
_EARLIEST = timedelta(seconds=30)  # of grace for a request that says exactly five minutes
_LATEST = datetime(9999, 12, 31, tzinfo=UTC)  # RFC 5280 §4.1.2.5 has no later year
_SIGNS = {"RSA": "RSA", "EC": "ECDSA"}


def refuse(problems: Sequence[str]) -> Refusal:
    """The contract's one refusal for everything that is wrong."""
    return bad_request(f"Certificate request validation failed: {', '.join(problems)}")


@dataclass(frozen=True)
class EffectiveRequest:
    """Values are canonical. `subject` has domain components as in a host name; `ttl` and dates are never both there.

    `key_algorithm` is the CSR's, where there is one.
    """

    subject: dict[SubjectField, tuple[str, ...]] = field(default_factory=dict)
    names: tuple[Identifier, ...] = ()
    key_usages: tuple[KeyUsageWord, ...] = ()
    extended_key_usages: tuple[ExtendedKeyUsageWord, ...] = ()
    key_algorithm: KeyAlgorithm | None = None
    signature_algorithm: SignatureAlgorithm | None = None
    ttl: timedelta | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    basic_constraints: BasicConstraints | None = None

    @classmethod
    def of(cls, requested: RequestedFields) -> EffectiveRequest:
        """What was cleared counts as not asked for."""
        subject: dict[SubjectField, tuple[str, ...]] = {}
        for name in SUBJECT_FIELDS:
            if value := requested.get(name):
                subject[name] = value if isinstance(value, tuple) else (value,)
        return cls(
            subject,
            requested.get("names") or (),
            requested.get("key_usages") or (),
            requested.get("extended_key_usages") or (),
            requested.get("key_algorithm"),
            requested.get("signature_algorithm"),
            requested.get("ttl"),
            requested.get("not_before"),
            requested.get("not_after"),
            requested.get("basic_constraints"),
        )

    @property
    def ca(self) -> bool:
        """Whether it asks for a CA's certificate; who wants to sign certificates does (§D.4)."""
        requested = self.basic_constraints is not None and self.basic_constraints.ca
        return requested or "key_cert_sign" in self.key_usages

    def span(self, now: datetime) -> timedelta | None:
        """How long it would be valid; None: nobody says."""
        if self.ttl is not None:
            return self.ttl
        return None if self.not_after is None else self.not_after - (self.not_before or now)

    def leaf(self, now: datetime, default_ttl: timedelta | None = None) -> Leaf:
        """The certificate. Raises Refusal (400) naming every field that no certificate of this authority can have.

        Whether the policy allows it, is not asked here. `default_ttl` counts where neither ttl nor notAfter was said.
        """
        begin, end = self._dates(now, default_ttl)
        if problems := [*self._impossible(), *_wrong_dates(begin, end, now)]:
            raise refuse(problems)
        if begin is None or end is None:  # said above
            raise bad_request("Certificate issuance requires a valid TTL")
        subject = {
            name: values[::-1] if name == "domain_components" else values for name, values in self.subject.items()
        }
        return Leaf.model_validate(
            {
                "subject": subject,
                "names": self.names,
                "key-usages": self.key_usages,
                "extended-key-usages": self.extended_key_usages,
                "not-before": begin,
                "not-after": end,
                "hash": self.signature_algorithm and self.signature_algorithm.partition("-")[2],
            }
        )

    def lifetime(self, leaf: Leaf, now: datetime) -> int:
        """In whole seconds, of the certificate that was asked for; what it is backdated by itself is no part of it."""
        begin = self.not_before if self.not_before is not None else now.replace(microsecond=0)
        return int((leaf.not_after - begin).total_seconds())

    def _dates(self, now: datetime, default_ttl: timedelta | None) -> tuple[datetime, datetime | None]:
        """Backdated where nobody said a beginning; a ttl counts from now, so that it is what is left of it."""
        now = now.replace(microsecond=0)
        begin = self.not_before if self.not_before is not None else now - BACKDATED
        ttl = self.ttl or default_ttl
        if self.not_after is not None or ttl is None:
            return begin, self.not_after
        start = self.not_before or now
        return begin, start + ttl if ttl <= _LATEST - start else _LATEST

    def _impossible(self) -> Iterator[str]:
        if self.ca:
            yield "basicConstraints: this authority issues no CA certificates"
        if unknown := [word for word in self.key_usages if word not in KEY_USAGES]:
            yield f"keyUsages: {', '.join(unknown)}: only a CA has it"
        if vague := [word for word in self.extended_key_usages if word not in EXTENDED_KEY_USAGES]:
            yield f"extendedKeyUsages: {', '.join(vague)}: name the purposes"
        if self.key_algorithm is not None:
            usages = tuple(word for word in KEY_USAGES if word in self.key_usages)
            if why := impossible(usages, self.key_algorithm):
                yield f"keyUsages: {why}"
            signs = _SIGNS.get(family(self.key_algorithm))
            if signs is None:
                yield f"keyAlgorithm: no CA here certifies a key of {self.key_algorithm}"
            elif self.signature_algorithm is not None and not self.signature_algorithm.startswith(f"{signs}-"):
                yield (
                    f"signatureAlgorithm: {self.signature_algorithm} is no signature of a CA for keys of "
                    f"{self.key_algorithm}"
                )
        if not self.names and "common_name" not in self.subject:
            yield "altNames: give at least one name, or a commonName"


def _wrong_dates(begin: datetime, end: datetime | None, now: datetime) -> Iterator[str]:
    if begin < now - BACKDATED - _EARLIEST:
        yield "notBefore: at most 5 minutes back"
    if end is None:
        yield "ttl: Certificate issuance requires a valid TTL"
    elif end <= now or end <= begin:
        yield "notAfter: it has passed, or is not after notBefore"
    elif end - begin > LONGEST_LIFETIME + BACKDATED:
        yield "notAfter: at most 100 years after notBefore"
