"""Tests of KMS keys as private keys: they only sign digests, and signatures are verified."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from evercert.authority.ca.kms_key import hash_of, kms_private_key, public_key_of
from evercert.aws.authority.kms_keys import KMSKeys
from evercert.errors import Misconfigured
from tests.doubles.authority.kms import StrictSigningKMS
from tests.samples.certificates import private_key

KINDS = ["EC_prime256v1", "EC_secp384r1", "EC_secp521r1", "RSA_2048"]


def make_key(kind: str) -> Any:
    kms = StrictSigningKMS()
    keys = KMSKeys(kms)
    arn = kms.add(kind)
    return kms_private_key(keys, arn, public_key_of(keys, arn))


@pytest.mark.parametrize("kind", KINDS)
def test_kms_key_signs_messages_of_any_length(kind: str) -> None:
    key, message = make_key(kind), bytes(1_000_000)
    algorithm = hash_of(key.public_key())
    if kind.startswith("EC"):
        key.public_key().verify(key.sign(message, ec.ECDSA(algorithm)), message, ec.ECDSA(algorithm))
        assert (key.key_size, key.curve.name) == (key.public_key().key_size, key.public_key().curve.name)
    else:
        signature = key.sign(message, padding.PKCS1v15(), algorithm)
        key.public_key().verify(signature, message, padding.PKCS1v15(), algorithm)
        assert key.key_size == 2048


@pytest.mark.parametrize("kind", ["EC_prime256v1", "RSA_2048"])
def test_kms_key_refuses_everything_but_signing(kind: str) -> None:
    key = make_key(kind)
    everything = [
        key.private_numbers,
        lambda: key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        lambda: copy.copy(key),
        lambda: copy.deepcopy(key),
        lambda: pickle.dumps(key),
        lambda: key.decrypt(b"", padding.PKCS1v15()),
        lambda: key.exchange(ec.ECDH(), key.public_key()),
    ]
    for use in everything:
        with pytest.raises(TypeError, match="a KMS key can only sign"):
            use()


@pytest.mark.parametrize("algorithm", [hashes.SHA1(), hashes.SHA3_256(), Prehashed(hashes.SHA256())])
def test_kms_key_requires_sha2_of_the_data(algorithm: Any) -> None:
    with pytest.raises(TypeError, match="unsupported signature algorithm"):
        make_key("EC_prime256v1").sign(b"x" * 32, ec.ECDSA(algorithm))
    with pytest.raises(TypeError, match="unsupported signature algorithm"):
        make_key("RSA_2048").sign(b"x" * 32, padding.PKCS1v15(), algorithm)


def test_kms_rsa_key_requires_pkcs1v15_padding() -> None:
    with pytest.raises(TypeError, match="PKCS #1"):
        make_key("RSA_2048").sign(b"x", padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())


@pytest.mark.parametrize("kind", ["EC_prime256v1", "RSA_2048"])
def test_kms_key_verifies_signatures(kind: str) -> None:
    kms = StrictSigningKMS()
    key: Any = kms_private_key(KMSKeys(kms), kms.add(kind), private_key(kind, 77).public_key())
    parameters = (ec.ECDSA(hashes.SHA256()),) if kind.startswith("EC") else (padding.PKCS1v15(), hashes.SHA256())
    with pytest.raises(Misconfigured, match="signature does not match the CA's public key"):
        key.sign(b"message", *parameters)


@pytest.mark.parametrize("kind", ["Ed25519", "EC_secp256k1", "RSA_1024"])
def test_public_key_of_refuses_unsupported_key(kind: str) -> None:
    class UnsupportedKeys:
        def public_key(self, _: str) -> bytes:
            return private_key(kind).public_key().public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )  # fmt: skip

    with pytest.raises(Misconfigured, match="must be RSA 2048, 3072 or 4096, or EC"):
        public_key_of(UnsupportedKeys(), "arn")


def test_hash_of_follows_the_curve() -> None:
    names = {kind: hash_of(private_key(kind).public_key()).name for kind in KINDS}
    assert list(names.values()) == ["sha256", "sha384", "sha512", "sha256"]
    assert hash_of(private_key("RSA_2048").public_key(), "SHA384").name == "sha384"
    with pytest.raises(ValueError, match="KMS supports SHA384"):
        hash_of(private_key("EC_secp384r1").public_key(), "SHA256")
