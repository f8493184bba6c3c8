"""Parse a client's CSR and verify its proof of possession."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from pydantic import ValidationError

from evercert.authority.api_errors import bad_request
from evercert.authority.requests.attribute_fields import CAMEL, SubjectBody, requested_fields
from evercert.authority.requests.requested_fields import (
    MOST_NAMES,
    BasicConstraints,
    ExtendedKeyUsageWord,
    KeyUsageWord,
    RequestedFields,
)
from evercert.pki.algorithms import KeyAlgorithm
from evercert.pki.certification_request import CertificationRequest
from evercert.pki.csr_extensions import (
    ANY_PURPOSE,
    CRL_SIGN,
    KEY_CERT_SIGN,
    RequestedExtensions,
    name_of,
    parse_extensions,
)
from evercert.pki.csr_parser import attribute_notes, listed, load, pem_of, proven_key
from evercert.pki.subject import OIDS, Subject, parse_subject
from evercert.schema import printable

_MANY = ("organization", "organizational_unit")
_MOST_VALUES = 10


@dataclass(frozen=True)
class ParsedCsr:
    """A verified CSR; `pem` is without surrounding text, `requested` includes the key algorithm.

    `notes` names what the certificate leaves out.
    """

    pem: str
    algorithm: KeyAlgorithm
    public_key: object
    requested: RequestedFields
    notes: tuple[str, ...] = ()


def read(text: str) -> ParsedCsr:
    """Parse a CSR; raises Refusal (400). The message never quotes the text, which may contain a private key."""
    try:
        request = load(text)
        public_key, algorithm = _key(request)
        subject, extensions = parse_subject(request.subject_der), parse_extensions(request)
        requested = RequestedFields(**_subject(subject), **_extensions(extensions), key_algorithm=algorithm)
    except ValueError as error:
        raise bad_request(f"csr: {printable(str(error), 400)}") from error
    return ParsedCsr(pem_of(request), algorithm, public_key, requested, tuple(_notes(request, subject, extensions)))


def read_names(text: str) -> ParsedCsr:
    """Parse a CSR of which only the key, the names and the common name count; raises Refusal (400) as `read`."""
    try:
        request = load(text)
        public_key, algorithm = _key(request)
        common_name = _common_name(parse_subject(request.subject_der))
        requested = RequestedFields(names=parse_extensions(request).names or (), key_algorithm=algorithm)
        if common_name is not None:
            requested["common_name"] = common_name
    except ValueError as error:
        raise bad_request(f"csr: {printable(str(error), 400)}") from error
    return ParsedCsr(pem_of(request), algorithm, public_key, requested)


def _common_name(subject: Subject) -> str | None:
    found = subject.values.get("common_name", ())
    if len(found) > 1:
        raise ValueError("the subject has several common names")
    return found[0] if found else None


def _key(request: CertificationRequest) -> tuple[object, KeyAlgorithm]:
    public_key, algorithm = proven_key(request)
    if algorithm == "Ed25519":
        raise ValueError("unsupported key algorithm Ed25519: no CA of this authority signs it; use an RSA or EC key")
    return public_key, algorithm


def _notes(fields: CertificationRequest, subject: Subject, extensions: RequestedExtensions) -> Iterator[str]:
    yield from attribute_notes(fields)
    absent = tuple(OIDS[field].dotted_string for field in subject.values if field not in CAMEL)
    if unknown := (*subject.others, *absent):
        yield f"its subject has {listed(unknown)}: left out of the certificate"
    if subject.empty:
        yield f"its subject has an empty {', '.join(subject.empty).replace('_', '-')}: left out of the certificate"
    if subject.multi_valued:
        yield "its subject has a multi-valued RDN (RFC 5280 §4.1.2.4): the certificate has one RDN for each value"
    if extensions.others:
        yield f"it requests the extension {listed(extensions.others)}: left out of the certificate"


def _subject(subject: Subject) -> RequestedFields:
    found: dict[str, Any] = {}
    for field, word in CAMEL.items():
        values = subject.values.get(field, ())
        if not values:
            continue
        if field == "domain_components":
            found |= _checked(word, list(values))
        elif len(values) > (_MOST_VALUES if field in _MANY else 1):
            most = f"at most {_MOST_VALUES} are" if field in _MANY else "one is"
            raise ValueError(f"{len(values)} values of {word} in the subject: {most} supported")
        else:
            checked = tuple(_checked(word, value)[field] for value in values)
            found[field] = checked if len(checked) > 1 else checked[0]
    return cast("RequestedFields", found)


def _checked(word: str, value: str | list[str]) -> dict[str, Any]:
    try:
        return cast("dict[str, Any]", requested_fields(SubjectBody.model_validate({word: value})))
    except ValidationError as error:
        detail = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(f"invalid {detail['loc'][0]}: {detail['msg'].removeprefix('Value error, ')}") from error


def _extensions(extensions: RequestedExtensions) -> RequestedFields:
    found = RequestedFields()
    if extensions.names is not None:
        if len(extensions.names) > MOST_NAMES:
            raise ValueError(f"too many names: {len(extensions.names)}, at most {MOST_NAMES} allowed")
        found["names"] = extensions.names
    if extensions.key_usage is not None:
        found["key_usages"] = _key_usages(extensions, extensions.key_usage)
    if extensions.purposes is not None:
        found["extended_key_usages"] = _purposes(extensions, extensions.purposes)
    if extensions.basic_constraints is not None:
        found["basic_constraints"] = BasicConstraints(*extensions.basic_constraints)
    return found


def _key_usages(extensions: RequestedExtensions, bits: frozenset[int]) -> tuple[KeyUsageWord, ...]:
    found: list[KeyUsageWord] = [*extensions.key_usages]
    if KEY_CERT_SIGN in bits:
        found.append("key_cert_sign")
    if CRL_SIGN in bits:
        found.append("crl_sign")
    return tuple(found)


def _purposes(extensions: RequestedExtensions, purposes: tuple[str, ...]) -> tuple[ExtendedKeyUsageWord, ...]:
    if unknown := [purpose for purpose in extensions.unknown_purposes if purpose != ANY_PURPOSE]:
        raise ValueError(f"unsupported extended key usage {name_of(unknown[0])}; remove it from the CSR")
    found = extensions.extended_key_usages
    return (*found, "any_purpose") if ANY_PURPOSE in purposes else found
