"""KMS: private keys that the authority made, bound to stack and request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evercert.aws.kms import Sealing
from evercert.pki.keys import PrivateKey

if TYPE_CHECKING:
    from types_boto3_kms import KMSClient


class KMSKeySeal:
    """The authority's own seal key: no other function may use it."""

    def __init__(self, client: KMSClient, key_id: str, stack: str) -> None:
        self._sealing = Sealing(client, key_id)
        self._stack = stack

    def close(self, private_key: PrivateKey, request_id: str) -> str:
        """Base64 of the ciphertext."""
        return self._sealing.close(private_key, self._context(request_id))

    def open(self, sealed: str, request_id: str) -> PrivateKey:
        """What does not decrypt, or is no key, never will be: SealBroken."""
        broken = f"the sealed private key of request {request_id} does not open; renew its certificate with a new one"
        return self._sealing.open(sealed, self._context(request_id), broken)

    def _context(self, request_id: str) -> dict[str, str]:
        return {"evercert:stack": self._stack, "evercert:request": request_id}
