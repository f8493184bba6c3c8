"""What is wanted: names, key, lifetime, issuer, destinations."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from evercert.canonical_json import canonical_json, digest
from evercert.documents.lifecycle import Lifecycle
from evercert.pki import csr_parser as csrs
from evercert.pki.algorithms import KeyAlgorithm
from evercert.pki.attributes import Attributes
from evercert.pki.subject import wanted
from evercert.pki.usages import impossible
from evercert.registry import Component
from evercert.schema import Model, Place, misplaced, missing, printable, text_of
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
RESERVED_METADATA = "evercert-request"  # a request is found again by it
MetadataValue = Annotated[str, StringConstraints(max_length=255)]
CertificateId = Annotated[
    str,
    text_of(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", "a certificate-id is a UUID"),
    AfterValidator(str.lower),
]
LARGEST_AGENT = 8_192  # characters of JSON
NAMELESS = Attributes.model_construct()


class PrivateKeySpec(Model):
    """What kind of private key the certificate gets, who makes it, and whether every revision gets a new one.

    `algorithm: issuer` leaves the kind to the issuer.
    """

    algorithm: Literal[KeyAlgorithm, "issuer"] = "EC_prime256v1"
    source: Literal["local", "issuer"] = "local"
    rotate: Literal["always", "never"] = "always"

    @property
    def known(self) -> KeyAlgorithm | None:
        """The algorithm; None: the issuer decides."""
        return None if self.algorithm == "issuer" else self.algorithm

    @model_validator(mode="after")
    def _is_kept_here(self) -> Self:
        if self.source == "issuer" and self.rotate == "never":
            raise ValueError(
                "a private key that the issuer makes is a new one each time; rotate: never is for source: local"
            )
        return self


class Spec(Model):
    """One certificate that is wanted."""

    name: CertificateName
    issuer: IssuerName
    csr: Annotated[str, AfterValidator(lambda text: csrs.read(text).pem)] | None = None
    certificate_id: CertificateId | None = None
    attributes: Attributes = NAMELESS
    private_key: PrivateKeySpec = PrivateKeySpec()
    lifecycle: Lifecycle = Lifecycle()
    destinations: Annotated[tuple[Component, ...], Field(min_length=1, max_length=10)]
    labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=20)] = {}
    metadata: Annotated[dict[MetadataKey, MetadataValue], Field(max_length=20)] = {}
    agent: dict[str, Any] = {}

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
    def _names_something_or_follows(self) -> Self:
        if self.certificate_id is None:
            if self.attributes == NAMELESS:
                raise missing("attributes")
            return self
        beside = {"csr": self.csr is not None, "attributes": self.attributes != NAMELESS}
        beside["private-key"] = self.private_key != PrivateKeySpec()
        problem = "a certificate-id names a certificate that exists already; what stands in it is not asked for here"
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
                {("agent",): "only text, numbers, lists and mappings are kept; put dates in quotes"}
            ) from None
        if size > LARGEST_AGENT:
            raise misplaced(
                {("agent",): f"at most {LARGEST_AGENT} characters are kept of what an agent would have run"}
            )
        return self

    @model_validator(mode="after")
    def _leaves_our_metadata_alone(self) -> Self:
        if RESERVED_METADATA in self.metadata:
            raise misplaced({("metadata", RESERVED_METADATA): "evercert sets this key itself; give yours another name"})
        return self

    @model_validator(mode="after")
    def _key_can_be_used_so(self) -> Self:
        algorithm = self.private_key.known
        if algorithm is not None and (problem := impossible(self.attributes.key_usages, algorithm)):
            raise misplaced({("csr",) if self.csr is not None else ("attributes", "key-usages"): problem})
        return self

    @model_validator(mode="after")
    def _renews_within_its_lifetime(self) -> Self:
        wish, ttl = self.lifecycle.renew_before_expiry, self.attributes.ttl
        if wish is not None and ttl is not None and not wish.never and wish.within(ttl) >= ttl:
            raise ValueError(f"lifecycle.renew-before-expiry ({wish.text}) must be shorter than attributes.ttl")
        return self

    def document(self) -> dict[str, Any]:
        """The spec as plain values in the spelling of a document, defaults left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    @property
    def renews(self) -> bool:
        """Whether it is renewed by itself.

        A supplied CSR is used once, unless its key is never to change; a fixed end cannot be moved; and what is renewed
        elsewhere is followed.
        """
        wish = self.lifecycle.renew_before_expiry
        if (
            self.certificate_id is not None
            or self.attributes.not_after is not None
            or (wish is not None and wish.never)
        ):
            return False
        return self.csr is None or self.private_key.rotate == "never"

    @property
    def key_from_issuer(self) -> bool:
        """Whether certificate and private key come together."""
        return self.certificate_id is not None or (self.csr is None and self.private_key.source == "issuer")

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


def _beside(asked: csrs.ParsedCsr, spec: Spec) -> dict[Place, str]:
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
    return f"the CSR has {printable(text, 120) or 'none'}; leave it out here, or make the CSR anew"
