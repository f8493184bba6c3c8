"""Comparison of distinguished names by RFC 5280 §7.1, from DER."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evercert.pki.distinguished_names import COMMON_NAME, canonical, printed, values
from tests.samples.chains import tlv

CN, ORG = bytes.fromhex("0603550403"), bytes.fromhex("060355040a")


def name(*attributes: tuple[bytes, int, bytes]) -> bytes:
    """Return a name with one attribute in each RDN: (type, string tag, contents)."""
    return tlv(0x30, b"".join(tlv(0x31, tlv(0x30, kind + tlv(tag, value))) for kind, tag, value in attributes))


PLAIN = name((ORG, 0x0C, b"Test Org"), (CN, 0x0C, b"Issuing"))


@pytest.mark.parametrize(
    "other",
    [
        name((ORG, 0x13, b"Test Org"), (CN, 0x16, b"Issuing")),
        name((ORG, 0x0C, b"TEST ORG"), (CN, 0x0C, b"issuing")),
        name((ORG, 0x0C, b"  Test   Org "), (CN, 0x0C, b"Issuing")),
        name((ORG, 0x1E, "Test Org".encode("utf-16-be")), (CN, 0x1C, "Issuing".encode("utf-32-be"))),
        name((ORG, 0x14, b"Test Org"), (CN, 0x0C, b"Issuing")),
    ],
    ids=["printable", "case", "spaces", "wide strings", "teletex"],
)
def test_canonical_ignores_case_spaces_and_string_type(other: bytes) -> None:
    assert canonical(other) == canonical(PLAIN)


@pytest.mark.parametrize(
    "other",
    [
        name((CN, 0x0C, b"Issuing"), (ORG, 0x0C, b"Test Org")),
        name((ORG, 0x0C, b"TestOrg"), (CN, 0x0C, b"Issuing")),
        name((CN, 0x0C, b"Issuing")),
        name((ORG, 0x0C, b"Test Org"), (CN, 0x0C, b"Issuing"), (CN, 0x0C, b"Issuing")),
    ],
    ids=["order", "missing space", "missing attribute", "second attribute"],
)
def test_canonical_distinguishes_other_names(other: bytes) -> None:
    assert canonical(other) != canonical(PLAIN)


def test_canonical_accepts_latin_1_in_a_teletex_string() -> None:
    assert canonical(name((ORG, 0x14, b"M\xfcller GmbH"))) == canonical(name((ORG, 0x0C, "Müller GmbH".encode())))


def test_canonical_keeps_values_that_are_no_text() -> None:
    assert canonical(name((ORG, 0x0C, b"\xff"))) != canonical(name((ORG, 0x0C, b"\xfe")))
    assert canonical(name((ORG, 0x03, b"\x00\x01"))) != canonical(PLAIN)


def test_canonical_ignores_the_order_within_an_rdn() -> None:
    one, two = tlv(0x30, CN + tlv(0x0C, b"a")), tlv(0x30, ORG + tlv(0x0C, b"b"))
    assert canonical(tlv(0x30, tlv(0x31, one + two))) == canonical(tlv(0x30, tlv(0x31, two + one)))


def test_values_returns_every_attribute_of_a_type() -> None:
    assert values(name((CN, 0x0C, b"one"), (ORG, 0x0C, b"x"), (CN, 0x14, b"tw\xf6")), COMMON_NAME) == ["one", "twö"]


def test_printed_shows_the_most_specific_first() -> None:
    assert printed(PLAIN) == "CN=Issuing, O=Test Org"
    assert printed(tlv(0x30, b"")) == "empty name"
    assert printed(b"nonsense") == "malformed name"
    assert printed(name((CN, 0x0C, b"a\x1b[2J"))).isprintable()


@given(st.binary(max_size=64))
def test_canonical_raises_nothing_else(data: bytes) -> None:
    for encoded in (data, tlv(0x30, data), tlv(0x30, tlv(0x31, data)), tlv(0x30, tlv(0x31, tlv(0x30, data)))):
        try:
            canonical(encoded)
        except ValueError:
            continue
