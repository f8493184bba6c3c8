"""Random changes of input for the fuzzing: of bytes, and of trees of values (JSON, items of DynamoDB)."""

from __future__ import annotations

import copy
import random
from typing import Any

MAX_CHANGES = 4


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Return the data with one to four changes: bits, bytes, removed, repeated or swapped slices, a cut."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, MAX_CHANGES)):
        at, size = chance.randrange(len(changed) or 1), chance.choice((1, 1, 2, 4, 16))
        match chance.randrange(7):
            case 0 if changed:
                changed[at] ^= 1 << chance.randrange(8)
            case 1 if changed:
                changed[at] = chance.choice((0, 0x7F, 0x80, 0xFF, chance.randrange(256)))
            case 2:
                del changed[at : at + size]
            case 3:
                changed[at:at] = changed[at : at + size]
            case 4:
                changed[at:at] = chance.randbytes(size)
            case 5:
                other = chance.randrange(len(changed) or 1)
                changed[at : at + size] = changed[other : other + size]
            case _:
                changed = changed[: max(at, 1)] if chance.random() < 0.2 else changed
    return bytes(changed)


def mutated_text(text: str, chance: random.Random) -> str:
    """Return the text with changed bytes, or an extreme text, or one inserted at a random place."""
    if chance.random() < 0.4:
        at = chance.randrange(len(text) + 1)
        return chance.choice(("", text[:at])) + chance.choice(TEXTS) + chance.choice(("", text[at:]))
    return mutated(text.encode("utf-8", "surrogatepass"), chance).decode("utf-8", "surrogateescape")


def nested(levels: int, bottom: Any = 0) -> Any:
    """Return a list of this depth."""
    for _ in range(levels):
        bottom = [bottom]
    return bottom


TEXTS = [
    *("", " ", "x", "\x00", "\x1b[2J", "\ud800", "\u202e", "\r\nX: y", "ß" * 300, "1" * 5_000, "-", "*", "%", "#", "\\"),
    *("NaN", "Infinity", "true", "null", "{}", "[", "0", "-1", "1e999", "٣", "0x10", "1_0", "99999999999999999999"),
    *("9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999Z", "2026-02-30T00:00:00.000Z"),
    *("1 Jan 2020 1:1:1 99999999", "-5", "1d", "9" * 400 + "%", "javascript:x", "data:,x", "http://xn--a", "http://[", "//"),
    *("xn--", "a" * 64 + ".example.com", "1.2.3.4", "::1%x", "dns:", "uri:http://[::1", "-----BEGIN CERTIFICATE-----\n"),
]  # fmt: skip
NUMBERS = [0, -1, 1, 0.5, 2**31, 2**63, 10**25, -(10**25), 1e308, 5e-324]


def extreme(chance: random.Random) -> Any:
    """Return an extreme value of JSON."""
    kinds = (None, True, False, [], {}, [None], {"": None}, nested(40), [{}], {"x": nested(3)})
    return copy.deepcopy(chance.choice((chance.choice(TEXTS), chance.choice(NUMBERS), chance.choice(kinds))))


def changed_tree(tree: Any, chance: random.Random, leaf: Any = extreme) -> Any:
    """Return a copy with one to four values replaced (by `leaf`), removed, renamed, repeated or mutated."""
    root = [copy.deepcopy(tree)]
    for _ in range(chance.randint(1, MAX_CHANGES)):
        holder, key = chance.choice(_places(root))
        value = holder[key]
        match chance.randrange(6):
            case 0 if isinstance(holder, dict):
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[chance.choice(TEXTS)] = holder.pop(key)
            case 2 if isinstance(holder, list) and holder is not root:
                holder.insert(key, copy.deepcopy(value))
            case 3 | 4 if isinstance(value, str):
                holder[key] = mutated_text(value, chance)
            case 3 if isinstance(value, bytes):
                holder[key] = mutated(value, chance)
            case _:
                holder[key] = leaf(chance)
    return root[0]


def _places(root: list[Any]) -> list[tuple[Any, Any]]:
    """Return each place of the tree as the container and its key."""
    found: list[tuple[Any, Any]] = [(root, 0)]
    for holder, key in found:  # grows while it is read
        value = holder[key]
        if isinstance(value, dict):
            found += [(value, name) for name in value]
        elif isinstance(value, list):
            found += [(value, number) for number in range(len(value))]
    return found
