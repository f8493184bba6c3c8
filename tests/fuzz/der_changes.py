"""Changes of DER that keep its frame: elements removed, repeated, swapped, retagged, or with other contents."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tests.fuzz.changes import mutated
from tests.samples.requests import tlv

_CONSTRUCTED = 0x20
_LONG_TAG = 0x1F
DEEPEST = 20
CONTENTS = (
    b"",
    b"\0",
    b"\1",
    b"\2",
    b"\7",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\0" * 9,
    b"\xff" * 30,
    b"\x0c\x00",
    b"\x30\x00",
)
TAGS = (0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0C, 0x13, 0x16, 0x17, 0x18, 0x1E, 0x30, 0x31, 0x80, 0x82, 0xA0, 0xA3)


@dataclass
class Element:
    """An element with its parts, or with its content if it has none."""

    tag: int
    content: bytes = b""
    parts: list[Element] = field(default_factory=list)

    def encode(self) -> bytes:
        return tlv(self.tag, *(part.encode() for part in self.parts)) if self.parts else tlv(self.tag, self.content)


def parse(data: bytes, depth: int = 0) -> list[Element]:
    """Return the elements of the bytes; raise ValueError if they are not DER."""
    found = []
    while data:
        if len(data) < 2 or data[0] & _LONG_TAG == _LONG_TAG:
            raise ValueError("no DER")
        tag, length, start = data[0], data[1], 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(data[2:start])
        content, data = data[start : start + length], data[start + length :]
        if len(content) < length:
            raise ValueError("truncated")
        parts = parse(content, depth + 1) if tag & _CONSTRUCTED and depth < DEEPEST else []
        found.append(Element(tag, content, parts))
    return found


def changed_der(data: bytes, chance: random.Random) -> bytes:
    """Return DER with one to three changed elements, whose lengths fit."""
    roots = parse(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3)) if roots else 0):
        siblings = chance.choice([one for one in _lists(roots) if one])
        at = chance.randrange(len(siblings))
        one = siblings[at]
        match chance.randrange(8):
            case 0 if siblings is not roots:
                del siblings[at]
            case 1 if siblings is not roots:
                siblings.insert(at, Element(one.tag, one.content, list(one.parts)))
            case 2 if siblings is not roots:
                other = chance.randrange(len(siblings))
                siblings[at], siblings[other] = siblings[other], siblings[at]
            case 3:
                one.tag = chance.choice(TAGS)
            case 4 if not one.parts:
                one.content = mutated(one.content, chance)
            case 5 if siblings is not roots:
                siblings[at] = Element(chance.choice(TAGS), chance.choice(CONTENTS))
            case _ if not one.parts:
                one.content = chance.choice(CONTENTS)
    return b"".join(one.encode() for one in roots)


def _lists(roots: list[Element]) -> list[list[Element]]:
    found = [roots]
    for siblings in found:  # grows while it is read
        found += [one.parts for one in siblings if one.parts]
    return found
