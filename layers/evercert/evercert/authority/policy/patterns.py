"""Patterns of policies: `*` is any run of characters, and the whole value has to match (contract §D.2)."""

from __future__ import annotations

import ipaddress
import posixpath
import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes, urlsplit, urlunsplit

LONGEST = 255
_UNRESERVED = re.compile(r"%(?:2D|2E|5F|7E|3[0-9]|[46][1-9A-F]|[57][0-9A])", re.IGNORECASE)  # RFC 3986 §2.3
_SPACES = re.compile(r"\s+")
_PORTS = {"http": ":80", "https": ":443", "wss": ":443", "ldap": ":389"}


def fold(text: str) -> str:
    """Names that RFC 5280 §7.1 takes for one are one: case, width and runs of spaces tell nothing apart."""
    if text.isascii():
        folded = text.lower()
    else:
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return _SPACES.sub(" ", folded)


def pattern_problem(kind: str, pattern: str) -> str | None:
    """Why no rule can have this pattern; None when it can. `kind` is a type of the policy: `dns_name`, `country`."""
    if not 0 < len(pattern) <= LONGEST or not pattern.isprintable() or pattern != pattern.strip():
        return f"a pattern has 1 to {LONGEST} printable characters, without spaces around them"
    if kind == "domain_component" and not all(part and part == part.strip() for part in pattern.split(",")):
        return "domain components are a list with commas and without spaces, such as example,com"
    if kind in {"dns_name", "ip_address", "email", "uri"} and not pattern.isascii():
        return "write international names as certificates hold them, as A-labels (xn--…)"
    return None


def allows(kind: str, pattern: str, value: str) -> bool:
    """Whether the value is one of the pattern's; one that could be read in two ways has to be it in both."""
    if pattern_problem(kind, pattern):
        return False
    if kind == "domain_component":
        return _same(pattern.split(","), value.split(","))
    known = pattern_spellings(kind, pattern)
    found = [any(matches(one, spelling) for one in known) for spelling in value_spellings(kind, value)]
    return all(found) if kind == "uri" else any(found)


def denies(kind: str, pattern: str, value: str) -> bool:
    """Whether the value is one of the pattern's in any reading, or stands for one: a wildcard for each of its hosts."""
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
    """Linear in both but for runs that repeat; no regular expression, so none that goes astray."""
    pieces, text = [fold(piece) for piece in pattern.split("*")], fold(value)
    if len(pieces) == 1:
        return pieces[0] == text
    first, *middle, last = pieces
    if len(text) < len(first) + len(last) or not (text.startswith(first) and text.endswith(last)):
        return False
    start, end = len(first), len(text) - len(last)
    for piece in middle:  # the earliest place is the best: it leaves the most for the rest
        found = text.find(piece, start, end)
        if found < 0:
            return False
        start = found + len(piece)
    return True


def meets(pattern: str, wildcard: str) -> bool:
    """Whether a host that `*.example.com` stands for (one label in place of the star) is one of the pattern's."""
    steps, rest = fold(pattern), fold(wildcard[1:])
    places = _after_label(steps)
    for letter in rest:
        places = set(_after(steps, places, letter))
    return len(steps) in _skipped(steps, places)


def _after_label(steps: str) -> set[int]:
    """Where in the pattern one can be after one or more characters of a label."""
    seen: set[int] = set()
    new = {0}
    while new:
        new = set(_after(steps, new, None)) - seen
        seen |= new
    return seen


def _after(steps: str, places: set[int], letter: str | None) -> Iterator[int]:
    """Where one can be after one more character; None is any but a dot."""
    for place in _skipped(steps, places):
        if place == len(steps):
            continue
        if steps[place] == "*":
            yield place
        elif steps[place] == letter or (letter is None and steps[place] != "."):
            yield place + 1


def _skipped(steps: str, places: set[int]) -> set[int]:
    """A star may stand for nothing."""
    found = set(places)
    for place in places:
        while place < len(steps) and steps[place] == "*":
            place += 1  # noqa: PLW2901 (walks on)
            found.add(place)
    return found


def value_spellings(kind: str, value: str) -> tuple[str, ...]:
    """Every way in which people, or programs, write this value."""
    if kind == "ip_address":
        address = ipaddress.ip_address(value)
        return (str(address), address.exploded)
    return (value, _normal(value)) if kind == "uri" else (value,)


def pattern_spellings(kind: str, pattern: str) -> tuple[str, ...]:
    """A pattern without a star is a value, and may be written as strangely as one."""
    if kind == "ip_address" and "*" not in pattern:
        try:
            return (str(ipaddress.ip_address(pattern)),)
        except ValueError:
            return (pattern,)
    return (pattern, _normal(pattern)) if kind == "uri" and "*" not in pattern else (pattern,)


def _normal(uri: str) -> str:
    """RFC 3986 §6.2.2 and §6.2.3: dot segments, needless escapes and usual ports away."""
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
