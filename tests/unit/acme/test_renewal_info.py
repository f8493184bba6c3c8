"""ACME Renewal Information: ids of certificates, and suggested windows."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from evercert.acme import base64url
from evercert.acme.renewal_info import RenewalWindow, certificate_id
from tests.samples import acme
from tests.samples.chains import issue

KEY_ID = bytes.fromhex("69885B6B87464041E1B37B847BA0AE2CDE01C8D4")
SERIAL = 0x87654321


@cache
def certificate(
    serial: int = SERIAL, *extensions: x509.ExtensionType, key_id: bytes | None = KEY_ID
) -> x509.Certificate:
    """Issue a certificate; `key_id` is that of its authority key identifier."""
    own = () if key_id is None else (x509.AuthorityKeyIdentifier(key_id, None, None),)
    listed = [(extension, False) for extension in (*own, *extensions)]
    return issue("CA", serial=serial, authority_key=False, extensions=listed).certificate


def raw(oid: str, content: str) -> x509.UnrecognizedExtension:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), bytes.fromhex(content))


# -- ids --------------------------------------------------------------------------------------------------------------
def test_certificate_id_is_that_of_rfc_9773() -> None:
    found = x509.load_pem_x509_certificate(acme.RENEWAL_CERTIFICATE.encode())
    assert certificate_id(found) == acme.RENEWAL_ID == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"


@pytest.mark.parametrize(
    ("serial", "octets"),
    [
        pytest.param(0x87654321, "0087654321", id="RFC 9773"),
        pytest.param(1, "01", id="one"),
        pytest.param(0x7F, "7F", id="largest octet without a zero"),
        pytest.param(0x80, "0080", id="smallest octet with a zero"),
        pytest.param(0xFF, "00FF", id="last octet"),
        pytest.param(0x100, "0100", id="two octets"),
        pytest.param(0x7FFF, "7FFF", id="two octets without a zero"),
        pytest.param(0x8000, "008000", id="two octets with a zero"),
        pytest.param(2**159 - 1, "7F" + "FF" * 19, id="20 octets"),
    ],
)
def test_certificate_id_has_the_octets_of_the_serial(serial: int, octets: str) -> None:
    """A zero octet keeps the DER integer positive, and is part of the id (§4.1)."""
    found = certificate(serial)
    assert bytes([0x02, len(octets) // 2]) + bytes.fromhex(octets) in found.public_bytes(Encoding.DER)
    key_id, _, number = str(certificate_id(found)).partition(".")
    assert base64url.decode(key_id) == KEY_ID
    assert base64url.decode(number) == bytes.fromhex(octets)


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_certificate_id_keeps_a_negative_serial() -> None:
    """Some CAs forget the zero octet; the id has the octets of the certificate."""
    data = (
        certificate()
        .public_bytes(Encoding.DER)
        .replace(bytes.fromhex("02050087654321"), bytes.fromhex("0205F087654321"))
    )
    found = x509.load_der_x509_certificate(data)
    assert str(certificate_id(found)).endswith(f".{base64url.encode(bytes.fromhex('F087654321'))}")


@pytest.mark.parametrize(
    ("key_id", "extension"),
    [
        pytest.param(None, None, id="no extension"),
        pytest.param(None, raw("2.5.29.35", "3000"), id="no key id"),
        pytest.param(None, raw("2.5.29.35", "30028000"), id="empty key id"),
        pytest.param(None, raw("2.5.29.35", "30058001"), id="malformed"),
        pytest.param(None, raw("2.5.29.35", "0400"), id="another type"),
    ],
)
def test_certificate_id_is_none_without_a_key_id(key_id: bytes | None, extension: x509.ExtensionType | None) -> None:
    extensions = () if extension is None else (extension,)
    assert certificate_id(certificate(SERIAL, *extensions, key_id=key_id)) is None


@pytest.mark.parametrize(
    ("key_id", "extension"),
    [
        pytest.param(KEY_ID, raw("2.5.29.17", "3004a3023000"), id="X.400 address of the subject"),
        pytest.param(
            None, raw("2.5.29.35", f"301f8014{KEY_ID.hex()}a104a3023000820101"), id="X.400 address of the issuer"
        ),
        pytest.param(KEY_ID, raw("1.2.3.4", "ff"), id="unknown extension"),
    ],
)
def test_certificate_id_accepts_unusual_extensions(key_id: bytes | None, extension: x509.ExtensionType) -> None:
    assert certificate_id(certificate(SERIAL, extension, key_id=key_id)) == acme.RENEWAL_ID


# -- windows ----------------------------------------------------------------------------------------------------------
def test_window_reads_the_answer_of_the_rfc() -> None:
    assert RenewalWindow.of(acme.renewal_info()) == RenewalWindow(
        datetime(2026, 1, 2, 4, tzinfo=UTC), datetime(2026, 1, 3, 4, tzinfo=UTC), "https://acme.example/docs/ari"
    )


def window(start: object = "2026-01-02T04:00:00Z", end: object = "2026-01-03T04:00:00Z", **more: Any) -> dict[str, Any]:
    return {"suggestedWindow": {"start": start, "end": end}, **more}


@pytest.mark.parametrize(
    ("explanation", "expected"),
    [
        pytest.param("https://a.example/", "https://a.example/", id="URL"),
        pytest.param("https://a.example/\x1b[2J", "https://a.example/ [2J", id="control characters"),
        pytest.param("x" * 10_000, "x" * 499 + "…", id="long"),
        pytest.param(None, None, id="missing"),
        pytest.param(5, None, id="number"),
    ],
)
def test_window_has_a_printable_explanation(explanation: object, expected: str | None) -> None:
    assert RenewalWindow.of(window(explanationURL=explanation)).explanation == expected


def test_window_compares_times_of_several_zones() -> None:
    found = RenewalWindow.of(window("2026-01-02T04:00:00+02:00", "2026-01-02T02:00:01Z"))
    assert (found.end - found.start).total_seconds() == 1


@pytest.mark.parametrize(
    ("body", "why"),
    [
        pytest.param(None, "no suggestedWindow", id="null"),
        pytest.param([], "no suggestedWindow", id="list"),
        pytest.param({}, "no suggestedWindow", id="empty"),
        pytest.param({"suggestedWindow": None}, "no suggestedWindow", id="window null"),
        pytest.param({"suggestedWindow": []}, "no suggestedWindow", id="window as list"),
        pytest.param({"suggestedWindow": {}}, "RFC 3339", id="empty window"),
        pytest.param(window(end=None), "RFC 3339", id="no end"),
        pytest.param(window(start=5), "RFC 3339", id="start as number"),
        pytest.param(window(start="2026-02-30T00:00:00Z"), "day", id="30 February"),
        pytest.param(window("2026-01-03T04:00:00Z", "2026-01-02T04:00:00Z"), "ends before it starts", id="reversed"),
        pytest.param(window("2026-01-02T04:00:00Z", "2026-01-02T04:00:00Z"), "ends before it starts", id="empty time"),
        pytest.param(window("2026-01-02T04:00:00Z", "2026-01-02T05:00:00+02:00"), "ends before it starts", id="reversed by zones"),
    ],
)  # fmt: skip
def test_window_refuses_other_answers(body: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        RenewalWindow.of(body)
