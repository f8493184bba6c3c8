"""Keys in KMS do one thing: they sign digests, and what they signed is looked at."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from evercert.authority.ca.kms_key import hash_of, posing, public_key_of
from evercert.aws.authority.kms_keys import KMSKeys
from evercert.errors import Misconfigured
from tests.doubles.authority.kms import StrictSigningKMS
from tests.samples.certificates import private_key

KINDS = ["EC_prime256v1", "EC_secp384r1", "EC_secp521r1", "RSA_2048"]


def posed(kind: str) -> Any:
    kms = StrictSigningKMS()
    keys = KMSKeys(kms)
    arn = kms.add(kind)
    return posing(keys, arn, public_key_of(keys, arn))


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_of_any_length_is_signed_by_its_digest(kind: str) -> None:
    key, message = posed(kind), bytes(1_000_000)
    algorithm = hash_of(key.public_key())
    if kind.startswith("EC"):
        key.public_key().verify(key.sign(message, ec.ECDSA(algorithm)), message, ec.ECDSA(algorithm))
        assert (key.key_size, key.curve.name) == (key.public_key().key_size, key.public_key().curve.name)
    else:
        signature = key.sign(message, padding.PKCS1v15(), algorithm)
        key.public_key().verify(signature, message, padding.PKCS1v15(), algorithm)
        assert key.key_size == 2048


@pytest.mark.parametrize("kind", ["EC_prime256v1", "RSA_2048"])
def test_it_does_nothing_else(kind: str) -> None:
    key = posed(kind)
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
        with pytest.raises(TypeError, match="a key in KMS signs, and does nothing else here"):
            use()


@pytest.mark.parametrize("algorithm", [hashes.SHA1(), hashes.SHA3_256(), Prehashed(hashes.SHA256())])
def test_it_hashes_with_sha_2_by_itself(algorithm: Any) -> None:
    with pytest.raises(TypeError, match="hashes by itself"):
        posed("EC_prime256v1").sign(b"x" * 32, ec.ECDSA(algorithm))
    with pytest.raises(TypeError, match="hashes by itself"):
        posed("RSA_2048").sign(b"x" * 32, padding.PKCS1v15(), algorithm)


def test_rsa_pads_as_certificates_do() -> None:
    with pytest.raises(TypeError, match="PKCS #1"):
        posed("RSA_2048").sign(b"x", padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())


@pytest.mark.parametrize("kind", ["EC_prime256v1", "RSA_2048"])
def test_what_another_key_signed_is_not_handed_on(kind: str) -> None:
    kms = StrictSigningKMS()
    key: Any = posing(KMSKeys(kms), kms.add(kind), private_key(kind, 77).public_key())
    how = (ec.ECDSA(hashes.SHA256()),) if kind.startswith("EC") else (padding.PKCS1v15(), hashes.SHA256())
    with pytest.raises(Misconfigured, match="does not fit the public key of the CA"):
        key.sign(b"message", *how)


@pytest.mark.parametrize("kind", ["Ed25519", "EC_secp256k1", "RSA_1024"])
def test_a_key_that_signs_no_certificates_is_for_a_person(kind: str) -> None:
    class Odd:
        def public_key(self, _: str) -> bytes:
            return private_key(kind).public_key().public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )  # fmt: skip

    with pytest.raises(Misconfigured, match="neither RSA with 2048"):
        public_key_of(Odd(), "arn")


def test_the_hash_is_that_of_the_curve() -> None:
    names = {kind: hash_of(private_key(kind).public_key()).name for kind in KINDS}
    assert list(names.values()) == ["sha256", "sha384", "sha512", "sha256"]
    assert hash_of(private_key("RSA_2048").public_key(), "SHA384").name == "sha384"
    with pytest.raises(ValueError, match="KMS signs with SHA384"):
        hash_of(private_key("EC_secp384r1").public_key(), "SHA256")
