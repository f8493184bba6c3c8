"""The request after defaults are applied, and the leaf that it would become."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
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
from evercert.pki import common_name, uris
from evercert.pki.algorithms import KeyAlgorithm
from evercert.pki.attributes import SignatureAlgorithm
from evercert.pki.identifiers import Identifier
from evercert.pki.usages import EXTENDED_KEY_USAGES, KEY_USAGES, purpose_conflict, without_impossible

BACKDATED = timedelta(minutes=5)  # for clients whose clocks are slow
_EARLIEST = timedelta(seconds=30)  # tolerance for a notBefore exactly five minutes ago
_LATEST = datetime(9999, 12, 31, tzinfo=UTC)  # the last year of RFC 5280 §4.1.2.5


class PolicyRefusal(Refusal):
    """The policy or this authority does not allow the content of a request (400)."""


def refuse(problems: Sequence[str]) -> PolicyRefusal:
    """Return the Infisical API's refusal (400) with every problem."""
    return PolicyRefusal(400, "BadRequest", f"Certificate request validation failed: {', '.join(problems)}")


@dataclass(frozen=True)
class EffectiveRequest:
    """A request with the profile's defaults applied; values are canonical.

    `subject` has domain components in the order of a host name. A ttl excludes dates. With a CSR, `key_algorithm` is
    that of its key.
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
        """Build from requested fields; fields cleared with None count as absent."""
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
        """Return whether the request is for a CA: by basic constraints, or by the key usage to sign certificates."""
        requested = self.basic_constraints is not None and self.basic_constraints.ca
        return requested or "key_cert_sign" in self.key_usages

    @property
    def serves(self) -> bool:
        """Return whether TLS servers may use the certificate, which clients match by its names (RFC 9525)."""
        return "server_auth" in self.extended_key_usages

    def named(self) -> EffectiveRequest:
        """Return the request with its common name as an alternative name too, if it is a host."""
        found = common_name.host_of(next(iter(self.subject.get("common_name", ())), ""))
        if found is None or found in self.names:
            return self
        return replace(self, names=tuple(sorted({*self.names, found})))

    def for_key(self, algorithm: KeyAlgorithm | None) -> EffectiveRequest:
        """Return the request without key usages that a key of this algorithm cannot have; those of a CA remain."""
        if algorithm is None:
            return self
        possible = without_impossible([word for word in KEY_USAGES if word in self.key_usages], algorithm)
        kept = tuple(word for word in self.key_usages if word in possible or word not in KEY_USAGES)
        return replace(self, key_usages=kept)

    def span(self, now: datetime) -> timedelta | None:
        """Return the requested validity period, or None if the request has neither ttl nor notAfter."""
        if self.ttl is not None:
            return self.ttl
        return None if self.not_after is None else self.not_after - (self.not_before or now)

    def leaf(self, now: datetime, default_ttl: timedelta | None = None) -> Leaf:
        """Return the leaf; raises Refusal (400) with every field that this authority cannot put into a certificate.

        Does not check the policy. `default_ttl` applies if the request has neither ttl nor notAfter.
        """
        begin, end = self._dates(now, default_ttl)
        if problems := [*self._impossible(), *_wrong_dates(begin, end, now)]:
            raise refuse(problems)
        if begin is None or end is None:  # reported above; for the type checker
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
        """Return the requested lifetime in whole seconds, without the backdating of the leaf."""
        begin = self.not_before if self.not_before is not None else now.replace(microsecond=0)
        return int((leaf.not_after - begin).total_seconds())

    def _dates(self, now: datetime, default_ttl: timedelta | None) -> tuple[datetime, datetime | None]:
        """Return notBefore and notAfter: backdate notBefore if it is not requested, and count a ttl from now."""
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
            yield f"keyUsages: {', '.join(unknown)}: allowed for CAs only"
        if unspecific := [word for word in self.extended_key_usages if word not in EXTENDED_KEY_USAGES]:
            yield f"extendedKeyUsages: {', '.join(unspecific)}: name the purposes"
        if conflict := purpose_conflict(self.extended_key_usages):
            yield f"extendedKeyUsages: {conflict}"
        if self.key_algorithm == "Ed25519":
            yield f"keyAlgorithm: unsupported {self.key_algorithm}: no CA of this authority signs it"
        yield from self._unusable_names()

    def _common_name_problem(self) -> str | None:
        """Return why the common name was meant as a host: it is the only name, and clients find none."""
        return next(filter(None, map(common_name.problem, self.subject.get("common_name", ()))), None)

    def _unusable_names(self) -> Iterator[str]:
        if (why := uris.conflict([name.value for name in self.names if name.kind == "uri"])) is not None:
            yield f"altNames: {why}"
        if self.serves and not self.names:
            yield (
                "altNames: a certificate for servers needs an alternative name, because clients ignore the common name"
                " (RFC 9525); send altNames, or a host as commonName"
            )
        elif not self.names and (why := self._common_name_problem()):
            yield f"commonName: {why}"
        elif not self.names and "common_name" not in self.subject:
            yield "altNames: give at least one name, or a commonName"


def _wrong_dates(begin: datetime, end: datetime | None, now: datetime) -> Iterator[str]:
    if begin < now - BACKDATED - _EARLIEST:
        yield "notBefore: must be at most 5 minutes ago"
    if end is None:
        yield "ttl: Certificate issuance requires a valid TTL"
    elif end <= now or end <= begin:
        yield "notAfter: must be in the future, and after notBefore"
    elif end - begin > LONGEST_LIFETIME + BACKDATED:
        yield "notAfter: must be at most 100 years after notBefore"
