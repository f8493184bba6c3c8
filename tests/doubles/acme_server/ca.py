"""The server's CA: one intermediate key with a certificate of each root, so that a leaf has several chains."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.doubles.infisical.ca import pem, serial, usage

LIFETIMES = {"classic": timedelta(days=90), "shortlived": timedelta(days=6)}


class CA:
    """Signs leaves with the names of a CSR and nothing else of it."""

    def __init__(self, now: datetime, alternates: int = 0) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.roots, self._intermediates = [], []
        for number in range(alternates + 1):
            key = ec.generate_private_key(ec.SECP256R1())
            root = _ca(f"Double Root {number}", f"Double Root {number}", key, key, now)
            self.roots.append(root)
            self._intermediates.append(_ca("Double R1", f"Double Root {number}", self._key, key, now))

    def sign(self, public_key: Any, names: list[x509.GeneralName], now: datetime, profile: str | None) -> str:
        """Return a leaf as PEM."""
        builder = _builder(x509.Name([]), self._intermediates[0].subject, public_key, now)
        leaf = (
            builder.not_valid_after(now + LIFETIMES[profile or "classic"])
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage(["digital_signature"]), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return pem(leaf)

    def chain(self, leaf: str, number: int = 0) -> list[str]:
        """Return the leaf's chain to one of the roots, without the root."""
        return [leaf, pem(self._intermediates[number])]


def _builder(subject: x509.Name, issuer: x509.Name, key: Any, now: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(serial())
        .not_valid_before(now - timedelta(hours=1))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _ca(subject: str, issuer: str, key: Any, signer: Any, now: datetime) -> x509.Certificate:
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in (subject, issuer)]
    return (
        _builder(names[0], names[1], key.public_key(), now)
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage(["key_cert_sign", "crl_sign"]), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
