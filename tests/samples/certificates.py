"""Sample certificates, with any content that a foreign CA could issue."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from evercert.pki.algorithms import CURVES
from evercert.pki.identifiers import parse
from tests.doubles.fakes import START

BITS = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


@cache
def private_key(algorithm: str, number: int = 0) -> Any:
    """Return a cached key for each number: RSA keys are slow to generate."""
    if algorithm == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm in CURVES:
        return ec.generate_private_key(CURVES[algorithm]())
    if algorithm == "EC_secp256k1":
        return ec.generate_private_key(ec.SECP256K1())
    return rsa.generate_private_key(public_exponent=65_537, key_size=int(algorithm.removeprefix("RSA_")))


def usage(bits: Collection[str]) -> x509.KeyUsage:
    return x509.KeyUsage(**{bit: bit in bits for bit in BITS})


def name(common_name: str | None) -> x509.Name:
    return x509.Name([] if common_name is None else [x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def certificate(
    algorithm: str = "EC_prime256v1",
    names: Sequence[str] = ("dns:www.example.com",),
    *,
    number: int = 0,
    common_name: str | None = None,
    usages: Collection[str] | None = ("digital_signature",),
    extended: Sequence[str] | None = ("1.3.6.1.5.5.7.3.1",),
    by: str | None = None,
    issuer: str | None = "CA",
    begins: timedelta = timedelta(minutes=-5),
    lasts: timedelta = timedelta(days=90),
    ocsp: str | None = None,
    ca: bool = False,
) -> x509.Certificate:
    """Build a certificate, signed by the CA key of algorithm `by` or of its own; `issuer` None is an empty name."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(common_name))
        .issuer_name(name(issuer))
        .public_key(private_key(algorithm, number).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(START + begins)
        .not_valid_after(START + begins + lasts)
    )
    extensions: list[x509.ExtensionType] = [x509.BasicConstraints(ca=ca, path_length=None)]
    if names:
        extensions.append(x509.SubjectAlternativeName([parse(text).general_name() for text in names]))
    if usages is not None:
        extensions.append(usage(usages))
    if extended is not None:
        extensions.append(x509.ExtendedKeyUsage([x509.ObjectIdentifier(oid) for oid in extended]))
    if ocsp is not None:
        where = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(ocsp))
        extensions.append(x509.AuthorityInformationAccess([where]))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    signer = private_key(by or algorithm, -1)
    return builder.sign(signer, None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def authority(algorithm: str, *, common_name: str = "CA", issuer: str = "CA") -> x509.Certificate:
    """Build the CA that signs `certificate`; a root unless `issuer` is another name."""
    return certificate(
        algorithm, (), number=-1, common_name=common_name, issuer=issuer, usages=("key_cert_sign",), extended=None,
        lasts=timedelta(days=3650), ca=True,
    )  # fmt: skip


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(algorithm: str, number: int = 0, password: bytes | None = None) -> bytes:
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password is not None:
        encryption = serialization.BestAvailableEncryption(password)
    form = serialization.PrivateFormat.PKCS8
    return private_key(algorithm, number).private_bytes(serialization.Encoding.PEM, form, encryption)
