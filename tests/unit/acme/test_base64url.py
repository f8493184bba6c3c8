"""Base64url without padding."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evercert.acme.base64url import decode, encode


@pytest.mark.parametrize(
    ("data", "text"),
    [
        pytest.param(b"", "", id="empty"),
        pytest.param(bytes([3, 236, 255, 224, 193]), "A-z_4ME", id="RFC 7515 appendix C"),
        pytest.param(b"f", "Zg", id="one octet"),
        pytest.param(b"fo", "Zm8", id="two octets"),
        pytest.param(b"foo", "Zm9v", id="three octets"),
        pytest.param(b"\xfb\xff\xbf", "-_-_", id="letters of this alphabet"),
    ],
)
def test_encode_and_decode_agree_with_the_rfc(data: bytes, text: str) -> None:
    assert encode(data) == text
    assert decode(text) == data


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Zg==", id="padding"),
        pytest.param("Zg=", id="half of the padding"),
        pytest.param("=", id="padding only"),
        pytest.param("+/+/", id="ordinary Base64"),
        pytest.param("A", id="one character"),
        pytest.param("AAAAA", id="five characters"),
        pytest.param("Zh", id="spare bits of one octet"),
        pytest.param("Zm9", id="spare bits of two octets"),
        pytest.param("Zg\n", id="line end"),
        pytest.param("Z g", id="space"),
        pytest.param("Zm9v.", id="dot"),
        pytest.param("Zm9ü", id="not ASCII"),
        pytest.param("Zm9\ud800", id="half of a surrogate pair"),
    ],
)
def test_decode_refuses_other_text(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not base64url without padding$"):
        decode(text)


@given(st.binary(max_size=100))
def test_decode_reverses_encode(data: bytes) -> None:
    text = encode(data)
    assert "=" not in text
    assert decode(text) == data


@given(st.text(alphabet="AQgwZ-_=+ ", max_size=8))
def test_decode_accepts_one_text_per_value(text: str) -> None:
    """A second text for the same bytes would give one signature two forms."""
    try:
        data = decode(text)
    except ValueError:
        return
    assert encode(data) == text
