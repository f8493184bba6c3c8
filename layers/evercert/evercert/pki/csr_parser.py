"""Parser for CSRs that users supply: translate them to document attributes, refuse unsupported content."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import AttributeOID, ExtendedKeyUsageOID, ExtensionOID, NameOID
from pydantic import ValidationError

from evercert.pki.algorithms import KeyAlgorithm, algorithm_of
from evercert.pki.attributes import Attributes
from evercert.pki.identifiers import from_general_name
from evercert.pki.subject import OIDS, values_of
from evercert.pki.usages import OIDS as PURPOSES
from evercert.pki.usages import extended_key_usages_of, key_usages_of
from evercert.schema import first_problem, printable

LARGEST = 16_384  # characters of PEM: a hundred names and a key of 4,096 bits take half of it
_SOUND = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
# Frequent unsupported fields by name; messages show the others by OID.
_NAMES = {
    NameOID.EMAIL_ADDRESS: "emailAddress",
    NameOID.SERIAL_NUMBER: "serialNumber",
    NameOID.GIVEN_NAME: "givenName",
    NameOID.SURNAME: "surname",
    NameOID.TITLE: "title",
    NameOID.USER_ID: "UID",
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: "anyExtendedKeyUsage",
    ExtensionOID.NAME_CONSTRAINTS: "nameConstraints",
    ExtensionOID.TLS_FEATURE: "TLS feature",
}
_MANY = ("domain_components",)
_BLOCK = "-----BEGIN "


@dataclass(frozen=True)
class ParsedCsr:
    """The content of a CSR; `pem` is the request without any text around it."""

    pem: str
    algorithm: KeyAlgorithm
    attributes: Attributes


@lru_cache(maxsize=16)  # a spec is parsed more than once in a run
def read(text: str) -> ParsedCsr:
    """Parse a CSR; raise ValueError if evercert cannot request its content. Never quotes it: it may contain a key."""
    csr = load(text)
    _, algorithm = proven_key(csr)
    try:
        extensions = csr.extensions
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise ValueError(f"its extensions cannot be parsed: {printable(str(error), 120)}") from error
    try:
        attributes = Attributes.model_validate({**_subject(csr.subject), **_extensions(extensions)})
    except ValidationError as error:
        problem = first_problem(error).replace("Value error, ", "")
        raise ValueError(f"it requests unsupported content: {printable(problem)}") from error
    return ParsedCsr(csr.public_bytes(serialization.Encoding.PEM).decode(), algorithm, attributes)


def load(text: str) -> x509.CertificateSigningRequest:
    """Load the only CSR in the text; raise ValueError if it is invalid, or contains a private key."""
    if "PRIVATE KEY-----" in text:
        raise ValueError("contains a private key, which must not be in a document; give only the certificate request")
    if len(text) > LARGEST:
        raise ValueError(f"too long: {len(text)} characters; the limit is {LARGEST}")
    if text.count(_BLOCK) != 1:
        raise ValueError(f"has {text.count(_BLOCK)} PEM blocks; give one, -----BEGIN CERTIFICATE REQUEST-----")
    try:
        csr = x509.load_pem_x509_csr(text.encode())
        _ = csr.subject
    except ValueError as error:
        raise ValueError("is not a certificate request (PKCS #10, RFC 2986) in PEM") from error
    return csr


def proven_key(csr: x509.CertificateSigningRequest) -> tuple[object, KeyAlgorithm]:
    """Return public key and algorithm after the signature proved possession of the private key.

    Raises ValueError for unsupported keys, weak or invalid signatures, and challenge passwords.
    """
    try:
        public_key: object = csr.public_key()
    except (ValueError, UnsupportedAlgorithm):
        public_key = None
    algorithm = algorithm_of(public_key)
    if algorithm is None:
        raise ValueError("unsupported key: use RSA 2048, 3072 or 4096, EC P-256, P-384 or P-521, or Ed25519")
    try:
        sound = algorithm == "Ed25519" or isinstance(csr.signature_hash_algorithm, _SOUND)
        valid = sound and csr.is_signature_valid
    except (ValueError, UnsupportedAlgorithm):
        sound = valid = False
    if not sound:
        raise ValueError("unsupported signature: use SHA-256, SHA-384 or SHA-512, such as with openssl req -sha256")
    if not valid:
        raise ValueError("invalid signature: the CSR was changed after signing, or signed with another key")
    if any(attribute.oid == AttributeOID.CHALLENGE_PASSWORD for attribute in csr.attributes):
        raise ValueError(
            "has a challenge password (RFC 2985 §5.4.1), which every reader can see; create the CSR without one"
        )
    return public_key, algorithm


def _subject(name: x509.Name) -> dict[str, Any]:
    known = set(OIDS.values())
    if strange := [attribute.oid for attribute in name if attribute.oid not in known]:
        raise ValueError(f"its subject has {name_of(strange[0])}, which evercert cannot request")
    if any(len(rdn) > 1 for rdn in name.rdns):
        raise ValueError("its subject has a multi-valued RDN (RFC 5280 §4.1.2.4), which evercert cannot request")
    found: dict[str, Any] = {}
    for field in OIDS:
        key, values = field.replace("_", "-"), values_of(name, field)
        if field in _MANY:
            values = values[::-1]  # in the order of a host name
        elif len(values) > 1:
            raise ValueError(f"its subject has {len(values)} values of {key}; evercert supports one")
        if values:
            found[key] = values if field in _MANY else values[0]
    return found


def _extensions(extensions: x509.Extensions) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for extension in extensions:
        match extension.value:
            case x509.SubjectAlternativeName() as names:
                found["alt-names"] = [_name(name) for name in names]
            case x509.KeyUsage() as usage:
                found["key-usages"] = _key_usages(usage)
            case x509.ExtendedKeyUsage() as purposes:
                found["extended-key-usages"] = _purposes(purposes)
            case x509.BasicConstraints() as constraints:
                if constraints.ca:
                    raise ValueError("it requests a CA certificate, which evercert does not issue")
            case _:
                if extension.critical:
                    raise ValueError(f"its critical extension {name_of(extension.oid)} is not supported")
    return found


def _name(name: x509.GeneralName) -> str:
    known = from_general_name(name)
    if known is None:
        raise ValueError(f"it has a name of type {type(name).__name__}; evercert supports dns, ip, uri and email")
    return str(known)


def _key_usages(usage: x509.KeyUsage) -> list[str]:
    if usage.key_cert_sign or usage.crl_sign:
        raise ValueError("it requests a CA's key usages (keyCertSign, cRLSign), which evercert does not issue")
    return list(key_usages_of(usage))


def _purposes(purposes: x509.ExtendedKeyUsage) -> list[str]:
    known = set(PURPOSES.values())
    if strange := [oid for oid in purposes if oid not in known]:
        raise ValueError(f"it requests the purpose {name_of(strange[0])}, which evercert does not support")
    return list(extended_key_usages_of(purposes))


def name_of(oid: x509.ObjectIdentifier) -> str:
    """Return the common name of an OID with its number, or the number alone."""
    name = _NAMES.get(oid)
    return f"{name} ({oid.dotted_string})" if name else oid.dotted_string
