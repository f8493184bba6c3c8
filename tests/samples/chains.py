"""Sample certification paths: CAs and leaves with any fault that a CA could make."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from evercert.pki import der
from evercert.pki.identifiers import parse
from tests.doubles.fakes import START
from tests.samples.certificates import private_key, usage

SERVER = "1.3.6.1.5.5.7.3.1"


@dataclass(frozen=True)
class Entity:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: Any

    @property
    def name(self) -> x509.Name:
        return self.certificate.subject


def dn(text: str, organization: str | None = None) -> x509.Name:
    """Return a name with this common name; empty for an empty text."""
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    return x509.Name(attributes + ([x509.NameAttribute(NameOID.COMMON_NAME, text)] if text else []))


def issue(
    subject: str | x509.Name,
    issuer: Entity | None = None,
    *,
    key: Any = None,
    issuer_name: x509.Name | None = None,
    ca: bool | None = True,
    path_length: int | None = None,
    critical: bool = True,
    usages: Collection[str] | None = None,
    extended: Sequence[str] | None = None,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    begins: timedelta = timedelta(days=-1),
    lasts: timedelta = timedelta(days=1_000),
    subject_key: bool = True,
    authority_key: bool = True,
    digest: Any = hashes.SHA256(),  # noqa: B008 (immutable)
    serial: int | None = None,
) -> Entity:
    """Issue a certificate, by default for a CA; without `issuer` it is self-signed."""
    name = dn(subject) if isinstance(subject, str) else subject
    key = key or ec.generate_private_key(ec.SECP256R1())
    signing = issuer.key if issuer is not None else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer_name if issuer_name is not None else issuer.name if issuer is not None else name)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(START + begins)
        .not_valid_after(START + begins + lasts)
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, path_length), critical)
    if usages is not None or ca:
        bits = usages if usages is not None else ("key_cert_sign", "crl_sign")
        builder = builder.add_extension(usage(bits), critical=True)
    if extended is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(map(x509.ObjectIdentifier, extended))), False)
    if subject_key:
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    if authority_key:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key())
        builder = builder.add_extension(identifier, False)
    for extension, is_critical in extensions:
        builder = builder.add_extension(extension, is_critical)
    algorithm = None if isinstance(signing, ed25519.Ed25519PrivateKey) else digest
    return Entity(builder.sign(signing, algorithm), key)


def leaf(issuer: Entity, names: Sequence[str] = ("dns:www.example.com",), **changes: Any) -> Entity:
    """Issue a TLS server certificate."""
    alternative = x509.SubjectAlternativeName([parse(text).general_name() for text in names])
    usual: dict[str, Any] = {
        "ca": False,
        "usages": ("digital_signature",),
        "extended": (SERVER,),
        "lasts": timedelta(days=90),
        "extensions": [(alternative, False), *changes.pop("more", ())],
        "key": private_key("EC_prime256v1"),
    }
    return issue(changes.pop("subject", "www.example.com"), issuer, **(usual | changes))


def patched(entity: Entity, issuer: Entity, old: bytes, new: bytes) -> Entity:
    """Replace bytes of the same length in a certificate, and sign it again with the issuer's EC key."""
    certificate = entity.certificate
    assert len(old) == len(new) and old in certificate.tbs_certificate_bytes
    return Entity(resigned(issuer, certificate.tbs_certificate_bytes.replace(old, new)), entity.key)


def resigned(issuer: Entity, tbs: bytes, algorithm: str = "300a06082a8648ce3d040302") -> x509.Certificate:
    """Return a certificate with these contents, signed with the issuer's EC key; `algorithm` is what it claims."""
    signature = issuer.key.sign(tbs, ec.ECDSA(hashes.SHA256()))
    encoded = tlv(0x30, tbs + bytes.fromhex(algorithm) + tlv(0x03, b"\0" + signature))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of serial numbers that RFC 5280 forbids
        return x509.load_der_x509_certificate(encoded)


def version_1(entity: Entity, issuer: Entity | None = None) -> Entity:
    """Return the same certificate in version 1: without version field and extensions."""
    _, *fields, _ = der.read(entity.certificate.tbs_certificate_bytes).children()
    tbs = tlv(0x30, b"".join(field.encoded for field in fields))
    return Entity(resigned(issuer or entity, tbs), entity.key)


def tlv(tag: int, content: bytes) -> bytes:
    """Return a DER element."""
    size = len(content)
    octets = size.to_bytes((size.bit_length() + 7) // 8 or 1)
    length = bytes([size]) if size < 0x80 else bytes([0x80 | len(octets)]) + octets
    return bytes([tag]) + length + content
