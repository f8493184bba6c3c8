"""Real keys and certificates for tests of the invariants."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NOW = datetime(2027, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Ca:
    """A CA with its own certificate."""

    key: Any
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        return pem(self.certificate)


def new_key() -> Any:
    return ec.generate_private_key(ec.SECP256R1())


def ca(name: str = "root", issuer: Ca | None = None) -> Ca:
    key = new_key()
    signer, by = (issuer.key, issuer.certificate.subject) if issuer else (key, subject(name))
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    builder = _builder(key, name, by, timedelta(days=365)).add_extension(constraints, critical=True)
    return Ca(key, builder.sign(signer, hashes.SHA256()))


def leaf(name: str, issuer: Ca, key: Any = None, lifetime: timedelta = timedelta(days=1)) -> x509.Certificate:
    host = f"{name}.example.com"
    builder = _builder(key or new_key(), host, issuer.certificate.subject, lifetime)
    names = x509.SubjectAlternativeName([x509.DNSName(host)])
    return builder.add_extension(names, critical=False).sign(issuer.key, hashes.SHA256())


def value(certificate: x509.Certificate, key: Any, *chain: Ca) -> dict[str, str]:
    """Return what a secret holds."""
    rest = "".join(one.pem for one in chain)
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return {
        "certificate": pem(certificate),
        "private_key": key.private_bytes(serialization.Encoding.PEM, *plain).decode(),
        "certificate_chain": rest,
        "fullchain": pem(certificate) + rest,
        "serial_number": f"{certificate.serial_number:X}",
    }


def subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _builder(key: Any, name: str, issuer: x509.Name, lifetime: timedelta) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject(name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(minutes=1))
        .not_valid_after(NOW + lifetime)
    )
