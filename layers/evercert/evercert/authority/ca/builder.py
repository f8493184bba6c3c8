"""Build and sign end-entity certificates, CA certificates and CSRs of CA keys (RFC 5280 §4)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from evercert.authority.ca.constraints import Constraints
from evercert.authority.ca.kms_key import CAPrivateKey, PublicKey, hash_of
from evercert.authority.ca.leaf_fields import SUBJECT_FIELDS, Leaf
from evercert.authority.ca.public_paths import certificate_path, crl_path
from evercert.pki.subject import OIDS
from evercert.pki.usages import usage_extensions

SERIAL_BYTES = 20  # the maximum (RFC 5280 §4.1.2.2)
_OTHER_USAGES = {
    "content_commitment": False,
    "key_encipherment": False,
    "data_encipherment": False,
    "key_agreement": False,
    "encipher_only": False,
    "decipher_only": False,
}


@dataclass(frozen=True)
class IssuerURLs:
    """URLs of the issuer's CRL and of the issuer's certificate, both in DER; None omits the extension."""

    crl: str | None = None
    issuer: str | None = None

    @classmethod
    def of(cls, address: str, ca_id: str, installed_id: str) -> IssuerURLs:
        """Return the URLs that the authority at this address serves for the signing CA."""
        base = address.rstrip("/")
        return cls(base + crl_path(ca_id), base + certificate_path(ca_id, installed_id))


@dataclass(frozen=True)
class Issuer:
    """A signing CA: its own certificate, the URLs in the certificates that it signs, and its key."""

    certificate: x509.Certificate
    urls: IssuerURLs
    key: CAPrivateKey


@dataclass(frozen=True)
class Span:
    """A validity period; fractions of a second are dropped, because certificates cannot hold them."""

    begins: datetime
    ends: datetime


@dataclass(frozen=True)
class CALimits:
    """Limits in the certificate of a CA; None omits them. The path length counts the CAs below it."""

    path_length: int | None = None
    constraints: Constraints | None = None


UNLIMITED = CALimits()


def serial_number() -> int:
    """Return a random, positive serial number of 20 bytes with 158 random bits.

    The top bit is clear: otherwise DER would need a 21st byte for a positive number. The next bit is set, so that the
    first byte is never zero and every serial number has 40 hexadecimal digits in lists and URLs.
    """
    bits = SERIAL_BYTES * 8 - 2
    return 1 << bits | secrets.randbits(bits)


def sign_leaf(leaf: Leaf, public_key: PublicKey, serial: int, issuer: Issuer) -> x509.Certificate:
    """Build and sign a leaf.

    Raises ValueError for a hash that the CA's key does not support, and whatever the key raises.
    """
    subject = leaf_subject(leaf)
    builder = _start(subject, issuer.certificate.subject, public_key, serial, Span(leaf.not_before, leaf.not_after))
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    for extension, critical in usage_extensions(leaf.key_usages, leaf.extended_key_usages):
        builder = builder.add_extension(extension, critical)
    if leaf.names:
        names = x509.SubjectAlternativeName([name.general_name() for name in leaf.names])
        builder = builder.add_extension(names, critical=not subject.rdns)  # RFC 5280 §4.2.1.6
    return _add_issuer_extensions(builder, issuer).sign(issuer.key, hash_of(issuer.key.public_key(), leaf.hash))


def leaf_subject(leaf: Leaf) -> x509.Name:
    """Return the subject, most significant attribute first; empty if the leaf has alternative names only."""
    return x509.Name(
        [x509.NameAttribute(OIDS[field], value) for field in SUBJECT_FIELDS for value in leaf.subject.get(field, ())]
    )


def sign_root(
    key: CAPrivateKey, name: x509.Name, serial: int, span: Span, limits: CALimits = UNLIMITED
) -> x509.Certificate:
    """Build a self-signed root."""
    builder = _start(name, name, key.public_key(), serial, span)
    return _add_ca_extensions(builder, limits, signs=False).sign(key, hash_of(key.public_key()))


def sign_issuing_ca(
    public_key: PublicKey,
    name: x509.Name,
    serial: int,
    span: Span,
    issuer: Issuer,
    *,
    constraints: Constraints | None = None,
) -> x509.Certificate:
    """Build and sign the certificate of an issuing CA with path length 0: it cannot sign CAs (RFC 5280 §4.2.1.9)."""
    builder = _start(name, issuer.certificate.subject, public_key, serial, span)
    builder = _add_ca_extensions(builder, CALimits(0, constraints), signs=True)
    return _add_issuer_extensions(builder, issuer).sign(issuer.key, hash_of(issuer.key.public_key()))


def sign_ca_csr(
    key: CAPrivateKey, name: x509.Name, constraints: Constraints | None = None
) -> x509.CertificateSigningRequest:
    """Build the CSR of an issuing CA, for an external CA to sign."""
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_ca_usage(signs=True), critical=True)
    )
    if constraints is not None:
        builder = builder.add_extension(constraints.extension(), critical=True)
    return builder.sign(key, hash_of(key.public_key()))


def authority_key_identifier(ca: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """Return the CA's key identifier, or the SHA-1 of its public key if it has none (RFC 5280 §4.2.1.1)."""
    try:
        own = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.public_key())  # type: ignore[arg-type]
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _start(
    subject: x509.Name, issuer: x509.Name, public_key: PublicKey, serial: int, span: Span
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(span.begins.replace(microsecond=0))
        .not_valid_after(span.ends.replace(microsecond=0))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _add_ca_extensions(builder: x509.CertificateBuilder, limits: CALimits, *, signs: bool) -> x509.CertificateBuilder:
    basic = x509.BasicConstraints(ca=True, path_length=limits.path_length)
    builder = builder.add_extension(basic, critical=True).add_extension(_ca_usage(signs=signs), critical=True)
    if limits.constraints is None:
        return builder
    return builder.add_extension(limits.constraints.extension(), critical=True)  # RFC 5280 §4.2.1.10: MUST


def _ca_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(digital_signature=signs, key_cert_sign=True, crl_sign=True, **_OTHER_USAGES)


def _add_issuer_extensions(builder: x509.CertificateBuilder, issuer: Issuer) -> x509.CertificateBuilder:
    for extension in _issuer_extensions(issuer.certificate, issuer.urls):
        builder = builder.add_extension(extension, critical=False)
    return builder


@lru_cache(maxsize=32)  # equal in all certificates of one CA certificate
def _issuer_extensions(issuer: x509.Certificate, urls: IssuerURLs) -> tuple[x509.ExtensionType, ...]:
    found: list[x509.ExtensionType] = [authority_key_identifier(issuer)]
    if urls.crl is not None:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(urls.crl)], None, None, None)
        found.append(x509.CRLDistributionPoints([point]))
    if urls.issuer is not None:
        location = x509.UniformResourceIdentifier(urls.issuer)
        access = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, location)
        found.append(x509.AuthorityInformationAccess([access]))
    return tuple(found)
