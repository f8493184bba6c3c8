"""Contract of account keys in KMS: the adapter on the emulator's KMS and on the strict double."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from evercert.acme import jws
from evercert.acme.jwk import to_jwk
from evercert.aws.kms_signer import KMSSigner
from evercert.errors import EvercertError, Misconfigured, Throttled, Unavailable
from tests.contract.aws.authority.test_kms_keys import SPECS
from tests.doubles.authority.kms import StrictSigningKMS
from tests.doubles.strict_aws import refuse

REMEDY = (
    "list the key, of the stack's region, in the stack's parameter AccountKeys, and allow the issuer in its key policy"
)
Add = Callable[[str], KMSSigner]


@pytest.fixture(params=["strict", "kms"])
def add(request: pytest.FixtureRequest) -> Add:
    """Return a function that makes a KMS key and its signer."""
    if request.param == "strict":
        strict: Any = StrictSigningKMS()
        return lambda algorithm: KMSSigner(strict, strict.add(algorithm))
    client = request.getfixturevalue("world").operator.kms

    def make(algorithm: str) -> KMSSigner:
        key = client.create_key(KeySpec=SPECS[algorithm], KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
        return KMSSigner(client, key)

    return make


@pytest.mark.parametrize(
    ("algorithm", "word"),
    [
        ("EC_prime256v1", "ES256"), ("EC_secp384r1", "ES384"), ("RSA_2048", "RS256"), ("RSA_3072", "RS256"),
        ("RSA_4096", "RS256"),
    ],
)  # fmt: skip
def test_kms_signer_makes_jws(add: Add, algorithm: str, word: str) -> None:
    signer = add(algorithm)
    message = jws.of_members(jws.signed(bytes(9_000), {"url": "https://ca.example/x"}, signer))
    assert message.protected["alg"] == word
    jws.verify(message, signer.public_key)


def test_kms_signer_reads_the_public_key_once(add: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    signer = add("EC_prime256v1")
    found = to_jwk(signer.public_key)
    monkeypatch.setattr(signer._client, "get_public_key", None)
    assert to_jwk(signer.public_key) == found
    assert signer.sign(b"data") and signer.sign(b"more")


def test_kms_key_on_another_curve_is_refused(add: Add) -> None:
    with pytest.raises(
        Misconfigured, match=r"unsupported KMS key arn:.*: use key spec ECC_NIST_P256, ECC_NIST_P384, RSA"
    ):
        _ = add("EC_secp521r1").public_key


def test_missing_kms_key_names_the_parameter(add: Add) -> None:
    signer = add("EC_prime256v1")
    signer._key = signer._key.rpartition("/")[0] + "/99999999-0000-4000-8000-000000000000"
    with pytest.raises(
        Misconfigured, match=r"^cannot read the public key of KMS key arn:.*NotFoundException"
    ) as raised:
        _ = signer.public_key
    assert str(raised.value).endswith(REMEDY)


def test_disabled_kms_key_names_the_parameter() -> None:
    kms: Any = StrictSigningKMS()
    signer = KMSSigner(kms, kms.add("EC_prime256v1"))
    assert signer.public_key
    kms.disabled.add(signer._key)
    with pytest.raises(Misconfigured, match=r"^cannot sign with KMS key arn:.*DisabledException") as raised:
        signer.sign(b"data")
    assert str(raised.value).endswith(REMEDY)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AccessDeniedException", Misconfigured), ("KMSInvalidStateException", Misconfigured),
        ("ThrottlingException", Throttled), ("KMSInternalException", Unavailable), ("ValidationException", Misconfigured),
    ],
)  # fmt: skip
def test_kms_signer_keeps_the_kind_of_an_error(code: str, kind: type[EvercertError]) -> None:
    def refused(**_: Any) -> Any:
        raise refuse(code, "GetPublicKey", "no")

    kms: Any = StrictSigningKMS()
    kms.get_public_key = refused
    with pytest.raises(kind, match=f"^cannot read the public key of KMS key a: {code}: no"):
        _ = KMSSigner(kms, "a").public_key


def test_strict_kms_signs_no_raw_message() -> None:
    kms = StrictSigningKMS()
    with pytest.raises((AssertionError, ClientError)):
        kms.sign(KeyId=kms.add("EC_prime256v1"), Message=b"m", MessageType="RAW", SigningAlgorithm="ECDSA_SHA_256")
