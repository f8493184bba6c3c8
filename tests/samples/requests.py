"""Sample certification requests in raw DER, with content that `cryptography` refuses to write."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from evercert.pki.der import read
from tests.samples.certificates import private_key

EXTENSION_REQUEST, MICROSOFT = "1.2.840.113549.1.9.14", "1.3.6.1.4.1.311.2.1.14"
CHALLENGE_PASSWORD, UNSTRUCTURED_NAME = "1.2.840.113549.1.9.7", "1.2.840.113549.1.9.2"
UTF8, PRINTABLE, T61, IA5, UNIVERSAL, BMP = 0x0C, 0x13, 0x14, 0x16, 0x1C, 0x1E
SAN, KEY_USAGE, TLS_FEATURE = "2.5.29.17", "2.5.29.15", "1.3.6.1.5.5.7.1.24"
CN, C, O, OU, EMAIL, SERIAL = "2.5.4.3", "2.5.4.6", "2.5.4.10", "2.5.4.11", "1.2.840.113549.1.9.1", "2.5.4.5"  # noqa: E741
ECDSA_WITH_SHA256, RSA_WITH_SHA256 = "1.2.840.10045.4.3.2", "1.2.840.113549.1.1.11"
RSA = "1.2.840.113549.1.1.1"
Value = tuple[str, int, bytes]  # type, string tag, encoded text


def tlv(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    size = len(content).to_bytes(4).lstrip(b"\0")
    return bytes([tag, 0x80 | len(size)]) + size + content


def sequence(*parts: bytes) -> bytes:
    return tlv(0x30, *parts)


def identifier(dotted: str) -> bytes:
    return tlv(0x06, _arcs(dotted))


def _arcs(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    return b"".join(_base128(arc) for arc in (first * 40 + second, *rest))


def _base128(arc: int) -> bytes:
    digits = [arc & 0x7F]
    while arc := arc >> 7:
        digits.append(arc & 0x7F | 0x80)
    return bytes(reversed(digits))


def integer(value: int) -> bytes:
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, signed=True))


def name(*rdns: Sequence[Value], ordered: bool = True) -> bytes:
    """Encode a name; each argument is one RDN. `ordered` False writes the values as given, against DER."""
    encoded = []
    for rdn in rdns:
        values = [sequence(identifier(kind), tlv(tag, text)) for kind, tag, text in rdn]
        encoded.append(tlv(0x31, *(sorted(values) if ordered else values)))
    return sequence(*encoded)


def extension(kind: str, value: bytes, *, critical: bool = False) -> bytes:
    return sequence(identifier(kind), *([tlv(0x01, b"\xff")] if critical else []), tlv(0x04, value))


def dns_names(*names: str) -> bytes:
    return extension(SAN, sequence(*(tlv(0x82, name.encode()) for name in names)))


def attribute(kind: str, *values: bytes) -> bytes:
    return sequence(identifier(kind), tlv(0x31, *values))


def extensions(*found: bytes, kind: str = EXTENSION_REQUEST) -> bytes:
    """Encode an attribute with extensions."""
    return attribute(kind, sequence(*found))


def request(
    subject: bytes | None = None,
    attributes: Sequence[bytes] | None = None,
    *,
    version: int = 0,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None,
    key_info: bytes | None = None,
    ordered: bool = True,
) -> str:
    """Return a signed request as PEM; by default for www.example.com. `key_info` replaces the public key."""
    signer = key or private_key("EC_prime256v1")
    subject = name([(CN, UTF8, b"www.example.com")]) if subject is None else subject
    listed = [extensions(dns_names("www.example.com"))] if attributes is None else list(attributes)
    public = signer.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    body = sequence(integer(version), subject, key_info or public, tlv(0xA0, *(sorted(listed) if ordered else listed)))
    return pem(signed(body, signer))


def signed(body: bytes, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    """Return the request with this body."""
    if isinstance(key, rsa.RSAPrivateKey):
        algorithm, signature = RSA_WITH_SHA256, key.sign(body, padding.PKCS1v15(), hashes.SHA256())
    else:
        algorithm, signature = ECDSA_WITH_SHA256, key.sign(body, ec.ECDSA(hashes.SHA256()))
    return sequence(body, sequence(identifier(algorithm)), tlv(0x03, b"\0", signature))


def pem(encoded: bytes) -> str:
    text = base64.encodebytes(encoded).decode()
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{text}-----END CERTIFICATE REQUEST-----\n"


def der(text: str) -> bytes:
    return base64.b64decode("".join(text.splitlines()[1:-1]))


def rsa_key_info(modulus: int, exponent: int = 65_537, algorithm: str = RSA) -> bytes:
    """Return a SubjectPublicKeyInfo for any numbers; the signature then proves nothing."""
    key = sequence(integer(modulus), integer(exponent))
    return sequence(sequence(identifier(algorithm), tlv(0x05)), tlv(0x03, b"\0", key))


def resigned(encoded: bytes) -> bytes | None:
    """Return a mutated request with a valid signature of the sample's key; None if its frame is broken."""
    try:
        body = read(encoded).children(0x30)[0].encoded
    except (ValueError, IndexError):
        return None
    return signed(body, private_key("RSA_2048" if identifier(RSA) in body else "EC_prime256v1"))
