"""KMS: sign digests with CA keys and read their public keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from evercert.aws.clients import translated
from evercert.errors import Misconfigured, Rejected

if TYPE_CHECKING:
    from types_boto3_kms import KMSClient
    from types_boto3_kms.literals import SigningAlgorithmSpecType


class KMSKeys:
    """Port CAKeys; raises Unavailable, or Misconfigured for a disabled, missing, forbidden or unsuitable key."""

    def __init__(self, client: KMSClient) -> None:
        self._client = client

    def sign(self, key: str, digest: bytes, algorithm: str) -> bytes:
        """Sign a digest, because KMS accepts only 4,096 bytes of a message."""
        try:
            with translated(f"sign with KMS key {key}"):
                answer = self._client.sign(
                    KeyId=key,
                    Message=digest,
                    MessageType="DIGEST",
                    SigningAlgorithm=cast("SigningAlgorithmSpecType", algorithm),
                )
        except Rejected as error:
            raise Misconfigured(str(error)) from error  # the digest is correct, so the key has another type
        return answer["Signature"]

    def public_key(self, key: str) -> bytes:
        """Return the DER SubjectPublicKeyInfo."""
        try:
            with translated(f"read the public key of KMS key {key}"):
                return self._client.get_public_key(KeyId=key)["PublicKey"]
        except Rejected as error:
            raise Misconfigured(str(error)) from error
