"""Files of an import: the certificate, its chain and its key must belong together; messages never quote them."""

from __future__ import annotations

import base64
import ipaddress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa

from evercert.authority.api_errors import Refusal
from evercert.authority.requests import certificate_files
from evercert.authority.requests.certificate_files import CertificateFiles
from evercert.pki import der
from evercert.pki.identifiers import parse
from evercert.pki.keys import PrivateKey
from tests.doubles.fakes import START
from tests.samples import foreign

KEY = PrivateKey.generate("EC_prime256v1")
LEAF = foreign.certificate(KEY)
PEM = foreign.pem(LEAF)
PASSWORD = serialization.BestAvailableEncryption(b"secret")
ENCRYPTED = KEY._key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, PASSWORD).decode()
OTHER_KEY = PrivateKey.generate("EC_prime256v1").pem()
EXAMPLE = x509.NameOID.COMMON_NAME


def read(certificate: str = PEM, chain: str | None = None, private_key: str | None = None) -> CertificateFiles:
    return certificate_files.read(certificate, chain, private_key, START)


def refusal(certificate: str = PEM, chain: str | None = None, private_key: str | None = None) -> str:
    with pytest.raises(Refusal) as caught:
        read(certificate, chain, private_key)
    assert caught.value.status == 400
    return str(caught.value)


def extended(value: Any, **changes: Any) -> str:
    return foreign.pem(foreign.certificate(KEY, (value, False), **changes))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("garbage", "no PEM certificate found"),
        (PEM[:200], "no PEM certificate found"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "malformed certificate"),
        (PEM.replace("\nMII", "\nMIZ"), "malformed certificate"),
        (PEM + foreign.pem(foreign.ca()), "it contains several certificates"),
        (foreign.pem(foreign.ca()) + PEM, "it contains several certificates"),
        (PEM + OTHER_KEY, "something else than certificates"),
        (PEM + "-----BEGIN CERTIFICATE-----", "something else than certificates"),
        (foreign.pem(foreign.ca()), "it is a CA certificate"),
        (foreign.pem(foreign.certificate(not_valid_after=START)), "it has expired"),
        (foreign.pem(foreign.certificate(not_valid_after=datetime(9999, 12, 31, tzinfo=UTC))), "after the year 8999"),
        (foreign.pem(foreign.certificate(names=tuple(f"n{one}.example.org" for one in range(101)))), "it has 101 names"),
        (
            foreign.pem(
                foreign.certificate(
                    subject=x509.Name([x509.NameAttribute(EXAMPLE, f"n{one}") for one in range(100)])
                )
            ),
            "it has 101 names",
        ),
        (PEM * 12, "it contains 12 certificates"),
    ],
    ids=[
        "garbage", "cut off", "no DER", "broken", "chain", "wrong order", "key", "half", "CA", "expired", "too long",
        "too many names", "too many common names", "too many",
    ],
)  # fmt: skip
def test_unusable_certificate_is_refused(text: str, message: str) -> None:
    found = refusal(text)
    assert found.startswith("certificatePem: ") and message in found
    assert "MII" not in found


