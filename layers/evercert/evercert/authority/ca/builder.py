"""What CAs sign, field by field (RFC 5280 §4): end-entity certificates, CA certificates, and CSRs of CA keys."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from evercert.authority.ca.kms_key import PosingKey, PublicKey, hash_of
from evercert.authority.ca.leaf_fields import SUBJECT_FIELDS, Leaf
from evercert.pki.subject import OIDS
from evercert.pki.usages import extended_key_usage, key_usage

SERIAL_BYTES = 20  # RFC 5280 §4.1.2.2: at most
_NONE = {
    "content_commitment": False,
    "key_encipherment": False,
    "data_encipherment": False,
    "key_agreement": False,
    "encipher_only": False,
    "decipher_only": False,
}


@dataclass(frozen=True)
class Places:
    """Where a certificate's verifier finds the issuer's CRL and the issuer's certificate, in DER; None: nowhere."""

    crl: str | None = None
    issuer: str | None = None

    @classmethod
    def of(cls, address: str, ca_id: str, installed_id: str) -> Places:
        """Those that the authority at this address serves for the CA that signs."""
        base = f"{address.rstrip('/')}/api/v1/cert-manager"
        return cls(f"{base}/crl/{ca_id}/der", f"{base}/ca/internal/{ca_id}/certificates/{installed_id}/der")


@dataclass(frozen=True)
class Issuer:
    """A CA that signs: its own certificate, what its certificates say of it, and its key."""

    certificate: x509.Certificate
    places: Places
    key: PosingKey


@dataclass(frozen=True)
class Span:
    """When a certificate begins and ends; fractions of a second are dropped, because no certificate has them."""

    begins: datetime
    ends: datetime


def serial_number() -> int:
    """20 bytes with 158 random bits: positive, and of one length.

    The top bit is clear, or DER would need a 21st byte for a positive number; the next one is set, so that the first
    byte is never zero, and lists and URLs show all serial numbers with the same 40 digits.
    """
    bits = SERIAL_BYTES * 8 - 2
    return 1 << bits | secrets.randbits(bits)


def leaf_certificate(leaf: Leaf, public_key: PublicKey, serial: int, issuer: Issuer) -> x509.Certificate:
    """Signed by the CA; raises ValueError for a hash that its key does not sign with, and what the key raises."""
    subject = leaf_subject(leaf)
    builder = _begun(subject, issuer.certificate.subject, public_key, serial, Span(leaf.not_before, leaf.not_after))
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    if leaf.key_usages:
        builder = builder.add_extension(key_usage(leaf.key_usages), critical=True)
    if leaf.extended_key_usages:
        # Not critical: RFC 5280 §4.2.1.12 leaves the choice, and peers that know no purposes need not fail.
        builder = builder.add_extension(extended_key_usage(leaf.extended_key_usages), critical=False)
    if leaf.names:
        names = x509.SubjectAlternativeName([name.general_name() for name in leaf.names])
        builder = builder.add_extension(names, critical=not subject.rdns)  # RFC 5280 §4.2.1.6
    return _issued(builder, issuer).sign(issuer.key, hash_of(issuer.key.public_key(), leaf.hash))


def leaf_subject(leaf: Leaf) -> x509.Name:
    """From the widest to the narrowest part; empty when only alternative names are wanted."""
    return x509.Name(
        [x509.NameAttribute(OIDS[field], value) for field in SUBJECT_FIELDS for value in leaf.subject.get(field, ())]
    )


def root_certificate(key: PosingKey, name: x509.Name, serial: int, span: Span) -> x509.Certificate:
    """Signed by itself; where its path ends is for those who trust it."""
    builder = _begun(name, name, key.public_key(), serial, span)
    return _of_ca(builder, None, signs=False).sign(key, hash_of(key.public_key()))


def issuing_certificate(
    public_key: PublicKey, name: x509.Name, serial: int, span: Span, issuer: Issuer
) -> x509.Certificate:
    """Of a CA that signs leaves and its CRL, and no CA: its path length is 0 (RFC 5280 §4.2.1.9)."""
    builder = _of_ca(_begun(name, issuer.certificate.subject, public_key, serial, span), 0, signs=True)
    return _issued(builder, issuer).sign(issuer.key, hash_of(issuer.key.public_key()))


def ca_request(key: PosingKey, name: x509.Name) -> x509.CertificateSigningRequest:
    """A CSR of an issuing CA, for a CA outside to sign."""
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_ca_usage(signs=True), critical=True)
    )
    return builder.sign(key, hash_of(key.public_key()))


def authority_key(ca: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """As the CA's certificate names its key (RFC 5280 §4.2.1.1), or the usual hash of it where it does not."""
    try:
        own = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.public_key())  # type: ignore[arg-type]
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _begun(
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


def _of_ca(builder: x509.CertificateBuilder, path_length: int | None, *, signs: bool) -> x509.CertificateBuilder:
    constraints = x509.BasicConstraints(ca=True, path_length=path_length)
    return builder.add_extension(constraints, critical=True).add_extension(_ca_usage(signs=signs), critical=True)


def _ca_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(digital_signature=signs, key_cert_sign=True, crl_sign=True, **_NONE)


def _issued(builder: x509.CertificateBuilder, issuer: Issuer) -> x509.CertificateBuilder:
    for extension in _about(issuer.certificate, issuer.places):
        builder = builder.add_extension(extension, critical=False)
    return builder


@lru_cache(maxsize=32)  # the same in everything that one certificate signs
def _about(issuer: x509.Certificate, places: Places) -> tuple[x509.ExtensionType, ...]:
    found: list[x509.ExtensionType] = [authority_key(issuer)]
    if places.crl is not None:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(places.crl)], None, None, None)
        found.append(x509.CRLDistributionPoints([point]))
    if places.issuer is not None:
        place = x509.UniformResourceIdentifier(places.issuer)
        access = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, place)
        found.append(x509.AuthorityInformationAccess([access]))
    return tuple(found)
