"""A CSR that the user supplies: what it asks for, in the words of a document, and whether evercert can ask for that."""

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

LARGEST = 16_384  # bytes of PEM: a hundred names and a key of 4,096 bits take half of it
_SOUND = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
# What people find in their CSRs most often; the rest is told by its number.
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
    """What a CSR asks for; `pem` is the request and nothing else of what was written around it."""

    pem: str
    algorithm: KeyAlgorithm
    attributes: Attributes


@lru_cache(maxsize=16)  # a spec is read more than once on its way
def read(text: str) -> ParsedCsr:
    """Raises ValueError with what cannot be asked for. The message never quotes the text, which may hold a key."""
    csr = load(text)
    _, algorithm = proven_key(csr)
    try:
        extensions = csr.extensions
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise ValueError(f"its extensions cannot be read: {printable(str(error), 120)}") from error
    try:
        attributes = Attributes.model_validate({**_subject(csr.subject), **_extensions(extensions)})
    except ValidationError as error:
        problem = first_problem(error).replace("Value error, ", "")
        raise ValueError(f"it asks for what evercert does not: {printable(problem)}") from error
    return ParsedCsr(csr.public_bytes(serialization.Encoding.PEM).decode(), algorithm, attributes)


def load(text: str) -> x509.CertificateSigningRequest:
    """The one request in the text; raises ValueError."""
    if "PRIVATE KEY-----" in text:
        raise ValueError("holds a private key, which belongs in no document; give the certificate request alone")
    if len(text) > LARGEST:
        raise ValueError(f"has {len(text)} characters; a CSR has at most {LARGEST}")
    if text.count(_BLOCK) != 1:
        raise ValueError(f"has {text.count(_BLOCK)} PEM blocks; give one, -----BEGIN CERTIFICATE REQUEST-----")
    try:
        csr = x509.load_pem_x509_csr(text.encode())
        _ = csr.subject
    except ValueError as error:
        raise ValueError("is not a certificate request (PKCS #10, RFC 2986) in PEM") from error
    return csr


def proven_key(csr: x509.CertificateSigningRequest) -> tuple[object, KeyAlgorithm]:
    """Its public key and of which kind, once its signature has shown that the private one was there.

    Raises ValueError.
    """
    try:
        public_key: object = csr.public_key()
    except (ValueError, UnsupportedAlgorithm):
        public_key = None
    algorithm = algorithm_of(public_key)
    if algorithm is None:
        raise ValueError("its key is none of RSA with 2048, 3072 or 4096 bits, EC on P-256, P-384 or P-521, Ed25519")
    try:
        sound = algorithm == "Ed25519" or isinstance(csr.signature_hash_algorithm, _SOUND)
        valid = sound and csr.is_signature_valid
    except (ValueError, UnsupportedAlgorithm):
        sound = valid = False
    if not sound:
        raise ValueError(
            "its signature is not one with SHA-256, SHA-384 or SHA-512; make it anew, such as with -sha256"
        )
    if not valid:
        raise ValueError("its signature is not valid: it was changed after it was signed, or is for another key")
    if any(attribute.oid == AttributeOID.CHALLENGE_PASSWORD for attribute in csr.attributes):
        raise ValueError(
            "has a challenge password (RFC 2985 §5.4.1), which every reader would see; make it without one"
        )
    return public_key, algorithm


def _subject(name: x509.Name) -> dict[str, Any]:
    known = set(OIDS.values())
    if strange := [attribute.oid for attribute in name if attribute.oid not in known]:
        raise ValueError(f"its subject has {name_of(strange[0])}, which evercert cannot ask for")
    if any(len(rdn) > 1 for rdn in name.rdns):
        raise ValueError(
            "its subject has several values in one part (RFC 5280 §4.1.2.4), which evercert cannot ask for"
        )
    found: dict[str, Any] = {}
    for field in OIDS:
        key, values = field.replace("_", "-"), values_of(name, field)
        if field in _MANY:
            values = values[::-1]  # as in a host name
        elif len(values) > 1:
            raise ValueError(f"its subject has {len(values)} of {key}; evercert asks for one")
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
                    raise ValueError("it asks for a CA certificate; evercert asks for none")
            case _:
                if extension.critical:
                    raise ValueError(
                        f"its extension {name_of(extension.oid)} is critical, and evercert cannot ask for it"
                    )
    return found


def _name(name: x509.GeneralName) -> str:
    known = from_general_name(name)
    if known is None:
        raise ValueError(f"it has a name of the kind {type(name).__name__}; evercert asks for dns, ip, uri and email")
    return str(known)


def _key_usages(usage: x509.KeyUsage) -> list[str]:
    if usage.key_cert_sign or usage.crl_sign:
        raise ValueError("it asks to sign certificates or revocation lists, as only a CA may; evercert asks for none")
    return list(key_usages_of(usage))


def _purposes(purposes: x509.ExtendedKeyUsage) -> list[str]:
    known = set(PURPOSES.values())
    if strange := [oid for oid in purposes if oid not in known]:
        raise ValueError(f"it asks for the purpose {name_of(strange[0])}, which evercert cannot ask for")
    return list(extended_key_usages_of(purposes))


def name_of(oid: x509.ObjectIdentifier) -> str:
    """What people call it, with its number; the number alone where nobody does."""
    name = _NAMES.get(oid)
    return f"{name} ({oid.dotted_string})" if name else oid.dotted_string
