"""Odd certification requests: validly signed ones with strange contents, and bytes that are not a request."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from cryptography.hazmat.primitives import serialization

from tests.fuzz.changes import mutated
from tests.fuzz.der_changes import changed_der
from tests.samples import requests as raw
from tests.samples.certificates import private_key

NAMES = (
    "evil.net",
    "*.example.com",
    "www.example.com\0.evil.net",
    "www.example.com.",
    "",
    "-",
    "*",
    "a" * 300,
    "10.0.0.1",
)
OTHER_NAMES = [
    raw.tlv(0x81, b"root@example.com"), raw.tlv(0x86, b"https://evil.net/"), raw.tlv(0x86, b"spiffe://example.com/x"),
    raw.tlv(0x87, bytes(4)), raw.tlv(0x87, bytes(16)), raw.tlv(0x87, bytes(5)), raw.tlv(0x87), raw.tlv(0x82),
    raw.tlv(0x82, b"w\xff.example.com"), raw.tlv(0xA4, raw.name([(raw.CN, raw.UTF8, b"evil.net")])), raw.tlv(0x88, b"\x2a"),
    raw.tlv(0xA0, raw.identifier("1.3.6.1.4.1.311.20.2.3"), raw.tlv(0xA0, raw.tlv(raw.UTF8, b"admin@example.com"))),
    raw.tlv(0xA3), raw.tlv(0xA5), raw.tlv(0x02, b"\1"), raw.tlv(0xA2, raw.tlv(0x16, b"www.example.com")),
]  # fmt: skip
EXTENSIONS = [
    raw.extension("2.5.29.19", bytes.fromhex("30060101ff020103"), critical=True),  # a CA
    raw.extension("2.5.29.19", bytes.fromhex("3000")),
    raw.extension(raw.KEY_USAGE, bytes.fromhex("03020106"), critical=True),  # certificates and CRLs
    raw.extension(raw.KEY_USAGE, bytes.fromhex("030100")), raw.extension(raw.KEY_USAGE, b"\x03\x00"),
    raw.extension("2.5.29.37", bytes.fromhex("300606042a5525 00".replace(" ", ""))),  # any purpose, and broken
    raw.extension("2.5.29.37", raw.sequence(raw.identifier("2.5.29.37.0"))),
    raw.extension("2.5.29.37", raw.sequence(raw.identifier("1.3.6.1.5.5.7.3.9"))),  # OCSP
    raw.extension("2.5.29.37", raw.sequence(raw.identifier("1.3.6.1.5.5.7.3.3"), raw.identifier("1.3.6.1.5.5.7.3.1"))),
    raw.extension("2.5.29.30", raw.sequence(raw.tlv(0xA0, raw.sequence(raw.tlv(0x82, b"evil.net")))), critical=True),
    raw.extension("2.5.29.32", raw.sequence(raw.sequence(raw.identifier("2.5.29.32.0")))),
    raw.extension("2.5.29.31", raw.sequence()), raw.extension("2.5.29.14", raw.tlv(0x04, bytes(20))),
    raw.extension(raw.TLS_FEATURE, bytes.fromhex("3003020105")), raw.extension("1.2.3.4", b"\xff" * 40, critical=True),
    raw.extension("1.3.6.1.4.1.11129.2.4.3", b"\x05\x00", critical=True), raw.extension(raw.SAN, b""),
    raw.extension(raw.SAN, raw.sequence()), raw.extension(raw.SAN, raw.tlv(0x31)), raw.sequence(), raw.tlv(0x05),
]  # fmt: skip
RARE_KEYS = ("RSA_2048", "EC_secp384r1", "EC_secp521r1", "EC_secp256k1", "RSA_1024")
KEYS = (*["EC_prime256v1"] * 9, *RARE_KEYS)
FRAMES: list[Callable[[bytes, random.Random], bytes]] = [
    mutated,
    lambda der, chance: raw.resigned(changed_der(der, chance)) or der,
    lambda der, chance: raw.resigned(changed_der(der, chance)) or der,
    lambda der, chance: raw.resigned(changed_der(der, chance)) or der,
    lambda der, chance: raw.resigned(changed_der(der, chance)) or der,
    lambda der, chance: raw.resigned(changed_der(der, chance)) or der,
    changed_der,
    lambda der, chance: raw.resigned(mutated(der, chance)) or der,
    lambda der, chance: raw.resigned(mutated(der, chance)) or der,
    lambda der, chance: der + chance.randbytes(chance.choice((1, 2, 50))),
    lambda der, chance: der[: chance.randrange(len(der))],
    lambda der, _: raw.pem(der).encode(),
    lambda der, _: der[:-1] + bytes([der[-1] ^ 1]),
    lambda der, _: der.replace(raw.identifier(raw.ECDSA_WITH_SHA256), raw.identifier("1.2.840.10045.4.3.4")),
    lambda der, _: raw.sequence(der, der),
    lambda _, chance: chance.randbytes(chance.choice((0, 1, 200, 14_000))),
    lambda _, chance: b"\x30\x84\xff\xff\xff\xff" + chance.randbytes(20),
    lambda _, chance: b"\x30\x80" * chance.choice((1, 500, 5_000)),
]


def odd(names: frozenset[str], chance: random.Random) -> tuple[bytes, Any]:
    """Return a request in DER, or what is no request, and the key in it."""
    key = private_key(chance.choice(KEYS))
    subject = _subject(names, chance)
    attributes = _attributes(names, chance)
    info = _key_info(chance) if chance.random() < 0.04 else None
    ordered, version = chance.random() < 0.9, chance.choice((*[0] * 20, 1, 2, -1))
    der = raw.der(raw.request(subject, attributes, version=version, key=key, key_info=info, ordered=ordered))
    return (chance.choice(FRAMES)(der, chance) if chance.random() < 0.35 else der), key


def _subject(names: frozenset[str], chance: random.Random) -> bytes:
    """Return a subject: mostly empty or with a name of the order, else with anything."""
    one = chance.choice(sorted(names)).partition(":")[2]
    own = chance.choice((one, one.upper(), f"{one}.", f" {one}", one.replace("w", "\uff57")))
    text = own if chance.random() < 0.7 else chance.choice(NAMES)
    values: Sequence[raw.Value] = [
        (raw.CN, raw.UTF8, text.encode()), (raw.CN, raw.PRINTABLE, text.encode()), (raw.CN, raw.IA5, text.encode()),
        (raw.CN, raw.BMP, text.encode("utf-16-be")), (raw.CN, raw.UNIVERSAL, text.encode("utf-32-be")),
        (raw.CN, raw.UTF8, b"\xff\xfe"), (raw.O, raw.T61, b"M\xfcller"), (raw.C, raw.PRINTABLE, b"DEU"),
        (raw.EMAIL, raw.IA5, b"root@example.com"), ("1.2.3.4", 0x04, bytes(9)), (raw.SERIAL, raw.PRINTABLE, b"7"),
    ]  # fmt: skip
    match chance.randrange(9):
        case 0 | 1 | 2:
            return raw.name()
        case 3 | 4:
            return raw.name([(raw.CN, raw.UTF8, one.encode())])
        case 7:
            return raw.name([(raw.CN, raw.UTF8, text.encode())])
        case 5:
            return raw.name(chance.sample(values, 3), ordered=chance.random() < 0.5)
        case 6:
            return raw.name(*([value] for value in chance.choices(values, k=chance.choice((2, 5, 40)))))
        case _:
            return raw.name([chance.choice(values)])


def _attributes(names: frozenset[str], chance: random.Random) -> list[bytes]:
    found = [_san(names, chance)] if chance.random() < 0.95 else []
    found += chance.sample(EXTENSIONS, chance.choice((0, 0, 0, 1, 2)))
    found += found[:1] if chance.random() < 0.05 else []
    kind = raw.EXTENSION_REQUEST if chance.random() < 0.93 else raw.MICROSOFT
    listed = [raw.extensions(*found, kind=kind)]
    more = [
        raw.attribute(raw.CHALLENGE_PASSWORD, raw.tlv(raw.UTF8, b"secret")), raw.attribute(raw.EXTENSION_REQUEST),
        raw.extensions(_san(frozenset({"dns:evil.net"}), chance)), raw.extensions(), raw.sequence(), raw.tlv(0x05),
        raw.attribute(raw.UNSTRUCTURED_NAME, raw.tlv(raw.IA5, b"router"), raw.tlv(raw.IA5, b"router")),
        raw.extensions(_san(names, chance), kind=raw.MICROSOFT),
        raw.attribute(raw.EXTENSION_REQUEST, raw.sequence(*found), raw.sequence(*found)),
    ]  # fmt: skip
    return listed + (chance.sample(more, chance.choice((1, 2))) if chance.random() < 0.12 else [])


def _san(names: frozenset[str], chance: random.Random) -> bytes:
    listed = [_general_name(name) for name in sorted(names)]
    match chance.randrange(12):
        case 0:
            listed.append(chance.choice(OTHER_NAMES))
        case 1:
            listed.append(raw.tlv(0x82, chance.choice(NAMES).encode()))
        case 2:
            listed *= chance.choice((0, 2, 60))
        case 3:
            listed = [one.upper() if one[0] == 0x82 else one for one in listed]
        case 4:
            listed[-1] = mutated(listed[-1], chance)
        case 5:
            chance.shuffle(listed)
    return raw.extension(raw.SAN, raw.sequence(*listed), critical=chance.random() < 0.1)


def _general_name(name: str) -> bytes:
    kind, _, value = name.partition(":")
    return raw.tlv(0x82, value.encode()) if kind == "dns" else raw.tlv(0x87, bytes(map(int, value.split("."))))


def _key_info(chance: random.Random) -> bytes:
    """Return a public key that does not fit the signature, is weak, or is not a key."""
    other = private_key("EC_prime256v1", 7).public_key()
    spki = other.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    numbers = (3, 2**1023 + 1, 2**2047 + 1, 2**4096 + 1, 0, -5)
    weak = raw.rsa_key_info(chance.choice(numbers), chance.choice((1, 2, 3, 65_537, 2**40 + 1)))
    return chance.choice((spki, weak, weak, mutated(spki, chance), raw.sequence(), raw.tlv(0x05)))
