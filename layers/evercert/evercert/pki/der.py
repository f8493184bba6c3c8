"""A reader of DER (X.690 §8, §10), for fields that `cryptography` does not expose or refuses to parse.

Every function raises ValueError for malformed input, whatever the bytes.
"""

from __future__ import annotations

from typing import NamedTuple

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, OBJECT_IDENTIFIER = 0x01, 0x02, 0x03, 0x04, 0x06
SEQUENCE, SET = 0x30, 0x31
_LONG_FORM, _HIGH_TAG, _HEADER = 0x80, 0x1F, 2
_MAX_LENGTH_OCTETS, _MAX_IDENTIFIER, _OCTET_BITS = 4, 64, 8
MAX_ELEMENTS = 20_000  # in one constructed element; a certificate with 5,000 names has 5,000


class Element(NamedTuple):
    """One element: the identifier octet, the contents, and the complete encoding."""

    tag: int
    content: bytes
    encoded: bytes

    def children(self, tag: int | None = None) -> list[Element]:
        """Return the elements in the contents; `tag`: the tag that this element must have."""
        if tag is not None:
            require(self, tag)
        found, rest = [], self.content
        while rest:
            element = _first(rest)
            found.append(element)
            rest = rest[len(element.encoded) :]
            if len(found) > MAX_ELEMENTS:
                raise ValueError("malformed DER: too many elements")
        return found


def read(data: bytes) -> Element:
    """Return the only element in the data."""
    element = _first(data)
    if len(element.encoded) != len(data):
        raise ValueError("malformed DER: data after the last element")
    return element


def require(element: Element, tag: int) -> Element:
    """Return the element if it has the tag."""
    if element.tag != tag:
        raise ValueError(f"malformed DER: tag {element.tag:#04x} instead of {tag:#04x}")
    return element


def boolean(element: Element) -> bool:
    """Return the value of a BOOLEAN."""
    if require(element, BOOLEAN).content not in (b"\x00", b"\xff"):
        raise ValueError("malformed DER: invalid boolean")
    return element.content == b"\xff"


def integer(element: Element) -> int:
    """Return the value of an INTEGER."""
    content = require(element, INTEGER).content
    if not content or (len(content) > 1 and content[0] in (0x00, 0xFF) and (content[0] ^ content[1]) < _LONG_FORM):
        raise ValueError("malformed DER: invalid integer")
    return int.from_bytes(content, signed=True)


def bits(content: bytes) -> frozenset[int]:
    """Return the positions of the bits that are set in the contents of a BIT STRING."""
    if not content or content[0] >= _OCTET_BITS or (len(content) == 1 and content[0]):
        raise ValueError("malformed DER: invalid bit string")
    octets = content[1:]
    return frozenset(at for at in range(len(octets) * _OCTET_BITS - content[0]) if octets[at // 8] >> (7 - at % 8) & 1)


def object_identifier(element: Element) -> str:
    """Return the value of an OBJECT IDENTIFIER in dotted notation."""
    content = require(element, OBJECT_IDENTIFIER).content
    if not content or content[-1] & 0x80 or len(content) > _MAX_IDENTIFIER:
        raise ValueError("malformed DER: invalid object identifier")
    arcs, value = [], 0
    for octet in content:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, [first, arcs[0] - 40 * first, *arcs[1:]]))


def _first(data: bytes) -> Element:
    if len(data) < _HEADER or data[0] & _HIGH_TAG == _HIGH_TAG:
        raise ValueError("malformed DER: truncated element or unknown tag")
    length, start = data[1], _HEADER
    if length & _LONG_FORM:
        size = length ^ _LONG_FORM
        octets = data[_HEADER : _HEADER + size]
        if not 1 <= size <= _MAX_LENGTH_OCTETS or len(octets) != size or octets[0] == 0:
            raise ValueError("malformed DER: invalid length")
        length, start = int.from_bytes(octets), _HEADER + size
        if length < _LONG_FORM:
            raise ValueError("malformed DER: invalid length")
    end = start + length
    if end > len(data):
        raise ValueError("malformed DER: truncated element")
    return Element(data[0], data[start:end], data[:end])
