"""Mistakes in names: why text that is almost a host or an address is invalid, and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable

from evercert.origins import DOTS
from evercert.pki import address_mistakes, other_name_kinds, placeholders
from evercert.pki import surrounding_text as surrounding
from evercert.pki.address_mistakes import Mistake, meaning
from evercert.pki.embedded_hosts import is_address, is_name
from evercert.pki.surrounding_text import has_prefix, is_full, looks_like_a_host

__all__ = ["find", "find_in_name", "has_prefix", "looks_like_a_host"]
_Checks = tuple[tuple[str, Callable[[str], Mistake | None]], ...]
LONGEST = 1_000  # characters; longer text is not a name with a mistake
_DIGITS_AND_COLON = "0123456789:"
_SEPARATORS = re.compile(r"[\s,;]+")
_LIST_SEPARATORS = re.compile(r"[\s,;|&+]+")
_PATTERN = re.compile(r"(?P<before>[^\s\[\]{}()]*)[\[{(][^\s\[\]{}()]*(?:[-,|]|\.\.)[^\s\[\]{}()]*[\]})](?P<after>\S*)")


def find(value: str) -> Mistake | None:
    """Return the first mistake in text that may also be no name, such as the common name `Payroll service`."""
    return _first(value, _CHECKS)


def find_in_name(value: str) -> Mistake | None:
    """Return the first mistake in text that must be a name: an alternative name, or the host of an e-mail address."""
    return _first(value, (*_CHECKS, *_CHECKS_OF_NAMES))


def _first(value: str, checks: _Checks) -> Mistake | None:
    if len(value) > LONGEST:
        return None
    present = set(value)
    for characters, check in checks:
        if (not characters or not present.isdisjoint(characters)) and (mistake := check(value)) is not None:
            return mistake
    return None


def _placeholder(value: str) -> Mistake | None:
    found = placeholders.has_placeholder(value)
    return Mistake(placeholders.REASON, advice=placeholders.QUESTION) if found else None


def _wildcard(value: str) -> Mistake | None:
    """Report a wildcard in a wrong place; its message is about wildcards only."""
    first, dot, domain = value.partition(".")
    if "*" not in value or (first == "*" and "." in domain and "*" not in domain):
        return None
    if first == "*" and dot and "*" not in domain:
        advice = "write each host, or a wildcard with a longer name (*.example.com)"
        return Mistake("has a wildcard for a whole top-level domain, which clients refuse", advice=advice)
    why = "has a wildcard that is not the whole first label of a name with at least two more (*.example.com)"
    return Mistake(why, advice="write each host")


def _dots(value: str) -> Mistake | None:
    bare = value.strip(DOTS)
    if bare == value or not is_name(bare):
        return None
    if value[0] in DOTS:
        is_domain = "." in bare and not is_address(bare)
        below = f", or *.{bare} for the names directly below it" if is_domain else ""
        return Mistake("begins with a dot", possible=bare, condition=below)
    return meaning("ends with a dot", bare)


def _list(value: str) -> Mistake | None:
    """Report several names in one value: not `Example Ltd., Berlin`, which has no host at its end."""
    parts = [part for part in _LIST_SEPARATORS.split(value) if part]
    if len(parts) > 1 and all(map(is_full, parts)):
        return Mistake("is a list of names", tuple(parts))
    if len(parts) == 1 and parts[0] != value and is_full(parts[0]):
        return meaning("has spaces or separators around the name", parts[0])
    return None


def _space(value: str) -> Mistake | None:
    """Report spaces, commas or semicolons in a host: `www .example.com`, `my host.example.com`."""
    parts = _SEPARATORS.split(value)
    if len(parts) == 1:
        return None
    if is_full(parts[-1]) or any(part[:1] == "." and part[1:2].isalpha() for part in parts):
        return Mistake("has a space or a list in a host", advice="write one name without spaces in each item")
    return None


def _list_of_labels(value: str) -> Mistake | None:
    """Report names without a dot in one value, such as `web,db`; as a common name this is other text."""
    parts = [part for part in re.split(r"\s*[,;|]\s*", value) if part]
    return Mistake("is a list of names", tuple(parts)) if len(parts) > 1 and all(map(is_name, parts)) else None


def _pattern(value: str) -> Mistake | None:
    """Report `web[1-3].example.com` and `192.0.2.{1..9}`."""
    found = _PATTERN.fullmatch(value)
    if found is None or not (found["before"] or found["after"]):
        return None
    return Mistake("is a pattern for several names", advice="write each name as one item of alt-names")


# The first that applies is reported. A check runs only if the text has one of its characters; "" is any text.
_CHECKS: _Checks = (
    ("", _placeholder),
    (surrounding.QUOTES, surrounding.quotes),
    (":", surrounding.mail_url),
    ("<", surrounding.display_name),
    ("/", surrounding.url),
    (":=", surrounding.prefix),
    (_DIGITS_AND_COLON, surrounding.wrapped_addresses),
    ("=", other_name_kinds.host_in_distinguished_name),
    ("*", address_mistakes.wildcard),
    (_DIGITS_AND_COLON, address_mistakes.address_range),
    (_DIGITS_AND_COLON, address_mistakes.network),
    ("0", address_mistakes.leading_zeros),
    (",", address_mistakes.commas),
    (surrounding.BRACKETS, surrounding.brackets),
    (":", surrounding.port),
    ("*", _wildcard),
    ("/", surrounding.path),
    ("?#", surrounding.query),
    ("%", surrounding.zone),
    ("%", surrounding.percent_encoding),
    (DOTS, _dots),
    ("", _list),
    ("", _space),
)
# These read text that is valid as a common name.
_CHECKS_OF_NAMES: _Checks = (
    (",;|", _list_of_labels),
    (surrounding.BRACKETS, _pattern),
    (":-", address_mistakes.malformed),
    ("@", other_name_kinds.principal),
    (":", other_name_kinds.bare_uri),
    ("=", other_name_kinds.distinguished_name),
    (surrounding.BRACKETS, surrounding.brackets_of_label),
    (":=/", surrounding.word_before),
    ("", surrounding.comment),
    ("/?#:", surrounding.text_after_label),
)
