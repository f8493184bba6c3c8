"""KMS: seal private keys during an issuance, bound to stack, certificate and revision."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from evercert.aws.clients import code, translated
from evercert.errors import Rejected, SealBroken
from evercert.pki.keys import SEALABLE_BYTES, PrivateKey

if TYPE_CHECKING:
    from types_boto3_kms import KMSClient


class Sealing:
    """A KMS key that encrypts private keys; decryption needs the same encryption context."""

    def __init__(self, client: KMSClient, key_id: str) -> None:
        self._client = client
        self._key_id = key_id

    def close(self, private_key: PrivateKey, context: dict[str, str]) -> str:
        """Return the ciphertext as Base64."""
        der = private_key.der()
        if len(der) > SEALABLE_BYTES:
            raise Rejected(f"a private key of {len(der)} bytes is too large: KMS encrypts at most {SEALABLE_BYTES}")
        return self.close_bytes(der, context, "a private key")

    def open(self, sealed: str, context: dict[str, str], broken: str) -> PrivateKey:
        """Decrypt a private key. Raises SealBroken with the message `broken` if that can never succeed."""
        try:
            return PrivateKey.from_der(self.open_bytes(sealed, context, broken, "private key"))
        except ValueError as error:
            raise SealBroken(broken) from error

    def close_bytes(self, secret: bytes, context: dict[str, str], what: str) -> str:
        """Return the ciphertext of a short secret as Base64; `what` names it in errors."""
        with translated(f"seal {what}"):
            answer = self._client.encrypt(KeyId=self._key_id, Plaintext=secret, EncryptionContext=context)
        return base64.b64encode(answer["CiphertextBlob"]).decode()

    def open_bytes(self, sealed: str, context: dict[str, str], broken: str, what: str) -> bytes:
        """Decrypt a short secret. Raises SealBroken with the message `broken` if that can never succeed."""
        try:
            with translated(f"open a sealed {what}"):
                return self._decrypt(base64.b64decode(sealed, validate=True), context)
        except (_Invalid, binascii.Error, ValueError) as error:
            raise SealBroken(broken) from error

    def _decrypt(self, ciphertext: bytes, context: dict[str, str]) -> bytes:
        try:
            return self._client.decrypt(KeyId=self._key_id, CiphertextBlob=ciphertext, EncryptionContext=context)[
                "Plaintext"
            ]
        except ClientError as error:
            if code(error) in {"InvalidCiphertextException", "IncorrectKeyException"}:
                raise _Invalid from None
            raise


class KMSSeal:
    """Seal of one stack: the port Seal on KMS."""

    def __init__(self, client: KMSClient, key_id: str, stack: str) -> None:
        self._sealing = Sealing(client, key_id)
        self._stack = stack

    def close(self, private_key: PrivateKey, uid: str, revision: int) -> str:
        """Return the ciphertext as Base64."""
        return self._sealing.close(private_key, self._context(uid, revision))

    def open(self, sealed: str, uid: str, revision: int) -> PrivateKey:
        """Decrypt a private key. Raises SealBroken if that can never succeed."""
        broken = f"the sealed private key of revision {revision} does not open; a new one will be made"
        return self._sealing.open(sealed, self._context(uid, revision), broken)

    def _context(self, uid: str, revision: int) -> dict[str, str]:
        return {"evercert:stack": self._stack, "evercert:uid": uid, "evercert:revision": str(revision)}


class _Invalid(Exception):
    pass
