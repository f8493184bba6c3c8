"""Keys that stay in KMS, posing as private keys: what builds certificates for `cryptography` signs with them."""

from __future__ import annotations

from typing import NoReturn, Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from evercert.authority.ca.leaf_fields import Hash
from evercert.errors import Misconfigured
from evercert.pki.algorithms import algorithm_of

PosingKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
HashAlgorithm = hashes.SHA256 | hashes.SHA384 | hashes.SHA512
_HASHES: dict[Hash, HashAlgorithm] = {"SHA256": hashes.SHA256(), "SHA384": hashes.SHA384(), "SHA512": hashes.SHA512()}
# KMS signs with one hash for each curve: the one that is as strong.
_OF_CURVES: dict[str, Hash] = {"secp256r1": "SHA256", "secp384r1": "SHA384", "secp521r1": "SHA512"}


class CAKeys(Protocol):
    """Keys that never leave KMS."""

    def sign(self, key: str, digest: bytes, algorithm: str) -> bytes:
        """`algorithm` in KMS's words: `ECDSA_SHA_256`, `RSASSA_PKCS1_V1_5_SHA_256`; ECDSA answers are DER."""

    def public_key(self, key: str) -> bytes:
        """DER SubjectPublicKeyInfo."""


def posing(keys: CAKeys, key: str, public_key: PublicKey) -> PosingKey:
    """The key of this ARN, whose public key is known, such as from its certificate; asks nobody."""
    if isinstance(public_key, rsa.RSAPublicKey):
        return PosingRSAKey(keys, key, public_key)
    return PosingECKey(keys, key, public_key)


def public_key_of(keys: CAKeys, key: str) -> PublicKey:
    """Asks KMS; raises Misconfigured for a key that signs no certificates."""
    try:
        found = serialization.load_der_public_key(keys.public_key(key))
    except (ValueError, UnsupportedAlgorithm):
        found = None
    if isinstance(found, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) and algorithm_of(found) is not None:
        return found
    raise Misconfigured(f"KMS key {key}: it is neither RSA with 2048 to 4096 bits nor EC on P-256, P-384 or P-521")


def hash_of(public_key: PublicKey, wanted: Hash | None = None) -> HashAlgorithm:
    """The hash that a key signs with: RSA keys with any, EC keys with that of their curve; raises ValueError."""
    if isinstance(public_key, rsa.RSAPublicKey):
        return _HASHES[wanted or "SHA256"]
    own = _OF_CURVES.get(public_key.curve.name)
    if own is None or wanted not in (None, own):
        raise ValueError(f"{wanted or 'no hash'}: KMS signs with {own or 'none'} for a key on this curve")
    return _HASHES[own]


class _Nothing:
    """What no key in KMS does for us."""

    def _never(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("a key in KMS signs, and does nothing else here")

    private_numbers = private_bytes = decrypt = exchange = __copy__ = __deepcopy__ = _never

    def __reduce__(self) -> NoReturn:
        self._never()


class PosingECKey(_Nothing, ec.EllipticCurvePrivateKey):
    """ECDSA; only the digest leaves the process, so that what is signed may have any length."""

    def __init__(self, keys: CAKeys, key: str, public_key: ec.EllipticCurvePublicKey) -> None:
        self._keys = keys
        self._key = key
        self._public_key = public_key

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """As it was given."""
        return self._public_key

    @property
    def curve(self) -> ec.EllipticCurve:
        """Of the public key."""
        return self._public_key.curve

    @property
    def key_size(self) -> int:
        """In bits."""
        return self._public_key.key_size

    def sign(
        self, data: bytes | bytearray | memoryview, signature_algorithm: ec.EllipticCurveSignatureAlgorithm
    ) -> bytes:
        """In DER, checked; raises Misconfigured when it was another key that signed."""
        algorithm = signature_algorithm.algorithm
        if not isinstance(algorithm, HashAlgorithm):
            raise TypeError("a key in KMS hashes by itself what it is given, with SHA-2")
        digest = _digest(data, algorithm)
        signature = self._keys.sign(self._key, digest, f"ECDSA_{_in_words(algorithm)}")
        try:
            self._public_key.verify(signature, digest, ec.ECDSA(Prehashed(algorithm)))
        except InvalidSignature as error:
            raise _other_key(self._key) from error
        return signature


class PosingRSAKey(_Nothing, rsa.RSAPrivateKey):
    """RSASSA-PKCS1-v1_5, which every verifier knows; only the digest leaves the process."""

    def __init__(self, keys: CAKeys, key: str, public_key: rsa.RSAPublicKey) -> None:
        self._keys = keys
        self._key = key
        self._public_key = public_key

    def public_key(self) -> rsa.RSAPublicKey:
        """As it was given."""
        return self._public_key

    @property
    def key_size(self) -> int:
        """In bits."""
        return self._public_key.key_size

    def sign(
        self, data: bytes | bytearray | memoryview, padding: padding.AsymmetricPadding, algorithm: object
    ) -> bytes:
        """Checked; raises Misconfigured when it was another key that signed."""
        if not isinstance(padding, _PKCS1v15) or not isinstance(algorithm, HashAlgorithm):
            raise TypeError("a key in KMS hashes by itself what it is given, with SHA-2, and pads by PKCS #1 v1.5")
        digest = _digest(data, algorithm)
        signature = self._keys.sign(self._key, digest, f"RSASSA_PKCS1_V1_5_{_in_words(algorithm)}")
        try:
            self._public_key.verify(signature, digest, padding, Prehashed(algorithm))
        except InvalidSignature as error:
            raise _other_key(self._key) from error
        return signature


_PKCS1v15 = padding.PKCS1v15  # the argument above has the module's name


def _digest(data: bytes | bytearray | memoryview, algorithm: HashAlgorithm) -> bytes:
    hashing = hashes.Hash(algorithm)
    hashing.update(data)
    return hashing.finalize()


def _in_words(algorithm: HashAlgorithm) -> str:
    """`SHA_256`, as KMS writes it."""
    return f"SHA_{algorithm.digest_size * 8}"


def _other_key(key: str) -> Misconfigured:
    return Misconfigured(
        f"KMS key {key}: what it signed does not fit the public key of the CA; is it the CA's own key?"
    )
