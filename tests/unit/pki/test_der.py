"""The DER reader: values, and refusal of everything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evercert.pki import der
from tests.samples.chains import tlv


def test_read_returns_the_element() -> None:
    element = der.read(tlv(0x30, tlv(0x02, b"\x05") + tlv(0x01, b"\xff")))
    first, second = element.children(der.SEQUENCE)
    assert (der.integer(first), der.boolean(second)) == (5, True)


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 70_000])
def test_read_accepts_every_length(size: int) -> None:
    assert der.read(tlv(0x04, b"x" * size)).content == b"x" * size


@pytest.mark.parametrize(
    "data",
    ["", "30", "3001", "300100ff", "1f8101", "3080", "30810100", "3082000100", "308400000000", "30ff"],
)
def test_read_refuses_malformed_lengths_and_tags(data: str) -> None:
    with pytest.raises(ValueError, match="malformed DER"):
        der.read(bytes.fromhex(data))


@pytest.mark.parametrize("content", ["", "0001", "ff80", "007f"])
def test_integer_refuses_forms_that_are_not_der(content: str) -> None:
    with pytest.raises(ValueError, match="invalid integer"):
        der.integer(der.Element(der.INTEGER, bytes.fromhex(content), b""))


@pytest.mark.parametrize(("content", "value"), [("00", 0), ("7f", 127), ("0080", 128), ("ff", -1), ("80", -128)])
def test_integer_returns_signed_values(content: str, value: int) -> None:
    assert der.integer(der.Element(der.INTEGER, bytes.fromhex(content), b"")) == value


def test_boolean_refuses_other_values() -> None:
    with pytest.raises(ValueError, match="invalid boolean"):
        der.boolean(der.Element(der.BOOLEAN, b"\x01", b""))


@pytest.mark.parametrize(("content", "found"), [("0106", {5, 6}), ("0780", {0}), ("00", set()), ("000080", {8})])
def test_bits_returns_the_positions_set(content: str, found: set[int]) -> None:
    assert der.bits(bytes.fromhex(content)) == found


@pytest.mark.parametrize("content", ["", "08ff", "01"])
def test_bits_refuses_invalid_padding(content: str) -> None:
    with pytest.raises(ValueError, match="invalid bit string"):
        der.bits(bytes.fromhex(content))


@pytest.mark.parametrize(
    ("content", "dotted"),
    [("55040a", "2.5.4.10"), ("2a864886f70d010901", "1.2.840.113549.1.9.1"), ("883703", "2.999.3")],
)
def test_object_identifier_returns_dotted_form(content: str, dotted: str) -> None:
    assert der.object_identifier(der.Element(der.OBJECT_IDENTIFIER, bytes.fromhex(content), b"")) == dotted


@pytest.mark.parametrize("content", ["", "5504ff", "55" * 65])
def test_object_identifier_refuses_malformed_ones(content: str) -> None:
    with pytest.raises(ValueError, match="invalid object identifier"):
        der.object_identifier(der.Element(der.OBJECT_IDENTIFIER, bytes.fromhex(content), b""))


def test_children_are_limited() -> None:
    with pytest.raises(ValueError, match="too many elements"):
        der.read(tlv(0x30, b"\x05\x00" * (der.MAX_ELEMENTS + 1))).children()


@given(st.binary(max_size=64))
def test_read_raises_nothing_else(data: bytes) -> None:
    try:
        der.read(data).children()
    except ValueError:
        return
