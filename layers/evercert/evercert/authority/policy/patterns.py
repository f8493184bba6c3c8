"""Value patterns of policies: `*` matches any run of characters, and a pattern must match the whole value.

Patterns of domain components are lists of labels, and `*` stays within its label.
"""

from __future__ import annotations

import ipaddress
import posixpath
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from urllib.parse import unquote_to_bytes, urlsplit, urlunsplit

LONGEST = 255
COMPILED = 1_024  # cached texts of at most LONGEST characters: patterns of policies, including refused ones
_WRONG_CHARACTERS = f"must have 1 to {LONGEST} printable characters, without spaces around them"
_UNRESERVED = re.compile(r"%(?:2D|2E|5F|7E|3[0-9]|[46][1-9A-F]|[57][0-9A])", re.IGNORECASE)  # RFC 3986 §2.3
_SPACES = re.compile(r"\s+")
_PORTS = {"http": ":80", "https": ":443", "wss": ":443", "ldap": ":389"}


def fold(text: str) -> str:
    """Normalize case, width and runs of spaces, so that names equal under RFC 5280 §7.1 compare equal."""
    if text.isascii():
        folded = text.lower()
    else:
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return _SPACES.sub(" ", folded)


def pattern_problem(kind: str, pattern: str) -> str | None:
    """Return why a pattern is invalid, or None. `kind` is a type of the policy: `dns_name`, `country`."""
    return _problem(kind, pattern) if len(pattern) <= LONGEST else _WRONG_CHARACTERS  # long ones are not kept


@lru_cache(COMPILED)
def _problem(kind: str, pattern: str) -> str | None:
    if not pattern or not pattern.isprintable() or pattern != pattern.strip():
        return _WRONG_CHARACTERS
    if kind == "domain_component" and not all(part and part == part.strip() for part in pattern.split(",")):
        return "must be a comma-separated list without spaces, such as example,com"
    if kind in {"dns_name", "ip_address", "email", "uri"} and not pattern.isascii():
        return "must be ASCII; write international names as A-labels (xn--…)"
    return None


def allows(kind: str, pattern: str, value: str) -> bool:
    """Return whether the pattern matches the value; a URI must match in every spelling."""
    if pattern_problem(kind, pattern):
        return False
    if kind == "domain_component":
        return _same(pattern.split(","), value.split(","))
    known = pattern_spellings(kind, pattern)
    found = [any(matches(one, spelling) for one in known) for spelling in value_spellings(kind, value)]
    return all(found) if kind == "uri" else any(found)


def denies(kind: str, pattern: str, value: str) -> bool:
    """Return whether the pattern matches any spelling of the value, or a host that a wildcard value covers."""
    if pattern_problem(kind, pattern):
        return True
    if kind == "domain_component":
        wanted, found = pattern.split(","), value.split(",")
        windows = range(len(found) - len(wanted) + 1)
        return any(_same(wanted, found[start : start + len(wanted)]) for start in windows)
    for one in pattern_spellings(kind, pattern):
        if any(matches(one, spelling) for spelling in value_spellings(kind, value)):
            return True
        if kind in {"dns_name", "common_name"} and value.startswith("*.") and meets(one, value):
            return True
    return False


def matches(pattern: str, value: str) -> bool:
    """Return whether the pattern matches; uses no regular expression, so it cannot backtrack exponentially."""
    return _matches(_pieces(pattern), fold(value))


def matches_exactly(pattern: str, value: str) -> bool:
    """Return whether the pattern matches, in the same case and spelling."""
    return _matches(pattern.split("*"), value)


@lru_cache(COMPILED)
def _pieces(pattern: str) -> tuple[str, ...]:
    return tuple(fold(piece) for piece in pattern.split("*"))


def _matches(pieces: Sequence[str], text: str) -> bool:
    if len(pieces) == 1:
        return pieces[0] == text
    first, *middle, last = pieces
    if len(text) < len(first) + len(last) or not (text.startswith(first) and text.endswith(last)):
        return False
    start, end = len(first), len(text) - len(last)
    for piece in middle:  # the earliest match leaves the most text for the rest
        found = text.find(piece, start, end)
        if found < 0:
            return False
        start = found + len(piece)
    return True


def meets(pattern: str, wildcard: str) -> bool:
    """Return whether the pattern matches any host of a wildcard name (one label in place of its star)."""
    steps, rest = fold(pattern), fold(wildcard[1:])
    places = _after_label(steps)
    for letter in rest:
        places = set(_after(steps, places, letter))
    return len(steps) in _skipped(steps, places)


def _after_label(steps: str) -> set[int]:
    """Return the positions in the pattern after one or more characters of a label."""
    seen: set[int] = set()
    new = {0}
    while new:
        new = set(_after(steps, new, None)) - seen
        seen |= new
    return seen


def _after(steps: str, places: set[int], letter: str | None) -> Iterator[int]:
    """Yield the positions after one more character; None is any character except a dot."""
    for place in _skipped(steps, places):
        if place == len(steps):
            continue
        if steps[place] == "*":
            yield place
        elif steps[place] == letter or (letter is None and steps[place] != "."):
            yield place + 1


def _skipped(steps: str, places: set[int]) -> set[int]:
    """Add the positions after stars that match nothing."""
    found = set(places)
    for place in places:
        while place < len(steps) and steps[place] == "*":
            place += 1  # noqa: PLW2901 (advances past consecutive stars)
            found.add(place)
    return found


def value_spellings(kind: str, value: str) -> tuple[str, ...]:
    """Return the equivalent spellings of a value: expanded IP addresses, normalized URIs."""
    if kind == "ip_address":
        address = ipaddress.ip_address(value)
        return (str(address), address.exploded)
    return (value, _normal(value)) if kind == "uri" else (value,)


@lru_cache(COMPILED)
def pattern_spellings(kind: str, pattern: str) -> tuple[str, ...]:
    """Return the equivalent spellings of a pattern without a star."""
    if kind == "ip_address" and "*" not in pattern:
        try:
            return (str(ipaddress.ip_address(pattern)),)
        except ValueError:
            return (pattern,)
    return (pattern, _normal(pattern)) if kind == "uri" and "*" not in pattern else (pattern,)


def _normal(uri: str) -> str:
    """Normalize a URI: remove dot segments, needless escapes and default ports (RFC 3986 §6.2.2, §6.2.3)."""
    plain = _UNRESERVED.sub(lambda found: unquote_to_bytes(found.group()).decode(), uri)
    try:
        parts = urlsplit(plain)
    except ValueError:
        return plain
    path = posixpath.normpath(parts.path) if parts.path else "/" if parts.netloc else ""
    path = "/" + path.lstrip("/") if path.startswith("/") else path
    if parts.path.endswith("/") and not path.endswith("/"):
        path += "/"
    host = parts.netloc.removesuffix(_PORTS.get(parts.scheme.lower(), ":"))
    return urlunsplit((parts.scheme, host, path, parts.query, parts.fragment))


def _same(patterns: list[str], values: list[str]) -> bool:
    return len(patterns) == len(values) and all(map(matches, patterns, values))
