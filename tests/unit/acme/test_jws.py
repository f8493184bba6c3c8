"""Signed requests: examples of the RFCs, round trips with each algorithm, and messages that evercert refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from evercert.acme import base64url, jws
from evercert.acme.jwk import PublicKey, from_jwk
from evercert.pki.keys import PrivateKey
from tests.samples import acme
from tests.samples.certificates import private_key

ALGORITHMS = {
    "RS256": "RSA_2048",
    "ES256": "EC_prime256v1",
    "ES384": "EC_secp384r1",
    "EdDSA": "Ed25519",
}
SIZES = {"RS256": 256, "ES256": 64, "ES384": 96, "EdDSA": 64}
HEADER = {"nonce": "n", "url": "https://acme.example/new-order", "kid": "https://acme.example/acct/1"}


@cache
def signer(algorithm: str) -> PrivateKey:
    return PrivateKey(private_key(ALGORITHMS[algorithm], 70))


def signed(algorithm: str, payload: bytes = b'{"a": 1}') -> jws.Message:
    return jws.parse(jws.sign(payload, HEADER, signer(algorithm)))


def encoded(value: object) -> str:
    return base64url.encode(json.dumps(value).encode())


def members(**changes: Any) -> dict[str, Any]:
    """Return the example of RFC 7515 with other members; those that are None are missing."""
    return {name: value for name, value in {**acme.EC_EXAMPLE, **changes}.items() if value is not None}


def raw(der: bytes) -> bytes:
    return b"".join(part.to_bytes(32, "big") for part in decode_dss_signature(der))


def halves_of_another_size(signature: bytes) -> bytes:
    size = len(signature) // 2
    return b"".join(b"\0" * 16 + half for half in (signature[:size], signature[size:]))


# -- examples of RFCs -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("example", "jwk"),
    [
        pytest.param(acme.RSA_EXAMPLE, acme.RSA_KEY, id="RFC 7515 A.2 RS256"),
        pytest.param(acme.EC_EXAMPLE, acme.EC_KEY, id="RFC 7515 A.3 ES256"),
        pytest.param(acme.ED25519_EXAMPLE, acme.ED25519_KEY, id="RFC 8037 A.4 EdDSA"),
    ],
)
class TestExamples:
    def test_verify_accepts_examples_of_rfcs(self, example: dict[str, str], jwk: dict[str, str]) -> None:
        message = jws.parse(json.dumps(example))
        jws.verify(message, from_jwk(jwk))
        assert message.payload == base64url.decode(example["payload"])

    def test_verify_refuses_a_changed_payload(self, example: dict[str, str], jwk: dict[str, str]) -> None:
        changed = {**example, "payload": base64url.encode(b"other")}
        with pytest.raises(ValueError, match="does not verify"):
            jws.verify(jws.of_members(changed), from_jwk(jwk))

    def test_verify_refuses_a_changed_header(self, example: dict[str, str], jwk: dict[str, str]) -> None:
        header = json.loads(base64url.decode(example["protected"]))
        changed = {**example, "protected": encoded({**header, "kid": "other"})}
        with pytest.raises(ValueError, match="does not verify"):
            jws.verify(jws.of_members(changed), from_jwk(jwk))

    def test_verify_refuses_each_changed_octet(self, example: dict[str, str], jwk: dict[str, str]) -> None:
        message, key = jws.of_members(example), from_jwk(jwk)
        for place in range(0, len(message.signature), 7):
            changed = bytearray(message.signature)
            changed[place] ^= 1
            with pytest.raises(ValueError, match="does not verify"):
                jws.verify(replace(message, signature=bytes(changed)), key)


# -- round trips ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_verify_accepts_signed_messages(algorithm: str) -> None:
    message = signed(algorithm)
    jws.verify(message, signer(algorithm).public_key)
    assert message.protected == {"alg": algorithm, **HEADER}
    assert message.payload == b'{"a": 1}'
    assert len(message.signature) == SIZES[algorithm]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_sign_accepts_an_empty_payload(algorithm: str) -> None:
    text = jws.sign(b"", HEADER, signer(algorithm))
    assert json.loads(text)["payload"] == ""  # a POST-as-GET (RFC 8555 §6.3)
    jws.verify(jws.parse(text), signer(algorithm).public_key)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_sign_writes_only_the_members_of_rfc_8555(algorithm: str) -> None:
    assert json.loads(jws.sign(b"x", HEADER, signer(algorithm))).keys() == {"protected", "payload", "signature"}


@pytest.mark.parametrize("algorithm", ["ES256", "ES384"])
def test_sign_pads_both_halves_of_a_signature(algorithm: str) -> None:
    """One in 128 signatures has a half that starts with a zero octet; a DER integer has no such octets."""
    halves = {len(signed(algorithm, str(number).encode()).signature) for number in range(300)}
    assert halves == {SIZES[algorithm]}


def test_message_never_prints_its_signature() -> None:
    message = signed("ES256")
    assert repr(message.signature) not in repr(message)
    assert base64url.encode(message.signature) not in repr(message)


@pytest.mark.parametrize(
    ("key", "expected"),
    [pytest.param(name, algorithm, id=name) for algorithm, name in ALGORITHMS.items()]
    + [pytest.param("RSA_4096", "RS256", id="RSA_4096")],
)
def test_algorithm_of_a_key(key: str, expected: str) -> None:
    assert jws.algorithm_of(private_key(key).public_key()) == expected


@pytest.mark.parametrize(
    "curve", [pytest.param(ec.SECP521R1(), id="P-521"), pytest.param(ec.SECP256K1(), id="secp256k1")]
)
def test_algorithm_of_refuses_other_curves(curve: ec.EllipticCurve) -> None:
    with pytest.raises(ValueError, match=f"unsupported curve {curve.name}"):
        jws.algorithm_of(ec.generate_private_key(curve).public_key())


# -- parse ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("found", "why"),
    [
        pytest.param(members(header={"kid": "1"}), "one signature", id="unprotected header"),
        pytest.param(members(header={}), "one signature", id="empty unprotected header"),
        pytest.param({"payload": "", "signatures": [acme.EC_EXAMPLE]}, "one signature", id="general form"),
        pytest.param(members(signatures=[]), "one signature", id="both forms"),
        pytest.param([acme.EC_EXAMPLE], "one signature", id="list"),
        pytest.param(".".join(acme.EC_EXAMPLE.values()), "one signature", id="compact form"),
        pytest.param(None, "one signature", id="null"),
        pytest.param(members(protected=None), "needs the members", id="without protected header"),
        pytest.param(members(payload=None), "needs the members", id="without payload"),
        pytest.param(members(signature=None), "needs the members", id="without signature"),
        pytest.param(members(payload={"a": 1}), "needs the members", id="payload as object"),
        pytest.param(members(signature=5), "needs the members", id="signature as number"),
        pytest.param(members(protected="eyJhbGciOiJFUzI1NiJ9="), "base64url", id="padded header"),
        pytest.param(members(payload="YQ=="), "base64url", id="padded payload"),
        pytest.param(members(signature=acme.EC_EXAMPLE["signature"] + "=="), "base64url", id="padded signature"),
        pytest.param(members(signature="ab+/"), "base64url", id="ordinary Base64"),
        pytest.param(members(protected=encoded({"alg": "ES256", "crit": ["exp"], "exp": 1})), "extensions", id="crit"),
        pytest.param(members(protected=encoded({"alg": "ES256", "crit": []})), "extensions", id="empty crit"),
        pytest.param(members(protected=encoded({"alg": "ES256", "b64": False})), "extensions", id="b64 false"),
        pytest.param(members(protected=encoded({"alg": "ES256", "b64": True})), "extensions", id="b64 true"),
        pytest.param(members(protected=encoded(["alg"])), "not an object", id="header as list"),
        pytest.param(members(protected=encoded("b64")), "not an object", id="header as text"),
        pytest.param(members(protected=""), "Expecting value", id="empty header"),
        pytest.param(members(protected=base64url.encode(b"\xff{}")), "decode", id="header not UTF-8"),
        pytest.param(members(protected=base64url.encode(b"[" * 5_000)), "nested", id="deep header"),
    ],
)
def test_parse_refuses_other_forms(found: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        jws.parse(json.dumps(found))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>", id="HTML"),
        pytest.param(b"\xff\xfe", id="not UTF-8"),
        pytest.param(b'{"protected": NaN}', id="NaN"),
    ],
)
def test_parse_refuses_bytes_that_are_not_json(text: bytes) -> None:
    with pytest.raises(ValueError):
        jws.parse(text)


def test_parse_keeps_the_signed_text() -> None:
    """A header that is encoded again could differ from that which was signed."""
    header = base64url.encode(b'{ "alg" : "ES256" }')
    assert jws.of_members(members(protected=header)).signing_input == f"{header}.{acme.PAYLOAD}".encode()


# -- verify -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "alg",
    [
        pytest.param(alg, id=str(alg))
        for alg in ("none", "None", "", "HS256", "RS256", "ES384", "ES512", "PS256", "es256", None, 5, ["ES256"])
    ],
)
def test_verify_refuses_another_algorithm(alg: object) -> None:
    """The signature is valid: only the name of the algorithm is wrong."""
    message = jws.parse(jws.sign(b"{}", {**HEADER, "alg": alg}, signer("ES256")))
    assert message.protected["alg"] == alg
    with pytest.raises(ValueError, match=r"^alg must be ES256 for this key$"):
        jws.verify(message, signer("ES256").public_key)


def test_verify_refuses_a_message_without_algorithm() -> None:
    found = jws.flattened(b"{}", HEADER, lambda data: raw(signer("ES256").sign(data)))
    with pytest.raises(ValueError, match=r"^alg must be ES256 for this key$"):
        jws.verify(jws.of_members(found), signer("ES256").public_key)


def test_verify_refuses_an_unsigned_message() -> None:
    message = jws.of_members({"protected": encoded({"alg": "none"}), "payload": "", "signature": ""})
    for algorithm in ALGORITHMS:
        with pytest.raises(ValueError, match=f"^alg must be {algorithm} for this key$"):
            jws.verify(message, signer(algorithm).public_key)


@pytest.mark.parametrize(
    ("algorithm", "other"),
    [
        pytest.param(algorithm, other, id=f"{algorithm} by {other}")
        for algorithm in ALGORITHMS
        for other in ALGORITHMS
        if algorithm != other
    ],
)
def test_verify_refuses_the_algorithm_of_another_key(algorithm: str, other: str) -> None:
    with pytest.raises(ValueError, match=f"^alg must be {other} for this key$"):
        jws.verify(signed(algorithm), signer(other).public_key)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_verify_refuses_another_key_of_the_same_type(algorithm: str) -> None:
    other: PublicKey = private_key(ALGORITHMS[algorithm], 71).public_key()
    with pytest.raises(ValueError, match=r"^the signature does not verify$"):
        jws.verify(signed(algorithm), other)


@pytest.mark.parametrize("algorithm", ["ES256", "ES384"])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda signature: signature[:-1], id="one octet less"),
        pytest.param(lambda signature: signature + b"\0", id="one octet more"),
        pytest.param(lambda signature: b"\0" + signature, id="zero octet before"),
        pytest.param(lambda signature: signature[: len(signature) // 2], id="one half"),
        pytest.param(lambda signature: b"", id="empty"),
        pytest.param(halves_of_another_size, id="longer halves"),
    ],
)
def test_verify_refuses_another_length(algorithm: str, change: Any) -> None:
    message = signed(algorithm)
    with pytest.raises(ValueError, match="another length"):
        jws.verify(replace(message, signature=change(message.signature)), signer(algorithm).public_key)


@pytest.mark.parametrize("algorithm", ["RS256", "EdDSA"])
def test_verify_refuses_a_shortened_signature(algorithm: str) -> None:
    message = signed(algorithm)
    for signature in (message.signature[:-1], message.signature + b"\0", b""):
        with pytest.raises(ValueError, match="does not verify"):
            jws.verify(replace(message, signature=signature), signer(algorithm).public_key)


@pytest.mark.parametrize("algorithm", ["ES256", "ES384"])
def test_verify_refuses_a_der_signature(algorithm: str) -> None:
    """RFC 7518 §3.4: the halves follow each other; DER is for certificates."""
    found = jws.flattened(b"{}", {"alg": algorithm}, signer(algorithm).sign)
    with pytest.raises(ValueError, match="another length"):
        jws.verify(jws.of_members(found), signer(algorithm).public_key)


@pytest.mark.parametrize(
    "half",
    [
        pytest.param(b"\0" * 32, id="zero"),
        pytest.param(b"\xff" * 32, id="above the order"),
    ],
)
def test_verify_refuses_impossible_halves(half: bytes) -> None:
    message = signed("ES256")
    for signature in (half + half, half + message.signature[32:], message.signature[:32] + half):
        with pytest.raises(ValueError, match="does not verify"):
            jws.verify(replace(message, signature=signature), signer("ES256").public_key)
