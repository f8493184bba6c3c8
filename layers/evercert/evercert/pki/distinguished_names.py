"""Comparison of distinguished names (RFC 5280 §7.1), from their DER, whatever string types they use."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from evercert.pki import der
from evercert.schema import printable

# The canonical form of a name: a set of (type, value) for each RDN.
Name = tuple[frozenset[tuple[str, str | bytes]], ...]
MAX_PRINTED = 120
COMMON_NAME, EMAIL_ADDRESS = "2.5.4.3", "1.2.840.113549.1.9.1"
_TELETEX_STRING = 0x14
# How the string types of X.520 are encoded; TeletexString (T61) is Latin-1 in practice, or UTF-8.
_ENCODINGS = {
    0x0C: "utf-8",
    0x12: "ascii",
    0x13: "ascii",
    0x14: "latin-1",
    0x16: "ascii",
    0x1A: "ascii",
    0x1C: "utf-32-be",
    0x1E: "utf-16-be",
}


@lru_cache(maxsize=1_024)  # a CA's name is compared many times
def canonical(name: bytes) -> Name:
    """Return the form in which equal names are equal; raise ValueError if it is not a DER name.

    Case, character normalization, string type and runs of spaces do not distinguish names (RFC 4518 §2).
    """
    return tuple(frozenset((kind, _folded(value)) for kind, value in _attributes(rdn)) for rdn in _rdns(name))


def values(name: bytes, kind: str) -> list[str]:
    """Return the text of every attribute of this type, in the order of the name; raise ValueError."""
    return [text(value) for rdn in _rdns(name) for found, value in _attributes(rdn) if found == kind]


def entries(name: bytes) -> list[tuple[str, str | None]]:
    """Return type and text of every attribute, in the order of the name; the text is None if it is invalid.

    Raises ValueError if it is not a DER name.
    """
    return [(kind, _decoded(value)) for rdn in _rdns(name) for kind, value in _attributes(rdn)]


def has_multi_valued_rdn(name: bytes) -> bool:
    """Return whether a relative name has several attributes (RFC 5280 §4.1.2.4); raise ValueError."""
    return any(len(_attributes(rdn)) > 1 for rdn in _rdns(name))


def text(value: der.Element) -> str:
    """Return the text of an attribute value; invalid characters are replaced, other types shown in hexadecimal."""
    if (found := _decoded(value)) is not None:
        return found
    encoding = _ENCODINGS.get(value.tag)
    return value.content.hex() if encoding is None else value.content.decode(encoding, "replace")


def _decoded(value: der.Element) -> str | None:
    """Return the text of an attribute value, or None for invalid characters and other types."""
    encoding = _ENCODINGS.get(value.tag)
    if encoding is None:
        return None
    for candidate in ("utf-8", encoding) if value.tag == _TELETEX_STRING else (encoding,):
        try:
            return value.content.decode(candidate)
        except UnicodeDecodeError:
            continue
    return None


def printed(name: bytes) -> str:
    """Return a name for messages, such as `CN=Issuing CA, O=Example`; the most specific attribute first."""
    try:
        parts = [f"{_SHORT.get(kind, kind)}={text(value)}" for rdn in _rdns(name) for kind, value in _attributes(rdn)]
    except ValueError:
        return "malformed name"
    return printable(", ".join(reversed(parts)), MAX_PRINTED) or "empty name"


_SHORT = {
    COMMON_NAME: "CN",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "0.9.2342.19200300.100.1.25": "DC",
}


def _rdns(name: bytes) -> list[der.Element]:
    return der.read(name).children(der.SEQUENCE)


def _attributes(rdn: der.Element) -> list[tuple[str, der.Element]]:
    found = []
    for attribute in rdn.children(der.SET):
        match attribute.children(der.SEQUENCE):
            case [kind, value]:
                found.append((der.object_identifier(kind), value))
            case _:
                raise ValueError("malformed name: an attribute needs a type and a value")
    return found


def _folded(value: der.Element) -> str | bytes:
    found = _decoded(value)
    if found is None:
        return value.encoded
    return " ".join(unicodedata.normalize("NFKC", found).casefold().split())
