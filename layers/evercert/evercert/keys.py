"""Private keys that do not print, and the CSRs they sign."""

from __future__ import annotations

import base64
import hashlib

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from evercert.spec import Attributes, KeyAlgorithm

SEALABLE_BYTES = 4_096  # what KMS encrypts in one call


class PrivateKey:
    """The private key of one revision; printing, formatting or pickling it shows no key."""

    __slots__ = ("_key",)

    def __init__(self, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
        self._key = key

    @classmethod
    def generate(cls, algorithm: KeyAlgorithm) -> PrivateKey:
        """A new random key."""
        match algorithm:
            case "EC_prime256v1":
                return cls(ec.generate_private_key(ec.SECP256R1()))
            case "RSA_2048":
                return cls(rsa.generate_private_key(public_exponent=65_537, key_size=2_048))

    @classmethod
    def from_der(cls, der: bytes) -> PrivateKey:
        """The inverse of `der`; raises ValueError. The bytes are ours, so RSA's slow consistency check is left out."""
        try:
            key = serialization.load_der_private_key(der, password=None, unsafe_skip_rsa_key_validation=True)
        except (TypeError, UnsupportedAlgorithm) as error:
            raise ValueError("an encrypted key, or one of an unknown kind") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise ValueError("neither an EC nor an RSA private key")
        return cls(key)

    def der(self) -> bytes:
        """PKCS #8, unencrypted: for sealing only."""
        return self._key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def pem(self) -> str:
        """PKCS #8, unencrypted: for delivery only."""
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    def public_bytes(self) -> bytes:
        """The public key as DER SubjectPublicKeyInfo."""
        return public_bytes(self._key.public_key())

    def sign_csr(self, attributes: Attributes) -> str:
        """A PKCS #10 request (RFC 2986) for these names, as PEM."""
        return (
            x509.CertificateSigningRequestBuilder()
            .subject_name(subject(attributes))
            .add_extension(alternative_names(attributes), critical=attributes.common_name is None)
            .sign(self._key, hashes.SHA256())
            .public_bytes(serialization.Encoding.PEM)
            .decode()
        )

    def sign_certificate(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        """The certificate, signed by this key with SHA-256."""
        return builder.sign(self._key, hashes.SHA256())

    def __repr__(self) -> str:
        fingerprint = base64.b64encode(hashlib.sha256(self.public_bytes()).digest()).decode()
        return f"<PrivateKey of public key SHA256:{fingerprint}>"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a private key is not pickled")


def public_bytes(key: object) -> bytes:
    """Any public key as DER SubjectPublicKeyInfo."""
    return key.public_bytes(  # type: ignore[attr-defined, no-any-return]
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def subject(attributes: Attributes) -> x509.Name:
    """The subject name (RFC 5280 §4.1.2.6); empty when only alternative names are wanted."""
    if attributes.common_name is None:
        return x509.Name([])
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, attributes.common_name)])


def alternative_names(attributes: Attributes) -> x509.SubjectAlternativeName:
    """Every name as RFC 5280 §4.2.1.6 has it; the extension is critical when the subject is empty."""
    return x509.SubjectAlternativeName([name.general_name() for name in attributes.identifiers])
