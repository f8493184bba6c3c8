"""An in-memory KMS with real keys that enforces rules the emulator does not; each rule names its source.

Sources: the API reference of KMS ("API"), and its developer guide, "Asymmetric key specs" ("specs").
"""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from tests.samples.certificates import private_key

ACCOUNT, REGION = "111122223333", "eu-central-1"
HASHES: dict[str, Any] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
# specs: one algorithm for each curve, six for RSA keys.
ALGORITHMS = {
    "EC_prime256v1": ("ECDSA_SHA_256",),
    "EC_secp384r1": ("ECDSA_SHA_384",),
    "EC_secp521r1": ("ECDSA_SHA_512",),
    **{
        f"RSA_{bits}": tuple(f"RSASSA_PKCS1_V1_5_SHA_{size}" for size in HASHES)
        + tuple(f"RSASSA_PSS_SHA_{size}" for size in HASHES)
        for bits in (2048, 3072, 4096)
    },
}


class StrictSigningKMS:
    """The Sign and GetPublicKey calls of the KMS client; tests use `add`, `disabled` and `calls`."""

    def __init__(self) -> None:
        self.keys: dict[str, tuple[str, Any]] = {}
        self.disabled: set[str] = set()
        self.calls: list[tuple[str, str]] = []

    def add(self, algorithm: str, number: int = 0) -> str:
        """Add a key and return its ARN; same algorithm and number give the same key pair, as RSA keys are slow."""
        arn = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{len(self.keys):08d}-0000-4000-8000-000000000000"
        self.keys[arn] = (algorithm, private_key(algorithm, 9_000 + number))
        return arn

    def sign(self, *, KeyId: str, Message: bytes, MessageType: str, SigningAlgorithm: str) -> dict[str, Any]:
        algorithm, key = self._usable(KeyId, "Sign")
        if SigningAlgorithm not in ALGORITHMS[algorithm]:  # API, Sign: InvalidKeyUsageException
            raise _refuse("InvalidKeyUsageException", "Sign", f"{SigningAlgorithm} is not valid for this key")
        algorithm_of_hash = HASHES[SigningAlgorithm[-3:]]
        if MessageType != "DIGEST":  # API, Sign: RAW messages of up to 4,096 bytes
            if not 1 <= len(Message) <= 4_096:
                raise _refuse("ValidationException", "Sign", "the message is too long")
            raise AssertionError("the authority signs digests only")
        if len(Message) != algorithm_of_hash.digest_size:  # API, Sign: the length has to be the hash's
            raise _refuse("ValidationException", "Sign", "Digest is invalid length for the algorithm")
        hashed = Prehashed(algorithm_of_hash)
        self.calls.append((KeyId, SigningAlgorithm))
        if SigningAlgorithm.startswith("ECDSA"):
            return {"KeyId": KeyId, "Signature": key.sign(Message, ec.ECDSA(hashed))}
        pads = padding.PKCS1v15() if "PKCS1" in SigningAlgorithm else _pss(algorithm_of_hash)
        return {"KeyId": KeyId, "Signature": key.sign(Message, pads, hashed)}

    def get_public_key(self, *, KeyId: str) -> dict[str, Any]:
        _, key = self._usable(KeyId, "GetPublicKey")
        der = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return {"KeyId": KeyId, "PublicKey": der, "KeyUsage": "SIGN_VERIFY"}

    def _usable(self, key_id: str, operation: str) -> tuple[str, Any]:
        if key_id not in self.keys:  # API: NotFoundException
            raise _refuse("NotFoundException", operation, f"Key '{key_id}' does not exist")
        if key_id in self.disabled:  # API: DisabledException
            raise _refuse("DisabledException", operation, f"{key_id} is disabled.")
        return self.keys[key_id]


def _pss(algorithm: Any) -> padding.PSS:
    return padding.PSS(padding.MGF1(algorithm), algorithm.digest_size)


def _refuse(code: str, operation: str, message: str) -> ClientError:
    error = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    return ClientError(error, operation)  # type: ignore[arg-type]
