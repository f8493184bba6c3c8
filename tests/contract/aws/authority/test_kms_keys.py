"""Contract of CA keys: the adapter on the emulator's KMS and on the strict double."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from evercert.authority.ca.kms_key import public_key_of
from evercert.aws.authority.kms_keys import KMSKeys
from evercert.errors import Misconfigured
from tests.doubles.authority.kms import ALGORITHMS, StrictSigningKMS
from tests.doubles.world import World

SPECS = {
    "EC_prime256v1": "ECC_NIST_P256", "EC_secp384r1": "ECC_NIST_P384", "EC_secp521r1": "ECC_NIST_P521",
    "RSA_2048": "RSA_2048", "RSA_3072": "RSA_3072", "RSA_4096": "RSA_4096",
}  # fmt: skip
DIGESTS = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}
HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
EVERY = [(kind, word) for kind, words in ALGORITHMS.items() for word in words if "PSS" not in word]


class Kept:
    """A KMS client and the ways to create keys with it."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.keys = KMSKeys(client)

    def add(self, algorithm: str) -> str:
        if isinstance(self.client, StrictSigningKMS):
            return self.client.add(algorithm)
        return self.client.create_key(KeySpec=SPECS[algorithm], KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]

    def disable(self, arn: str) -> None:
        if isinstance(self.client, StrictSigningKMS):
            self.client.disabled.add(arn)
        else:
            self.client.disable_key(KeyId=arn)


@pytest.fixture(params=["strict", "kms"])
def kept(request: pytest.FixtureRequest) -> Kept:
    if request.param == "strict":
        return Kept(StrictSigningKMS())
    world: World = request.getfixturevalue("world")
    return Kept(world.operator.kms)


@pytest.mark.parametrize(("kind", "word"), EVERY)
def test_signature_verifies(kept: Kept, kind: str, word: str) -> None:
    arn = kept.add(kind)
    digest = DIGESTS[word[-3:]](b"message").digest()
    signature = kept.keys.sign(arn, digest, word)
    key: Any = public_key_of(kept.keys, arn)
    hashed = Prehashed(HASHES[word[-3:]])
    if kind.startswith("EC"):
        key.verify(signature, digest, ec.ECDSA(hashed))
    else:
        key.verify(signature, digest, padding.PKCS1v15(), hashed)


def test_public_key_is_der(kept: Kept) -> None:
    assert serialization.load_der_public_key(kept.keys.public_key(kept.add("EC_prime256v1"))).key_size == 256


@pytest.mark.parametrize("word", ["ECDSA_SHA_384", "RSASSA_PKCS1_V1_5_SHA_256"])
def test_other_algorithm_is_refused(kept: Kept, word: str) -> None:
    with pytest.raises(Misconfigured, match="cannot sign with KMS key"):
        kept.keys.sign(kept.add("EC_prime256v1"), DIGESTS[word[-3:]](b"").digest(), word)


def test_digest_of_another_length_is_refused(kept: Kept) -> None:
    with pytest.raises(Misconfigured, match="cannot sign with KMS key"):
        kept.keys.sign(kept.add("EC_prime256v1"), b"short", "ECDSA_SHA_256")


def test_disabled_key_signs_nothing(kept: Kept) -> None:
    arn = kept.add("EC_prime256v1")
    kept.disable(arn)
    with pytest.raises(Misconfigured, match="DisabledException"):
        kept.keys.sign(arn, hashlib.sha256().digest(), "ECDSA_SHA_256")


def test_missing_key_is_misconfigured(kept: Kept) -> None:
    arn = kept.add("EC_prime256v1").rpartition("/")[0] + "/99999999-0000-4000-8000-000000000000"
    with pytest.raises(Misconfigured, match="NotFoundException"):
        kept.keys.sign(arn, hashlib.sha256().digest(), "ECDSA_SHA_256")
    with pytest.raises(Misconfigured, match="cannot read the public key"):
        kept.keys.public_key(arn)


def test_strict_kms_refuses_long_messages() -> None:
    """The emulator accepts them."""
    kms = StrictSigningKMS()
    with pytest.raises(ClientError, match="too long"):
        kms.sign(
            KeyId=kms.add("RSA_2048"), Message=bytes(4_097), MessageType="RAW", SigningAlgorithm="RSASSA_PSS_SHA_256"
        )
