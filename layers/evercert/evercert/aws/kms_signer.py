"""KMS: account keys that never leave it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from evercert.acme.jwk import PublicKey, to_jwk
from evercert.acme.jws import algorithm_of
from evercert.aws.clients import translated
from evercert.errors import Misconfigured, Rejected

if TYPE_CHECKING:
    from types_boto3_kms import KMSClient
    from types_boto3_kms.literals import SigningAlgorithmSpecType

# KMS signs at most 4,096 bytes of a message, so it gets digests.
_ALGORITHMS: dict[str, tuple[SigningAlgorithmSpecType, Callable[[bytes], Any]]] = {
    "ES256": ("ECDSA_SHA_256", hashlib.sha256),
    "ES384": ("ECDSA_SHA_384", hashlib.sha384),
    "RS256": ("RSASSA_PKCS1_V1_5_SHA_256", hashlib.sha256),
}


class KMSSigner:
    """The protocol Signer of `acme.jws` with one KMS key; reads the public key once."""

    def __init__(self, client: KMSClient, key: str) -> None:
        self._client = client
        self._key = key

    @cached_property
    def public_key(self) -> PublicKey:
        """The public key; raises Misconfigured for a key that signs none of the JWS algorithms."""
        with self._explained("read the public key of"):
            der = self._client.get_public_key(KeyId=self._key)["PublicKey"]
        try:
            found: Any = serialization.load_der_public_key(der)
            to_jwk(found)
            _ALGORITHMS[algorithm_of(found)]
        except (ValueError, UnsupportedAlgorithm, KeyError, AttributeError):
            raise Misconfigured(
                f"unsupported KMS key {self._key}: use key spec ECC_NIST_P256, ECC_NIST_P384, RSA_2048, RSA_3072 or "
                "RSA_4096, with key usage SIGN_VERIFY"
            ) from None
        return found  # type: ignore[no-any-return]

    def sign(self, data: bytes) -> bytes:
        """Sign with the hash of `algorithm_of`; ECDSA signatures are DER."""
        algorithm, digest = _ALGORITHMS[algorithm_of(self.public_key)]
        with self._explained("sign with"):
            answer = self._client.sign(
                KeyId=self._key,
                Message=digest(data).digest(),
                MessageType="DIGEST",
                SigningAlgorithm=algorithm,
            )
        return answer["Signature"]

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        try:
            with translated(f"{doing} KMS key {self._key}"):
                yield
        except (Misconfigured, Rejected) as error:  # the digest is correct, so the key is not
            raise Misconfigured(
                f"{error}; list the key, of the stack's region, in the stack's parameter AccountKeys, and allow the "
                "issuer in its key policy"
            ) from error
