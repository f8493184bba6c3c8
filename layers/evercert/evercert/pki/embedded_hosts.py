"""Hosts and addresses within other text: a common name such as `(www.example.com)` was meant as a host."""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress

from evercert.origins import dns_name, to_a_labels

_TOKEN = re.compile(r"[^\W_](?:[\w.-]*\w)?")
_TOP_LEVEL = re.compile(r"[^\W\d_]{2,63}")
_NUMBERS = re.compile(r"[0-9]{1,10}(?:[.,][0-9]{1,10}){3,}")
_SPELLED = re.compile(r"www[\s,;]\S.*|www\.\S+", re.IGNORECASE)
# Names of Kubernetes (`system:node:web-1.internal`) and Kerberos (`HTTP/www.example.com@REALM`, `WEB$@REALM`).
_STRUCTURED = re.compile(
    r"(?!(?:https?|host(?:name)?|fqdn|domain|server)[:=])[A-Za-z][\w-]*(?:[:/][\w.-]+)+"
    r"|[A-Za-z][\w-]*(?:/[\w.-]+)+@[\w.-]+|[\w.-]+\$@[\w.-]+",
    re.IGNORECASE,
)
# The characters of an address: `ipaddress` needs more time to refuse other text.
_LIKE_AN_ADDRESS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}|(?=[^:]*:)[0-9A-Fa-f:.]{2,45}")
_LABELS = 3  # a name of two labels in a sentence may be a company or a product


def is_name(value: str) -> bool:
    """Return whether it is a DNS name, a single label included, or an IP address."""
    with suppress(ValueError):
        return is_address(value) or bool(dns_name(value) if value.isascii() else to_a_labels(value))
    return False


def is_address(value: str) -> bool:
    """Return whether it is an IP address without a zone."""
    if not _LIKE_AN_ADDRESS.fullmatch(value):
        return False
    with suppress(ValueError):
        ipaddress.ip_address(value)
        return True
    return False


def has_host(value: str) -> bool:
    """Return whether other text contains a host or an address, or is almost one."""
    if _STRUCTURED.fullmatch(value) or ("@" in value and not value.isascii()):
        return False
    if _NUMBERS.fullmatch(value) or _SPELLED.fullmatch(value):
        return True
    if " " not in value and ("::" in value or "@" in value):
        return True
    words = _TOKEN.finditer(value)
    return any(_is_host(word.group(), sentence=" " in value, first=word.start() == 0) for word in words)


def _is_host(token: str, *, sentence: bool, first: bool) -> bool:
    """Return whether the word is a host; in a sentence, numbers count at its beginning only: others are versions."""
    if is_address(token):
        return first or not sentence
    labels = token.split(".")
    enough = _LABELS if sentence else _LABELS - 1
    return len(labels) >= enough and _TOP_LEVEL.fullmatch(labels[-1]) is not None and is_name(token)
