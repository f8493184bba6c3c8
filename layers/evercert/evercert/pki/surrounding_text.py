"""Mistakes in the text around a name: quotes, brackets, prefixes, ports, paths, queries, comments."""

from __future__ import annotations

import re
from urllib.parse import unquote

from evercert.origins import DOTS
from evercert.pki.address_mistakes import Mistake, address_range, meaning, network, wildcard
from evercert.pki.embedded_hosts import is_address, is_name

# As OpenSSL, keytool, cert-manager and RFC 5280 call the kinds of names; `DNS.1 = …` is from openssl.cnf.
_PREFIX = re.compile(
    r"(?P<prefix>(?:dns(?:[ _-]?names?)?|ip(?:[ _-]?addr(?:ess(?:es)?)?)?|ur[il]s?|uniformresourceidentifier|"
    r"e-?mail(?:[ _-]?address(?:es)?)?|rfc822(?:[ _-]?name)?|/?cn|common[ _-]?name|san|subject[ _-]?alt(?:[ _-]?name)?)"
    r"(?:\.[0-9]{1,3})?\s*[:=])\s*(?P<rest>.+)",
    re.IGNORECASE,
)
_UNSUPPORTED = re.compile(r"(?:othername|dirname|rid|registeredid|upn)\s*[:=].*", re.IGNORECASE)
_MAIL_URL = re.compile(r"mailto:(?P<address>[^?]*).*", re.IGNORECASE)
_DISPLAY_NAME = re.compile(r"[^<>]*<(?P<address>[^<>@\s]+@[^<>@\s]+)>")
_URL = re.compile(
    r"(?:(?P<scheme>[Hh][Tt]{2}[Pp][Ss]?(?=:)|[A-Za-z][A-Za-z0-9+.-]*(?=://[^/])):/{1,3}|//)(?:[^/?#@]*@)?(?P<host>[^/?#]*).*"
)
_PORT = re.compile(r"(?P<host>.+):(?P<port>[0-9]{1,5}|https?|\*)")
_QUERY = re.compile(r"(?P<host>[^?#]+)[?#].*")
QUOTES = "\"'`\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb"
_OPENING, _CLOSING = "[({<", "])}>"
BRACKETS = _OPENING + _CLOSING
_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")
_WORD_BEFORE = re.compile(r"(?P<word>[A-Za-z][\w-]*\s*(?:[:=]/*|/+))\s*(?P<rest>[^/\s].*)")
_GROUP = re.compile(r"[_-][0-9A-Fa-f]{1,4}:$")
_SIGNS = {"/": "path", "?": "query", "#": "fragment", ":": "colon or a port"}
_AFTER_LABEL = re.compile(r"(?P<host>[^/?#:]*)(?P<sign>[/?#:]).*")
# A last label of two or more letters, as a top-level domain.
_DOTTED = re.compile(rf"[^\s@:/]*[{DOTS}][^\W\d_]{{2,63}}")


def looks_like_a_host(value: str) -> bool:
    """Return whether the last label has only letters, as a top-level domain."""
    return _DOTTED.fullmatch(value) is not None


def is_full(value: str) -> bool:
    """Return whether it is an IP address, or a DNS name with a dot and a last label of letters."""
    return is_address(value) or (looks_like_a_host(value) and is_name(value))


def has_prefix(value: str) -> bool:
    """Return whether text such as `DNS:` or `IP Address:` precedes the name."""
    return _PREFIX.fullmatch(value) is not None


def quotes(value: str) -> Mistake | None:
    """Report quotes at one end or both."""
    inner = value.strip(QUOTES)
    both = value[:1] in QUOTES and value[-1:] in QUOTES
    return (
        meaning("has quotes in the value", inner) if inner != value and (is_name if both else is_full)(inner) else None
    )


def mail_url(value: str) -> Mistake | None:
    """Report `mailto:ops@example.com`."""
    found = _MAIL_URL.fullmatch(value)
    if found is None:
        return None
    meant = (found["address"],) if "@" in found["address"] else ()
    return Mistake("is a URL (mailto:), not an e-mail address", meant, "write an address such as ops@example.com")


def display_name(value: str) -> Mistake | None:
    """Report `Ops <ops@example.com>`."""
    found = _DISPLAY_NAME.fullmatch(value)
    return Mistake("has angle brackets", (found["address"],)) if found else None


def url(value: str) -> Mistake | None:
    """Report `https://www.example.com/` and `//www.example.com`; a SPIFFE id is a name."""
    found = _URL.fullmatch(value)
    if found is None or (found["scheme"] or "").lower() == "spiffe":
        return None
    host = found["host"]
    if (inner := port(host) or brackets(host)) is not None and inner.meant:
        host = inner.meant[0]
    return meaning("is a URL, not a host", host) if found["scheme"] or is_full(host) else None


