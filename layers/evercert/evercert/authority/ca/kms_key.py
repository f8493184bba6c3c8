"""KMS keys as private keys of `cryptography`, so that its certificate builders can sign with them."""

from __future__ import annotations

from typing import NoReturn, Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from evercert.authority.ca.leaf_fields import Hash
from evercert.errors import Misconfigured
from evercert.pki.algorithms import algorithm_of

CAPrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
HashAlgorithm = hashes.SHA256 | hashes.SHA384 | hashes.SHA512
_HASHES: dict[Hash, HashAlgorithm] = {"SHA256": hashes.SHA256(), "SHA384": hashes.SHA384(), "SHA512": hashes.SHA512()}
# KMS supports one hash for each curve, of equal strength.
_CURVE_HASHES: dict[str, Hash] = {"secp256r1": "SHA256", "secp384r1": "SHA384", "secp521r1": "SHA512"}


class CAKeys(Protocol):
    """Access to asymmetric keys in KMS."""

    def sign(self, key: str, digest: bytes, algorithm: str) -> bytes:
        """Sign a digest; ECDSA signatures are DER.

        `algorithm` is KMS's name: `ECDSA_SHA_256`, `RSASSA_PKCS1_V1_5_SHA_256`.
        """

    def public_key(self, key: str) -> bytes:
        """Return the DER SubjectPublicKeyInfo."""


def kms_private_key(keys: CAKeys, key: str, public_key: PublicKey) -> CAPrivateKey:
    """Return the KMS key with this ARN and known public key as a private key, without calling KMS."""
    if isinstance(public_key, rsa.RSAPublicKey):
        return KMSRSAKey(keys, key, public_key)
    return KMSEllipticCurveKey(keys, key, public_key)


def public_key_of(keys: CAKeys, key: str) -> PublicKey:
    """Fetch a public key from KMS; raises Misconfigured for a key that cannot sign certificates."""
    try:
        found = serialization.load_der_public_key(keys.public_key(key))
    except (ValueError, UnsupportedAlgorithm):
        found = None
    if isinstance(found, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) and algorithm_of(found) is not None:
        return found
    raise Misconfigured(f"unsupported KMS key {key}: must be RSA 2048, 3072 or 4096, or EC P-256, P-384 or P-521")


def hash_of(public_key: PublicKey, wanted: Hash | None = None) -> HashAlgorithm:
    """Return the hash to sign with: RSA keys support all, EC keys only that of their curve. Raises ValueError."""
    if isinstance(public_key, rsa.RSAPublicKey):
        return _HASHES[wanted or "SHA256"]
    own = _CURVE_HASHES.get(public_key.curve.name)
    if own is None or wanted not in (None, own):
        raise ValueError(f"{wanted or 'no hash'}: KMS supports {own or 'no hash'} for a key on this curve")
    return _HASHES[own]


class _SignOnly:
    """Raise TypeError for every operation of a private key other than signing."""

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("unsupported operation: a KMS key can only sign")

    private_numbers = private_bytes = decrypt = exchange = __copy__ = __deepcopy__ = _refuse

    def __reduce__(self) -> NoReturn:
        self._refuse()


class KMSEllipticCurveKey(_SignOnly, ec.EllipticCurvePrivateKey):
    """An EC key that signs with ECDSA; only the digest is sent to KMS, so the data may have any length."""

    def __init__(self, keys: CAKeys, key: str, public_key: ec.EllipticCurvePublicKey) -> None:
        self._keys = keys
        self._key = key
        self._public_key = public_key

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Return the public key."""
        return self._public_key

    @property
    def curve(self) -> ec.EllipticCurve:
        """Return the curve of the public key."""
        return self._public_key.curve

    @property
    def key_size(self) -> int:
        """Return the key's size in bits."""
        return self._public_key.key_size

    def sign(
        self, data: bytes | bytearray | memoryview, signature_algorithm: ec.EllipticCurveSignatureAlgorithm
    ) -> bytes:
        """Return a verified DER signature; raises Misconfigured if another key signed."""
        algorithm = signature_algorithm.algorithm
        if not isinstance(algorithm, HashAlgorithm):
            raise TypeError(
                "unsupported signature algorithm: a KMS key signs with SHA-2, and is given the data, not a digest"
            )
        digest = _digest(data, algorithm)
        signature = self._keys.sign(self._key, digest, f"ECDSA_{_kms_hash_name(algorithm)}")
        try:
            self._public_key.verify(signature, digest, ec.ECDSA(Prehashed(algorithm)))
        except InvalidSignature as error:
            raise _wrong_key(self._key) from error
        return signature


class KMSRSAKey(_SignOnly, rsa.RSAPrivateKey):
    """An RSA key that signs with RSASSA-PKCS1-v1_5, which every verifier supports; only the digest is sent to KMS."""

    def __init__(self, keys: CAKeys, key: str, public_key: rsa.RSAPublicKey) -> None:
        self._keys = keys
        self._key = key
        self._public_key = public_key

    def public_key(self) -> rsa.RSAPublicKey:
        """Return the public key."""
        return self._public_key

    @property
    def key_size(self) -> int:
        """Return the key's size in bits."""
        return self._public_key.key_size

    def sign(
        self, data: bytes | bytearray | memoryview, padding: padding.AsymmetricPadding, algorithm: object
    ) -> bytes:
        """Return a verified signature; raises Misconfigured if another key signed."""
        if not isinstance(padding, _PKCS1v15) or not isinstance(algorithm, HashAlgorithm):
            raise TypeError("unsupported signature algorithm: a KMS key signs data with SHA-2 and PKCS #1 v1.5 padding")
        digest = _digest(data, algorithm)
        signature = self._keys.sign(self._key, digest, f"RSASSA_PKCS1_V1_5_{_kms_hash_name(algorithm)}")
        try:
            self._public_key.verify(signature, digest, padding, Prehashed(algorithm))
        except InvalidSignature as error:
            raise _wrong_key(self._key) from error
        return signature


_PKCS1v15 = padding.PKCS1v15  # the parameter `padding` above shadows the module


def _digest(data: bytes | bytearray | memoryview, algorithm: HashAlgorithm) -> bytes:
    hashing = hashes.Hash(algorithm)
    hashing.update(data)
    return hashing.finalize()


def _kms_hash_name(algorithm: HashAlgorithm) -> str:
    """Return KMS's name of a hash, such as `SHA_256`."""
    return f"SHA_{algorithm.digest_size * 8}"


def _wrong_key(key: str) -> Misconfigured:
    return Misconfigured(
        f"KMS key {key}: signature does not match the CA's public key; check that it is the CA's own key"
    )
