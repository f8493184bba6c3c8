"""Certificates of a CA outside of the authority, as clients import them."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from evercert.pki.certificate import to_pem
from evercert.pki.keys import PrivateKey
from tests.doubles.fakes import START

Extension = tuple[Any, bool]


@cache
def ca_key(common_name: str) -> ec.EllipticCurvePrivateKey:
    """Return the key of a CA, always the same."""
    return ec.generate_private_key(ec.SECP256R1())


def name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])


def ca(common_name: str = "Foreign CA", issuer: str | None = None, *, is_ca: bool = True) -> x509.Certificate:
    """Return the certificate of a CA, self-signed without an issuer."""
    constraints = (x509.BasicConstraints(ca=is_ca, path_length=None), True)
    return signed(name(common_name), ca_key(common_name).public_key(), issuer or common_name, constraints)


def certificate(
    key: PrivateKey | None = None,
    *extensions: Extension,
    subject: x509.Name | None = None,
    issuer: str = "Foreign CA",
    names: tuple[str, ...] = ("www.example.org",),
    **changes: Any,
) -> x509.Certificate:
    """Return a server certificate for 90 days, with these changes of the builder."""
    public_key = (key or PrivateKey.generate("EC_prime256v1")).public_key
    alternative = [(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), False)] if names else []
    chosen = name(names[0] if names else "none") if subject is None else subject
    return signed(chosen, public_key, issuer, *alternative, *extensions, **changes)


def signed(
    subject: x509.Name, public_key: Any, issuer: str, *extensions: Extension, **changes: Any
) -> x509.Certificate:
    values = {
        "issuer_name": name(issuer),
        "serial_number": x509.random_serial_number(),
        "not_valid_before": START - timedelta(days=1),
        "not_valid_after": START + timedelta(days=90),
        **changes,
    }
    builder = x509.CertificateBuilder().subject_name(subject).public_key(public_key)
    for method, value in values.items():
        builder = getattr(builder, method)(value)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(ca_key(issuer), hashes.SHA256())


def pem(*certificates: x509.Certificate) -> str:
    return to_pem(certificates)
