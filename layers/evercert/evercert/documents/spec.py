"""The spec of a certificate: names, key, lifetime, issuer, destinations."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from evercert.canonical_json import canonical_json, digest
from evercert.documents import csr_rules
from evercert.documents.lifecycle import Lifecycle
from evercert.documents.probe import Probe
from evercert.pki import csr_parser as csrs
from evercert.pki.algorithms import KeyAlgorithm
from evercert.pki.attributes import Attributes
from evercert.pki.subject import wanted
from evercert.pki.usages import impossible, purpose_conflict
from evercert.registry import Component
from evercert.schema import Model, Place, at_most, misplaced, missing, text_of
from evercert.timestamps import to_text

__all__ = [
    "NAME_PATTERN",
    "Attributes",
    "CertificateName",
    "Component",
    "IssuerName",
    "KeyAlgorithm",
    "LabelKey",
    "LabelValue",
    "Model",
    "PrivateKeySpec",
    "Spec",
    "text_of",
]

NAME_PATTERN = r"[A-Za-z0-9._*-]{1,200}"

CertificateName = Annotated[str, text_of(NAME_PATTERN, "a name has 1 to 200 letters, digits and . _ * -")]
IssuerName = Annotated[
    str, text_of(r"[A-Za-z0-9._-]{1,100}", "an issuer's name has 1 to 100 letters, digits and . _ -")
]
LabelKey = Annotated[str, text_of(r"[A-Za-z0-9._/-]{1,63}", "a label has 1 to 63 letters, digits and . _ / -")]
LabelValue = Annotated[
    str, text_of(r"[A-Za-z0-9._/@: -]{0,128}", "a label's value has up to 128 letters, digits, spaces and . _ / @ : -")
]

MetadataKey = Annotated[
    str, text_of(r"[A-Za-z0-9._/-]{1,63}", "metadata has keys of 1 to 63 letters, digits and . _ / -")
]
RESERVED_METADATA = "evercert-request"  # evercert finds its own requests at the issuer by this key
MetadataValue = Annotated[str, StringConstraints(max_length=255)]
CertificateId = Annotated[
    str,
    text_of(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", "a certificate-id is a UUID"),
    AfterValidator(str.lower),
]
MOST_DESTINATIONS, MOST_LABELS, MOST_ISSUERS = 10, 20, 5
LARGEST_AGENT = 8_192  # characters of JSON
NAMELESS = Attributes.model_construct()


class PrivateKeySpec(Model):
    """The private key: its algorithm, who generates it, and whether every revision gets a new one.

    With `algorithm: issuer` the issuer chooses the algorithm.
    """

    algorithm: Literal[KeyAlgorithm, "issuer"] = "EC_prime256v1"
    source: Literal["local", "issuer"] = "local"
    rotate: Literal["always", "never"] = "always"

    @property
    def known(self) -> KeyAlgorithm | None:
        """The algorithm, or None if the issuer chooses it."""
        return None if self.algorithm == "issuer" else self.algorithm

    @model_validator(mode="after")
    def _is_kept_here(self) -> Self:
        if self.source == "issuer" and self.rotate == "never":
            raise ValueError("rotate: never requires source: local: an issuer generates a new private key each time")
        return self


class Spec(Model):
    """The specification of one certificate."""

    name: CertificateName
    issuer: IssuerName
    issuers: Annotated[tuple[IssuerName, ...], Field(max_length=MOST_ISSUERS), at_most(MOST_ISSUERS)] = ()
    csr: Annotated[str, AfterValidator(lambda text: csrs.read(text).pem)] | None = None
    certificate_id: CertificateId | None = None
    attributes: Attributes = NAMELESS
    private_key: PrivateKeySpec = PrivateKeySpec()
    lifecycle: Lifecycle = Lifecycle()
    destinations: Annotated[
        tuple[Component, ...], Field(min_length=1, max_length=MOST_DESTINATIONS), at_most(MOST_DESTINATIONS)
    ]
    probe: Probe | None = None
    labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=MOST_LABELS), at_most(MOST_LABELS)] = {}
    metadata: Annotated[dict[MetadataKey, MetadataValue], Field(max_length=MOST_LABELS), at_most(MOST_LABELS)] = {}
    agent: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _first_of_several(cls, data: object) -> object:
        """Set `issuer` to the first of `issuers`; a list of one is the same as `issuer`."""
        if not isinstance(data, dict) or "issuers" not in data:
            return data
        if "issuer" in data and data["issuers"] in ((), []):
            return data
        if "issuer" in data:
            raise misplaced({("issuers",): "not allowed with issuer; list all issuers here, the preferred one first"})
        listed = data["issuers"]
        if not isinstance(listed, (list, tuple)) or not listed:
            raise misplaced({("issuers",): "must be a list of names, the preferred issuer first"})
        rest = {key: value for key, value in data.items() if key != "issuers"} if len(listed) == 1 else data
        return {**rest, "issuer": listed[0]}

    @model_validator(mode="after")
    def _names_each_issuer_once(self) -> Self:
        repeated = next((name for name in self.issuers if self.issuers.count(name) > 1), None)
        if repeated is not None:
            raise misplaced({("issuers",): f"{repeated!r} is listed twice; remove one"})
        if self.issuers and self.certificate_id is not None:
            raise misplaced({("issuers",): "not allowed with certificate-id, which only its own issuer knows"})
        return self

    @model_validator(mode="before")
    @classmethod
    def _filled_from_the_csr(cls, data: object) -> object:
        return csr_rules.filled_in(data)

    @model_validator(mode="after")
    def _asks_for_what_the_csr_asks_for(self) -> Self:
        if self.csr is None:
            return self
        algorithm = self.private_key.algorithm
        if problems := csr_rules.contradictions(csrs.read(self.csr), self.attributes, algorithm):
            raise misplaced(problems)
        return self

    @model_validator(mode="after")
    def _names_something_or_follows(self) -> Self:
        if self.certificate_id is None:
            if self.attributes == NAMELESS:
                raise missing("attributes")
            return self
        beside = {"csr": self.csr is not None, "attributes": self.attributes != NAMELESS}
        beside["private-key"] = self.private_key != PrivateKeySpec()
        problem = "not allowed with certificate-id, which names an existing certificate; remove it"
        problems: dict[Place, str] = {(key,): problem for key, there in beside.items() if there}
        if problems:
            raise misplaced(problems)
        return self

    @model_validator(mode="after")
    def _keeps_little_of_the_agent(self) -> Self:
        try:
            size = len(canonical_json(self.agent))
        except (TypeError, ValueError):  # a date, a set, bytes: YAML knows more kinds of values than JSON
            raise misplaced(
                {("agent",): "only text, numbers, lists and mappings are supported; put dates in quotes"}
            ) from None
        if size > LARGEST_AGENT:
            raise misplaced({("agent",): f"too long: at most {LARGEST_AGENT} characters of JSON"})
        return self

    @model_validator(mode="after")
    def _leaves_our_metadata_alone(self) -> Self:
        if RESERVED_METADATA in self.metadata:
            raise misplaced({("metadata", RESERVED_METADATA): "reserved key: evercert sets it; choose another name"})
        return self

    @model_validator(mode="after")
    def _has_possible_usages(self) -> Self:
        algorithm = self.private_key.known
        if algorithm is not None and (problem := impossible(self.attributes.key_usages, algorithm)):
            raise misplaced({("csr",) if self.csr is not None else ("attributes", "key-usages"): problem})
        if conflict := purpose_conflict(self.attributes.extended_key_usages):
            raise misplaced({("csr",) if self.csr is not None else ("attributes", "extended-key-usages"): conflict})
        return self

    @model_validator(mode="after")
    def _renews_within_its_lifetime(self) -> Self:
        renew_before, ttl = self.lifecycle.renew_before_expiry, self.attributes.ttl
        if renew_before is not None and ttl is not None and not renew_before.never and renew_before.within(ttl) >= ttl:
            raise ValueError(f"lifecycle.renew-before-expiry ({renew_before.text}) must be shorter than attributes.ttl")
        return self

    def document(self) -> dict[str, Any]:
        """Return the spec as plain values with the keys of a document, without defaults."""
        values = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return {key: value for key, value in values.items() if key != "issuer" or not self.issuers}

    @property
    def issuer_names(self) -> tuple[str, ...]:
        """The issuers in the order in which they are tried."""
        return self.issuers or (self.issuer,)

    @property
    def renews(self) -> bool:
        """Whether evercert renews the certificate.

        False for a followed certificate, a fixed end, `renew-before-expiry: never`, and a supplied CSR unless `rotate`
        is `never`.
        """
        renew_before = self.lifecycle.renew_before_expiry
        if (
            self.certificate_id is not None
            or self.attributes.not_after is not None
            or (renew_before is not None and renew_before.never)
        ):
            return False
        return self.csr is None or self.private_key.rotate == "never"

    @property
    def key_from_issuer(self) -> bool:
        """Whether the issuer delivers the private key with the certificate."""
        return self.certificate_id is not None or (self.csr is None and self.private_key.source == "issuer")

    @property
    def request_hash(self) -> str:
        """A hash of the requested certificate; labels, lifecycle and destinations do not change it.

        Fields that are newer than the first release are included only if set, so that stored hashes remain valid.
        """
        attributes = self.attributes
        later = {
            "subject": {field: values for field, values in wanted(attributes).items() if field != "common_name"},
            "key-usages": attributes.key_usages,
            "extended-key-usages": attributes.extended_key_usages,
            "csr": self.csr and hashlib.sha256(self.csr.encode()).hexdigest(),
            "signature-algorithm": attributes.signature_algorithm,
            "not-before": attributes.not_before and to_text(attributes.not_before),
            "not-after": attributes.not_after and to_text(attributes.not_after),
            "private-key-source": self.private_key.source if self.private_key.source != "local" else None,
            "certificate-id": self.certificate_id,
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
