"""KMS: seal private keys that the authority generated, bound to stack and request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evercert.aws.kms import Sealing
from evercert.pki.keys import PrivateKey

if TYPE_CHECKING:
    from types_boto3_kms import KMSClient


class KMSKeySeal:
    """Seal key of the authority, which no other function may use."""

    def __init__(self, client: KMSClient, key_id: str, stack: str) -> None:
        self._sealing = Sealing(client, key_id)
        self._stack = stack

    def close(self, private_key: PrivateKey, request_id: str) -> str:
        """Return the ciphertext as Base64."""
        return self._sealing.close(private_key, self._context(request_id))

    def open(self, sealed: str, request_id: str) -> PrivateKey:
        """Return the private key; raise SealBroken if it does not decrypt or is invalid."""
        broken = f"the sealed private key of request {request_id} does not open; renew its certificate with a new one"
        return self._sealing.open(sealed, self._context(request_id), broken)

    def _context(self, request_id: str) -> dict[str, str]:
        return {"evercert:stack": self._stack, "evercert:request": request_id}
