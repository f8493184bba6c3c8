"""Mistakes in names: why text that is almost a host or an address is invalid, and what to write instead."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import NamedTuple

from evercert.origins import DOTS
from evercert.pki.embedded_hosts import is_address, is_name

_PLACEHOLDER = re.compile(
    r"\$[A-Za-z_{(]|\{\{|\}\}|\{%|\[%|#\{|\(\(|<[^<>@]+>|%[A-Za-z_]+%|@[A-Za-z_]+@|__[A-Za-z_]+__|CHANGE_?ME\b|\bYOUR_[A-Z]"
)
# As OpenSSL, keytool, cert-manager and RFC 5280 call the kinds of names; `DNS.1 = …` is from openssl.cnf.
_PREFIX = re.compile(
    r"(?P<prefix>(?:dns(?:[ _-]?names?)?|ip(?:[ _-]?addr(?:ess(?:es)?)?)?|ur[il]s?|uniformresourceidentifier|"
    r"e-?mail(?:[ _-]?address(?:es)?)?|rfc822(?:[ _-]?name)?|/?cn|common[ _-]?name|san|subject[ _-]?alt(?:[ _-]?name)?)"
    r"(?:\.[0-9]{1,3})?\s*[:=])\s*(?P<rest>.+)",
    re.IGNORECASE,
)
_UNSUPPORTED = re.compile(r"(?:othername|dirname|rid|registeredid|upn)\s*[:=].*", re.IGNORECASE)
_MAIL_URL = re.compile(r"mailto:(?P<address>[^?]+).*", re.IGNORECASE)
_DISPLAY_NAME = re.compile(r"[^<>]*<(?P<address>[^<>@\s]+@[^<>@\s]+)>")
_URL = re.compile(
    r"(?:(?P<scheme>[Hh][Tt]{2}[Pp][Ss]?(?=:)|[A-Za-z][A-Za-z0-9+.-]*(?=://[^/])):/{1,3}|//)(?:[^/?#@]*@)?(?P<host>[^/?#]*).*"
)
_PORT = re.compile(r"(?P<host>.+):(?P<port>[0-9]{1,5}|https?|\*)")
_BRACKETS = re.compile(r"\[(?P<host>[0-9A-Fa-f:.%]+)\](?P<port>:[0-9]{1,5})?")
_QUOTED = re.compile(r"(?P<quote>[\"'`])(?P<inner>.+)(?P=quote)")
_RANGE = re.compile(r"(?P<first>[0-9A-Fa-f:.]+)\s*-\s*(?P<last>[0-9A-Fa-f:.]+)")
_SEPARATORS = re.compile(r"[\s,;]+")
# A last label of two or more letters, as a top-level domain.
_DOTTED = re.compile(rf"[^\s@:/]*[{DOTS}][^\W\d_]{{2,63}}")
LONGEST = 1_000  # characters; longer text is not a name with a mistake
WILDCARD = "a wildcard is the whole first label of a name with at least two more (*.example.com)"


class Mistake(NamedTuple):
    """Reason and remedy for one name; `meant` is the name that was certainly meant, or the names of a list."""

    why: str
    meant: tuple[str, ...] = ()
    advice: str = ""

    def remedy(self, otherwise: str) -> str:
        """Return what to write."""
        if len(self.meant) > 1:
            return f"write one item for each name: {', '.join(self.meant)}"
        return f"write {self.meant[0]}" if self.meant else self.advice or otherwise


def find(value: str) -> Mistake | None:
    """Return the first mistake that applies; None for valid names and for other text, such as `Payroll service`."""
    if len(value) > LONGEST:
        return None
    return next((mistake for check in _CHECKS if (mistake := check(value)) is not None), None)


def has_prefix(value: str) -> bool:
    """Return whether text such as `DNS:` or `IP Address:` precedes the name."""
    return _PREFIX.fullmatch(value) is not None


def has_placeholder(value: str) -> bool:
    """Return whether a template or a shell should have replaced a part of it."""
    return _PLACEHOLDER.search(value) is not None


def looks_like_a_host(value: str) -> bool:
    """Return whether the last label has only letters, as a top-level domain."""
    return _DOTTED.fullmatch(value) is not None


def _is_full(value: str) -> bool:
    """Return whether it is an IP address, or a DNS name with a dot and a last label of letters."""
    return is_address(value) or (looks_like_a_host(value) and is_name(value))


def _named(why: str, *meant: str, advice: str = "") -> Mistake:
    return Mistake(why, tuple(name for name in meant if is_name(name)), advice)


def _placeholder(value: str) -> Mistake | None:
    return Mistake("has a placeholder", advice="was the document rendered?") if has_placeholder(value) else None


def _quotes(value: str) -> Mistake | None:
    found = _QUOTED.fullmatch(value)
    return _named("has quotes in the value", found["inner"]) if found and is_name(found["inner"]) else None


def _mail_url(value: str) -> Mistake | None:
    found = _MAIL_URL.fullmatch(value)
    return Mistake("is a URL (mailto:), not an e-mail address", (found["address"],)) if found else None


def _display_name(value: str) -> Mistake | None:
    found = _DISPLAY_NAME.fullmatch(value)
    return Mistake("has angle brackets", (found["address"],)) if found else None


def _url(value: str) -> Mistake | None:
    found = _URL.fullmatch(value)
    if found is None or (found["scheme"] or "").lower() == "spiffe":
        return None
    host = found["host"]
    if (inner := _port(host) or _brackets(host)) is not None and inner.meant:
        host = inner.meant[0]
    return _named("is a URL, not a host", host) if found["scheme"] or _is_full(host) else None


def _prefix(value: str) -> Mistake | None:
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


def _network(value: str) -> Mistake | None:
    if (found := _RANGE.fullmatch(value)) and is_address(found["first"]) and is_address(found["last"]):
        return Mistake("is a range of addresses", advice="write each address: certificates contain single addresses")
    address, slash, _ = value.partition("/")
    if not slash or not is_address(address):
        return None
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        return _named("has a path or a prefix length", address)
    if network.num_addresses == 1:
        return _named("has a prefix length (CIDR)", address)
    advice = "write each address: certificates contain single addresses"
    return Mistake("is a network (CIDR), not an address", advice=advice)


def _brackets(value: str) -> Mistake | None:
    found = _BRACKETS.fullmatch(value)
    if found is None:
        return None
    return _named("has brackets and a port" if found["port"] else "has brackets", found["host"])


def _port(value: str) -> Mistake | None:
    found = _PORT.fullmatch(value)
    return _named(f"has a port ({found['port']})", found["host"]) if found and is_name(found["host"]) else None


def _path(value: str) -> Mistake | None:
    host = value.partition("/")[0]
    if "/" in value and (port := _port(host)) is not None and _is_full(port.meant[0]):
        return _named("has a port and a path", *port.meant)
    return _named("has a path", host) if "/" in value and _is_full(host) else None


def _zone(value: str) -> Mistake | None:
    address = value.partition("%")[0]
    return _named("has a zone", address) if "%" in value and is_name(address) else None


def _wildcard(value: str) -> Mistake | None:
    """Report a wildcard in a wrong place; its message is about wildcards only."""
    first, dot, domain = value.partition(".")
    if "*" not in value or (first == "*" and "." in domain and "*" not in domain):
        return None
    if first == "*" and dot and "*" not in domain:
        advice = "write each host, or a wildcard with a longer name"
        return Mistake(f"has a wildcard for a whole top-level domain, which clients refuse: {WILDCARD}", advice=advice)
    why = f"has a wildcard that is not the whole first label of a DNS name: {WILDCARD}"
    return Mistake(why, advice="write each host")


def _dots(value: str) -> Mistake | None:
    bare = value.strip(DOTS)
    if bare == value or not is_name(bare):
        return None
    if value[0] in DOTS:
        return _named("begins with a dot", advice=f"write {bare}, or *.{bare} for the names directly below it")
    return _named("ends with a dot", bare)


def _list(value: str) -> Mistake | None:
    """Report several names in one value: not `Example Ltd., Berlin`, which has no host at its end."""
    parts = [part for part in _SEPARATORS.split(value) if part]
    if len(parts) > 1 and all(map(_is_full, parts)):
        return Mistake("is a list of names", tuple(parts))
    if len(parts) == 1 and parts[0] != value and _is_full(parts[0]):
        return _named("has spaces, commas or semicolons around the name", parts[0])
    return None


def list_of_labels(value: str) -> Mistake | None:
    """Report names without a dot in one value, such as `web,db`; as a common name this is other text."""
    parts = [part for part in re.split(r"\s*[,;]\s*", value) if part]
    return Mistake("is a list of names", tuple(parts)) if len(parts) > 1 and all(map(is_name, parts)) else None


def _space(value: str) -> Mistake | None:
    """Report spaces, commas or semicolons in a host: `www .example.com`, `my host.example.com`."""
    parts = _SEPARATORS.split(value)
    if len(parts) == 1:
        return None
    if _is_full(parts[-1]) or any(part[:1] == "." and part[1:2].isalpha() for part in parts):
        return Mistake("has a space or a list in a host", advice="write one name without spaces in each item")
    return None


# The first that applies is reported.
_CHECKS: tuple[Callable[[str], Mistake | None], ...] = (
    _placeholder,
    _quotes,
    _mail_url,
    _display_name,
    _url,
    _prefix,
    _wildcard,
    _network,
    _brackets,
    _port,
    _path,
    _zone,
    _dots,
    _list,
    _space,
)