def renumbered(serial: int) -> str:
    """Return the certificate with another serial number; nothing verifies its signature."""
    outer = der.read(LEAF.public_bytes(serialization.Encoding.DER)).children()
    tbs = outer[0].children()
    number = encoded(der.INTEGER, serial.to_bytes(serial.bit_length() // 8 + 1, "big", signed=True))
    inner = encoded(der.SEQUENCE, tbs[0].encoded + number + b"".join(one.encoded for one in tbs[2:]))
    whole = encoded(der.SEQUENCE, inner + b"".join(one.encoded for one in outer[1:]))
    text = base64.encodebytes(whole).decode()
    return f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"


def encoded(tag: int, content: bytes) -> bytes:
    size = len(content)
    octets = size.to_bytes((size.bit_length() + 7) // 8 or 1, "big")
    length = octets if size < 128 else bytes([0x80 + len(octets)]) + octets
    return bytes([tag]) + length + content


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@pytest.mark.parametrize("serial", [0, -5, 1 << 160], ids=["zero", "negative", "21 octets"])
def test_invalid_serial_number_is_refused(serial: int) -> None:
    assert read(renumbered((1 << 159) - 1)).certificate.serial_number == (1 << 159) - 1
    assert "serial number" in refusal(renumbered(serial))


@pytest.mark.parametrize(
    "key", [ed448.Ed448PrivateKey.generate(), dsa.generate_private_key(1024)], ids=["Ed448", "DSA"]
)
def test_key_of_another_kind_is_held_without_a_private_key(key: Any) -> None:
    certificate = foreign.signed(foreign.name("x.example.org"), key.public_key(), "Foreign CA")
    assert read(foreign.pem(certificate)).private_key is None
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    assert "unsupported private key" in refusal(foreign.pem(certificate), private_key=text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (OTHER_KEY, "it is not the key of the certificate"),
        (ENCRYPTED, "it is encrypted"),
        ("garbage", "malformed"),
        (PEM, "malformed"),
    ],
    ids=["other", "encrypted", "garbage", "certificate"],
)
def test_unusable_key_is_refused(text: str, message: str) -> None:
    found = refusal(private_key=text)
    assert found.startswith("privateKeyPem: ") and message in found
    assert text.splitlines()[-1] not in found


def test_small_rsa_key_is_refused() -> None:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=1024)
    certificate = foreign.pem(foreign.signed(foreign.name("x.example.org"), key.public_key(), "Foreign CA"))
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    assert read(certificate).private_key is None
    assert "unsupported size" in refusal(certificate, private_key=text)


def test_key_and_chain_belong_to_the_certificate() -> None:
    middle, root = foreign.ca("Middle", "Foreign CA"), foreign.ca()
    certificate = foreign.pem(foreign.certificate(KEY, issuer="Middle"))
    found = read(certificate, foreign.pem(middle, root), KEY.pem())
    assert found.chain == (middle, root) and found.private_key is not None
    assert found.private_key.public_bytes() == KEY.public_bytes()
    assert read(certificate, certificate + foreign.pem(middle)).chain == (middle,)


@pytest.mark.parametrize(
    ("chain", "message"),
    [
        (foreign.pem(foreign.ca("Other CA")), "certificate 1 did not sign certificatePem"),
        (foreign.pem(foreign.ca(), foreign.ca("Other CA")), "certificate 2 did not sign certificate 1"),
        (foreign.pem(foreign.ca("Other CA"), foreign.ca()), "certificate 1 did not sign certificatePem"),
        (foreign.pem(foreign.ca(is_ca=False)), "certificate 1 is not a CA certificate"),
        (PEM, "at least one issuer certificate"),
        (foreign.pem(foreign.ca()) + OTHER_KEY, "something else than certificates"),
        ("garbage", "no PEM certificate found"),
        (foreign.pem(*(foreign.ca(),) * 12), "it contains 12 certificates"),
    ],
    ids=["other", "broken", "wrong order", "no CA", "itself", "key", "garbage", "too long"],
)
def test_unusable_chain_is_refused(chain: str, message: str) -> None:
    found = refusal(chain=chain)
    assert found.startswith("chainPem: ") and message in found


def test_chain_of_the_same_name_with_another_key_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    constraints = (x509.BasicConstraints(ca=True, path_length=None), True)
    impostor = foreign.signed(foreign.name("Foreign CA"), key.public_key(), "Foreign CA", constraints)
    assert "did not sign" in refusal(chain=foreign.pem(impostor))


def test_fields_of_the_certificate_are_read() -> None:
    names = [
        x509.DNSName("WWW.Example.org"), x509.IPAddress(ipaddress.ip_address("10.0.0.1")),
        x509.UniformResourceIdentifier("spiffe://example.org/x"), x509.RFC822Name("ops@Example.org"),
        x509.DNSName("under_score.example.org"), x509.RegisteredID(x509.ObjectIdentifier("1.2.3")),
    ]  # fmt: skip
    subject = x509.Name(
        [x509.NameAttribute(EXAMPLE, "shop\x1b[2J"), x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Muster AG")]
    )
    usage = x509.KeyUsage(True, False, True, False, False, False, False, False, False)
    purposes = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CLIENT_AUTH, x509.ObjectIdentifier("1.2.3.4")])
    text = foreign.pem(
        foreign.certificate(
            KEY, (x509.SubjectAlternativeName(names), True), (usage, True), (purposes, False), subject=subject, names=()
        )
    )
    found = read(f"Subject: shop\n{text}")
    leaf = found.leaf
    assert leaf.subject == {"common_name": ("shop [2J",), "organization": ("Muster AG",)}
    expected = ("dns:www.example.org", "ip:10.0.0.1", "uri:spiffe://example.org/x", "email:ops@example.org")
    assert set(map(parse, expected)) <= set(leaf.names)
    assert leaf.key_usages == ("digital_signature", "key_encipherment")
    assert leaf.extended_key_usages == ("client_auth",)
    assert (leaf.not_before, leaf.not_after) == (START - timedelta(days=1), START + timedelta(days=90))
    assert found.spelling.alt_names is not None and "under_score.example.org" in found.spelling.alt_names
    assert "Muster" not in repr(found)


def test_certificate_without_names_is_read() -> None:
    found = read(foreign.pem(foreign.certificate(KEY, subject=x509.Name([]), names=())))
    assert (found.leaf.subject, found.leaf.names) == ({}, ())


def test_signature_with_md5_is_no_error() -> None:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    builder = x509.CertificateBuilder(
        foreign.name("x"), foreign.name("x"), key.public_key(), 5, START, START + timedelta(days=1)
    )
    whole = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    sha256, md5 = (bytes.fromhex("06092a864886f70d0101") + bytes([last]) for last in (11, 4))
    changed = base64.encodebytes(whole.replace(sha256, md5)).decode()
    text = f"-----BEGIN CERTIFICATE-----\n{changed}-----END CERTIFICATE-----\n"
    assert read(text).certificate.serial_number == 5
    assert "did not sign" in refusal(
        text,
        foreign.pem(
            foreign.signed(
                foreign.name("x"), key.public_key(), "x", (x509.BasicConstraints(ca=True, path_length=None), True)
            )
        ),
    )