def prefix(value: str) -> Mistake | None:
    """Report `DNS:www.example.com`, also several of them in one value."""
    if _UNSUPPORTED.fullmatch(value):
        kind = re.split("[:=]", value)[0].strip()
        advice = "write a DNS name, an IP address, a URI or an e-mail address"
        return Mistake(f"has the prefix {kind!r}, a kind of name that evercert does not request", advice=advice)
    found = _PREFIX.fullmatch(value)
    if found is None:
        return None
    parts = [_PREFIX.fullmatch(part) for part in re.split(r"\s*[,;]\s*", value)]
    names = [_without_prefixes(part["rest"]) for part in parts if part is not None]
    if len(names) != len(parts) or not all(is_name(name) or "@" in name or "://" in name for name in names):
        return None
    return Mistake(f"has the prefix {found['prefix']!r}", tuple(names))


def _without_prefixes(value: str) -> str:
    """Remove prefixes, also two of them: `subjectAltName=DNS:www.example.com`."""
    for _ in range(2):
        found = _PREFIX.fullmatch(value)
        value = value if found is None else found["rest"]
    return value


def wrapped_addresses(value: str) -> Mistake | None:
    """Report `DNS:192.0.2.1-9` and `(192.0.2.0/24)`: several addresses after a prefix, or in quotes or brackets."""
    inner = _without_prefixes(value.strip(QUOTES + BRACKETS)).strip(QUOTES + BRACKETS)
    return None if inner == value else address_range(inner) or network(inner) or wildcard(inner)


def brackets(value: str) -> Mistake | None:
    """Report `[2001:db8::1]:443` and `(www.example.com)`; brackets of one kind, at one end or both."""
    host, number = value, ""
    if (with_port := _PORT.fullmatch(value)) is not None and with_port["host"][-1] in _CLOSING:
        host, number = with_port["host"], with_port["port"]
    inner = host.lstrip(_OPENING).rstrip(_CLOSING)
    if inner == host or not is_full(inner.partition("%")[0]):
        return None
    return meaning("has brackets and a port" if number else "has brackets", inner)


def brackets_of_label(value: str) -> Mistake | None:
    """Report `(prod)`, which is other text in a common name."""
    inner = value.strip(_OPENING + _CLOSING)
    return meaning("has brackets", inner) if inner != value and is_name(inner) else None


def port(value: str) -> Mistake | None:
    """Report `www.example.com:8443`."""
    found = _PORT.fullmatch(value)
    if found is None or ":" in found["host"] or not is_name(found["host"]):
        return None
    return meaning(f"has a port ({found['port']})", found["host"])


def path(value: str) -> Mistake | None:
    """Report `www.example.com/login`."""
    host = value.partition("/")[0]
    if "/" in value and (with_port := port(host)) is not None and is_full(with_port.meant[0]):
        return meaning("has a port and a path", *with_port.meant)
    return meaning("has a path", host) if "/" in value and is_full(host) else None


def query(value: str) -> Mistake | None:
    """Report `www.example.com?x=1` and `www.example.com#top`."""
    found = _QUERY.fullmatch(value)
    if found is None:
        return None
    with_port = port(found["host"])
    host = with_port.meant[0] if with_port is not None and with_port.meant else found["host"]
    return meaning("has a query or a fragment", host) if is_full(host) else None


def zone(value: str) -> Mistake | None:
    """Report `fe80::1%eth0`."""
    address = value.partition("%")[0]
    return meaning("has a zone", address) if "%" in value and is_address(address) else None


def percent_encoding(value: str) -> Mistake | None:
    """Report `www%2Eexample%2Ecom` and `web%20`."""
    decoded = unquote(value).strip()
    return meaning("is percent-encoded", decoded) if _ENCODED.search(value) and is_name(decoded) else None


def word_before(value: str) -> Mistake | None:
    """Report `host/www.example.com`, `https:www.example.com` and `server=www.example.com`."""
    found = _WORD_BEFORE.fullmatch(value)
    if found is None:
        return None
    rest = found["rest"]
    nested = port(rest) or path(rest) or query(rest)
    host = nested.meant[0] if nested is not None and nested.meant else rest
    if not is_full(host):
        return None
    if ":" in host and _GROUP.search(found["word"]):  # `node-2001:db8::1`: where the address begins is unknown
        return Mistake("has other text before an IPv6 address", advice="write the address alone")
    return meaning(f"has the text {found['word'].strip()!r} before the name", host)


def text_after_label(value: str) -> Mistake | None:
    """Report a path, a query or a colon after a name without a dot, and a port or a query without a name."""
    found = _AFTER_LABEL.fullmatch(value)
    if found is None:
        return None
    kind = _SIGNS[found["sign"]]
    if not found["host"]:
        return Mistake(f"has a {kind} without a name before it")
    return Mistake(f"has a {kind} after the name") if is_name(found["host"]) else None


def comment(value: str) -> Mistake | None:
    """Report text beside hosts or e-mail addresses: `www.example.com (prod)`."""
    words = [word.strip(f"{_OPENING}{_CLOSING}{QUOTES}#") for word in re.split(r"[\s,;|]+", value)]
    names = [word for word in words if is_full(word) or ("@" in word and is_full(word.rpartition("@")[2]))]
    if len(words) == 1 or not names:
        return None
    if len(names) > 1:
        return Mistake("is a list of names", tuple(names))
    return Mistake("has other text beside the name", possible=names[0], condition=" alone")
