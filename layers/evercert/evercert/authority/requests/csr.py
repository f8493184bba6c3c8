"""Parse a client's CSR and verify its proof of possession."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID
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
from evercert.pki.csr_parser import load, name_of, proven_key
from evercert.pki.identifiers import Identifier, from_general_name, parse
from evercert.pki.subject import OIDS, values_of
from evercert.pki.usages import OIDS as PURPOSES
from evercert.pki.usages import extended_key_usages_of, key_usages_of
from evercert.schema import printable


@dataclass(frozen=True)
class ParsedCsr:
    """A verified CSR; `pem` is without surrounding text, `requested` includes the key algorithm."""

    pem: str
    algorithm: KeyAlgorithm
    public_key: object
    requested: RequestedFields


def read(text: str) -> ParsedCsr:
    """Parse a CSR; raises Refusal (400). The message never quotes the text, which may contain a private key."""
    try:
        csr = load(text)
        public_key, algorithm = _key(csr)
        requested = RequestedFields(
            **_subject(csr.subject), **_extensions(_read_extensions(csr)), key_algorithm=algorithm
        )
    except ValueError as error:
        raise bad_request(f"csr: {printable(str(error), 400)}") from error
    return ParsedCsr(csr.public_bytes(serialization.Encoding.PEM).decode(), algorithm, public_key, requested)


def _key(csr: x509.CertificateSigningRequest) -> tuple[object, KeyAlgorithm]:
    public_key, algorithm = proven_key(csr)
    if algorithm == "Ed25519":
        raise ValueError("unsupported key algorithm Ed25519: no CA of this authority signs it; use an RSA or EC key")
    return public_key, algorithm


def _read_extensions(csr: x509.CertificateSigningRequest) -> x509.Extensions:
    try:
        return csr.extensions
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise ValueError(f"invalid extensions: {printable(str(error), 120)}") from error


def _subject(name: x509.Name) -> RequestedFields:
    known = {CAMEL[field]: OIDS[field] for field in CAMEL}
    if unknown := [attribute.oid for attribute in name if attribute.oid not in known.values()]:
        raise ValueError(f"unsupported subject attribute {name_of(unknown[0])}; remove it from the CSR")
    if any(len(rdn) > 1 for rdn in name.rdns):
        raise ValueError("multi-valued RDN in the subject (RFC 5280 §4.1.2.4): unsupported; use one RDN for each value")
    found: dict[str, Any] = {}
    for field, word in CAMEL.items():
        values = values_of(name, field)
        if field == "domain_components":
            found |= {word: list(values[::-1])} if values else {}  # in the order of a host name
        elif len(values) > 1:
            raise ValueError(f"{len(values)} values of {word} in the subject: at most one is supported")
        elif values:
            found[word] = values[0]
    try:
        return requested_fields(SubjectBody.model_validate(found))
    except ValidationError as error:
        detail = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(f"invalid {detail['loc'][0]}: {detail['msg'].removeprefix('Value error, ')}") from error


def _extensions(extensions: x509.Extensions) -> RequestedFields:
    found = RequestedFields()
    for extension in extensions:
        match extension.value:
            case x509.SubjectAlternativeName() as names:
                found["names"] = _names(names)
            case x509.KeyUsage() as usage:
                found["key_usages"] = _key_usages(usage)
            case x509.ExtendedKeyUsage() as purposes:
                found["extended_key_usages"] = _purposes(purposes)
            case x509.BasicConstraints() as constraints:
                found["basic_constraints"] = BasicConstraints(constraints.ca, constraints.path_length)
            case _ if extension.critical:
                raise ValueError(f"unsupported critical extension {name_of(extension.oid)}; remove it from the CSR")
    return found


def _names(names: x509.SubjectAlternativeName) -> tuple[Identifier, ...]:
    found: set[Identifier] = set()
    for name in names:
        known = from_general_name(name)
        if known is None:
            raise ValueError(f"unsupported name type {type(name).__name__}; use DNS, IP, URI and e-mail names")
        found.add(parse(str(known)))
    if len(found) > MOST_NAMES:
        raise ValueError(f"too many names: {len(found)}, at most {MOST_NAMES} allowed")
    return tuple(sorted(found))


def _key_usages(usage: x509.KeyUsage) -> tuple[KeyUsageWord, ...]:
    found: list[KeyUsageWord] = [*key_usages_of(usage)]
    if usage.key_cert_sign:
        found.append("key_cert_sign")
    if usage.crl_sign:
        found.append("crl_sign")
    return tuple(found)


def _purposes(purposes: x509.ExtendedKeyUsage) -> tuple[ExtendedKeyUsageWord, ...]:
    known = {*PURPOSES.values(), ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    if unknown := [oid for oid in purposes if oid not in known]:
        raise ValueError(f"unsupported extended key usage {name_of(unknown[0])}; remove it from the CSR")
    found = extended_key_usages_of(purposes)
    return (*found, "any_purpose") if ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in purposes else found
