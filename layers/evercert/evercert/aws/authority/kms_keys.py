"""KMS: CA keys, which sign digests and show their public half."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from evercert.aws.clients import translated
from evercert.errors import Misconfigured, Rejected

if TYPE_CHECKING:
    from types_boto3_kms import KMSClient
    from types_boto3_kms.literals import SigningAlgorithmSpecType


class KMSKeys:
    """Raises Unavailable, or Misconfigured for a key that is disabled, gone, closed to us or of another kind."""

    def __init__(self, client: KMSClient) -> None:
        self._client = client

    def sign(self, key: str, digest: bytes, algorithm: str) -> bytes:
        """Never a message: KMS would take 4,096 bytes of one, and a hundred names are more."""
        try:
            with translated(f"sign with KMS key {key}"):
                answer = self._client.sign(
                    KeyId=key,
                    Message=digest,
                    MessageType="DIGEST",
                    SigningAlgorithm=cast("SigningAlgorithmSpecType", algorithm),
                )
        except Rejected as error:
            raise Misconfigured(str(error)) from error  # the digest is ours: it is the key that is of another kind
        return answer["Signature"]

    def public_key(self, key: str) -> bytes:
        """DER SubjectPublicKeyInfo."""
        try:
            with translated(f"read the public key of KMS key {key}"):
                return self._client.get_public_key(KeyId=key)["PublicKey"]
        except Rejected as error:
            raise Misconfigured(str(error)) from error
