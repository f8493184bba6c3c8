"""Private keys that never print their value, and the CSRs that they sign."""

from __future__ import annotations

import base64
import hashlib

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from evercert.errors import Rejected
from evercert.pki.algorithms import CURVES, KeyAlgorithm, algorithm_of, family
from evercert.pki.attributes import Attributes
from evercert.pki.subject import name_of
from evercert.pki.usages import usage_extensions

__all__ = ["SEALABLE_BYTES", "PrivateKey", "algorithm_of", "alternative_names", "family", "public_bytes", "subject"]

SEALABLE_BYTES = 4_096  # the limit of KMS Encrypt
# Hashes as TLS pairs them with the curves (RFC 8446 §4.2.3); Ed25519 has its own (RFC 8032 §5.1).
_HASHES: dict[KeyAlgorithm, hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None] = {
    "EC_prime256v1": hashes.SHA256(),
    "EC_secp384r1": hashes.SHA384(),
    "EC_secp521r1": hashes.SHA512(),
    "RSA_2048": hashes.SHA256(),
    "RSA_3072": hashes.SHA256(),
    "RSA_4096": hashes.SHA256(),
    "Ed25519": None,
}
_DIGESTS: dict[str, hashes.SHA256 | hashes.SHA384 | hashes.SHA512] = {
    "SHA256": hashes.SHA256(),
    "SHA384": hashes.SHA384(),
    "SHA512": hashes.SHA512(),
}


class PrivateKey:
    """The private key of one revision; printing and formatting never reveal it, pickling fails."""

    __slots__ = ("_algorithm", "_key")

    def __init__(self, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> None:
        """Raise ValueError for an unsupported size or curve."""
        algorithm = algorithm_of(key.public_key())
        if algorithm is None:
            raise ValueError("unsupported size or curve of a private key")
        self._algorithm: KeyAlgorithm = algorithm
        self._key = key

    @classmethod
    def generate(cls, algorithm: KeyAlgorithm) -> PrivateKey:
        """Generate a random key."""
        match family(algorithm):
            case "EC":
                return cls(ec.generate_private_key(CURVES[algorithm]()))
            case "RSA":
                size = int(algorithm.removeprefix("RSA_"))
                return cls(rsa.generate_private_key(public_exponent=65_537, key_size=size))
            case "Ed25519":
                return cls(ed25519.Ed25519PrivateKey.generate())

    @classmethod
    def from_der(cls, der: bytes) -> PrivateKey:
        """Load the output of `der`; raise ValueError. Skips RSA's slow consistency check, because evercert wrote it."""
        try:
            key = serialization.load_der_private_key(der, password=None, unsafe_skip_rsa_key_validation=True)
        except (TypeError, UnsupportedAlgorithm) as error:
            raise ValueError("encrypted private key, or unknown key type") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
            raise ValueError("unsupported private key: must be EC, RSA or Ed25519")
        return cls(key)

    @classmethod
    def from_pem(cls, pem: str) -> PrivateKey:
        """Load a PEM key that evercert did not generate; raise ValueError, which never quotes it."""
        try:
            key = serialization.load_pem_private_key(pem.encode(), password=None)
        except (TypeError, ValueError, UnsupportedAlgorithm):
            raise ValueError("it is encrypted, malformed, or of an unknown type") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
            raise ValueError("unsupported private key: must be EC, RSA or Ed25519")
        return cls(key)

    @property
    def algorithm(self) -> KeyAlgorithm:
        """The key algorithm."""
        return self._algorithm

    def der(self) -> bytes:
        """Return the key as unencrypted PKCS #8 DER, for sealing only."""
        return self._key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def pem(self) -> str:
        """Return the key as unencrypted PKCS #8 PEM, for delivery only."""
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    def public_bytes(self) -> bytes:
        """Return the public key as DER SubjectPublicKeyInfo."""
        return public_bytes(self._key.public_key())

    def sign_csr(self, attributes: Attributes) -> str:
        """Return a signed PKCS #10 request (RFC 2986) for these attributes, as PEM."""
        name = subject(attributes)
        builder = (
            x509.CertificateSigningRequestBuilder()
            .subject_name(name)
            .add_extension(alternative_names(attributes), critical=not name.rdns)
        )
        for extension, critical in usage_extensions(attributes.key_usages, attributes.extended_key_usages):
            builder = builder.add_extension(extension, critical)
        signed = builder.sign(self._key, _HASHES[self._algorithm])
        return signed.public_bytes(serialization.Encoding.PEM).decode()

    def sign_proof(self) -> str:
        """Return an empty PKCS #10 request as PEM: a proof of possession of this key."""
        builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
        signed = builder.sign(self._key, _HASHES[self._algorithm])
        return signed.public_bytes(serialization.Encoding.PEM).decode()

    def sign(self, data: bytes) -> bytes:
        """Return a signature with the hash that matches the key: PKCS #1 v1.5, DER-encoded ECDSA, or Ed25519."""
        digest = _HASHES[self._algorithm]
        if isinstance(self._key, ed25519.Ed25519PrivateKey) or digest is None:
            return self._key.sign(data)  # type: ignore[call-arg]
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(data, padding.PKCS1v15(), digest)
        return self._key.sign(data, ec.ECDSA(digest))

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey:
        """The public key."""
        return self._key.public_key()

    def sign_certificate(self, builder: x509.CertificateBuilder, wanted: str | None = None) -> x509.Certificate:
        """Sign a certificate with the wanted algorithm, by default with the hash that matches the key.

        Raises Rejected if the key does not support the algorithm.
        """
        if wanted is None:
            return builder.sign(self._key, _HASHES[self._algorithm])
        signs, _, digest = wanted.partition("-")
        if {"RSA": "RSA", "EC": "ECDSA"}.get(family(self._algorithm)) != signs:
            raise Rejected(f"unsupported signature algorithm {wanted}: the key is {self._algorithm}")
        return builder.sign(self._key, _DIGESTS[digest])

    def __repr__(self) -> str:
        fingerprint = base64.b64encode(hashlib.sha256(self.public_bytes()).digest()).decode()
        return f"<PrivateKey of public key SHA256:{fingerprint}>"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("private keys cannot be pickled")


def public_bytes(key: object) -> bytes:
    """Return any public key as DER SubjectPublicKeyInfo."""
    return key.public_bytes(  # type: ignore[attr-defined, no-any-return]
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def subject(attributes: Attributes) -> x509.Name:
    """Return the subject name (RFC 5280 §4.1.2.6); empty if only alternative names are requested."""
    return name_of(attributes)


def alternative_names(attributes: Attributes) -> x509.SubjectAlternativeName:
    """Return the subject alternative names; the extension must be critical if the subject is empty (§4.2.1.6)."""
    return x509.SubjectAlternativeName([name.general_name() for name in attributes.identifiers])
