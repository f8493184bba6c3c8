"""The rule for the common name: a host becomes an alternative name; what only looks like one is refused.

Clients match alternative names only (RFC 9525 §2). Documents, CSRs, the authority and the check of
answers use this rule.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from contextlib import suppress

from evercert.origins import to_a_labels
from evercert.pki.identifiers import Identifier, parse
from evercert.schema import printable

LONGEST = 64  # ub-common-name, RFC 5280 appendix A.1
# The dots of UTS 46 §2.3 separate labels.
_DOTS = ".\u3002\uff0e\uff61"
_HOST = re.compile(rf"[^\s@:/,{_DOTS}]+(?:[{_DOTS}][^\s@:/,{_DOTS}]+)+")
_PLACEHOLDER = re.compile(r"\$[A-Za-z_{(]|\{\{|\}\}|\{%|<[^<>]+>|%[A-Za-z_]+%")
_PREFIX = re.compile(r"(?:dns|ip|ip address|uri|email|mailto|/?cn)\s*[:=]\s*(?P<rest>.+)", re.IGNORECASE)
_PORT = re.compile(r"(?P<host>.+):(?P<port>[0-9]{1,5})")
_BRACKETS = re.compile(r"\[(?P<host>[0-9A-Fa-f:.%]+)\](?::[0-9]+)?")
# A last label of two or more letters, as a top-level domain.
_DOTTED = re.compile(rf"[^\s@:/]*[{_DOTS}][^\W\d_]{{2,63}}")
_FOUR_NUMBERS = re.compile(r"[0-9]{1,10}(?:\.[0-9]{1,10}){3}")
_IN_ALT_NAMES = "write the host alone, or leave the common name out and write alt-names"


def checked(value: str) -> str:
    """Return the common name, an international host as A-labels; raise ValueError with the reason and the remedy."""
    if not value.isascii() and _HOST.fullmatch(value):
        value = to_a_labels(value)
    if not 0 < len(value.encode(errors="replace")) <= LONGEST or not value.isprintable():
        raise ValueError(
            "a common name has 1 to 64 printable characters, fewer where they are not ASCII; write a longer host in"
            " alt-names, and leave the common name out"
        )
    if value != value.strip():
        raise ValueError(f"common name {value!r}: remove the spaces around it")
    if host_of(value) is None and (why := _slip(value)):
        raise ValueError(f"common name {value!r} {why}; {_IN_ALT_NAMES}")
    return value


def identifier_of(value: str) -> Identifier | None:
    """Return the alternative name that the common name becomes; None for other text, such as `Payroll service`."""
    with suppress(ValueError):
        return parse(value)
    return None


def host_of(value: str) -> Identifier | None:
    """Return the common name as a DNS name or IP address, or None for other text."""
    found = identifier_of(value)
    if found is None or found.kind not in ("dns", "ip") or _PREFIX.fullmatch(value):
        return None
    return found


def misfits(found: Sequence[str], requested: str | None, names: Sequence[Identifier]) -> list[str]:
    """List what is wrong with the common names of an answer: absent or equal is right.

    Without a requested one, a CA may repeat a requested name, cut to 64 characters.
    """
    if len(found) > 1:
        return [f"it has {len(found)} common names; a certificate has one"]
    allowed = [requested] if requested is not None else [name.value[:LONGEST] for name in names]
    if not found or _folded(found[0]) in map(_folded, allowed):
        return []
    return [f"its common name is {printable(repr(found[0]), 100)}; requested was {requested or 'none'}"]


def _folded(value: str) -> str:
    """Normalize case and spaces, which do not distinguish names (RFC 5280 §7.1)."""
    return " ".join(value.casefold().split())


def _slip(value: str) -> str | None:
    """Return why text that looks like a host is none; None for other text."""
    return next((why for is_so, why in _SLIPS if is_so(value)), None) or _invalid_host(value)


def _is_url(value: str) -> bool:
    return "://" in value and not value.lower().startswith("spiffe://")


def _has_prefix(value: str) -> bool:
    found = _PREFIX.fullmatch(value)
    return found is not None and _is_name(found["rest"])


def _has_port(value: str) -> bool:
    found = _PORT.fullmatch(value)
    return _BRACKETS.fullmatch(value) is not None or (found is not None and _is_name(found["host"]))


def _invalid_host(value: str) -> str | None:
    if not (_DOTTED.fullmatch(value) or _FOUR_NUMBERS.fullmatch(value) or "xn--" in value.lower()):
        return None
    return f"looks like a host, but is not a valid one{_reason(value)}"


def _reason(value: str) -> str:
    try:
        parse(f"dns:{value}")
    except ValueError as error:
        return f" ({str(error).partition(' (')[0]})"
    return ""


def _is_name(value: str) -> bool:
    """Return whether it is a DNS name, a single label included, or an IP address."""
    return host_of(value) is not None


def _is_full_host(value: str) -> bool:
    """Return whether it is an IP address, or a DNS name with a dot and a last label of letters."""
    with suppress(ValueError):
        return bool(ipaddress.ip_address(value))
    return _DOTTED.fullmatch(value) is not None and _is_name(value)


def _has_host_with_space(value: str) -> bool:
    """Return whether spaces, commas or semicolons split or follow a host: `www .example.com`, `my host.example.com`."""
    parts = re.split(r"[\s,;]+", value)
    if len(parts) == 1:
        return False
    return _is_full_host(parts[-1]) or any(part[:1] == "." and part[1:2].isalpha() for part in parts)


# The first that applies is reported.
_SLIPS: tuple[tuple[Callable[[str], bool], str], ...] = (
    (lambda value: _PLACEHOLDER.search(value) is not None, "has a placeholder: was the document rendered?"),
    (_is_url, "is a URL"),
    (lambda value: "*" in value, "has a wildcard that is not the whole first label of a DNS name (*.example.com)"),
    (_has_prefix, "has a prefix"),
    (_has_port, "has brackets or a port"),
    (lambda value: "/" in value and _is_full_host(value.partition("/")[0]), "has a path or a prefix length"),
    (lambda value: "%" in value and _is_name(value.partition("%")[0]), "has a zone"),
    (lambda value: _is_name(value.strip(_DOTS)), "begins or ends with a dot"),
    (_has_host_with_space, "has a space or a list in a host"),
)
