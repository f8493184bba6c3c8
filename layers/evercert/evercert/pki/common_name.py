"""The rule for the common name: a host becomes an alternative name; what only looks like one is refused.

Clients match alternative names only (RFC 9525 §2). Documents, CSRs, the authority and the check of
answers use this rule. Two kinds of text with a host remain text, because they name something else:

- Names of Kubernetes and Kerberos, such as `system:node:web-1.internal` and `host/www.example.com`, identify clients.
- `example.com (prod)` has the form of `Amazon.com (Germany)`: a host of two labels in a sentence may be a company.

Neither is lost unnoticed: a server certificate needs an alternative name, and an answer must repeat the common name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from evercert.origins import DOTS, LONGEST_DNS_NAME, to_a_labels
from evercert.pki.identifiers import KINDS, Identifier, parse, parse_valid
from evercert.schema import printable

LONGEST = 64  # ub-common-name, RFC 5280 appendix A.1
_HOST = re.compile(rf"[^\s@:/,{DOTS}]+(?:[{DOTS}][^\s@:/,{DOTS}]+)+")
_FOUR_NUMBERS = re.compile(r"[0-9]{1,10}(?:\.[0-9]{1,10}){3}")
_IN_ALT_NAMES = "write the host alone, or leave the common name out and write alt-names"


def checked(value: str) -> str:
    """Return the common name, an international host as A-labels; raise ValueError with the reason and the remedy."""
    if len(value) <= LONGEST_DNS_NAME and not value.isascii() and _HOST.fullmatch(value):
        value = _with_a_labels(value)
    if not 0 < len(value.encode(errors="replace")) <= LONGEST:
        raise ValueError(
            f"a common name has 1 to {LONGEST} printable characters, fewer where they are not ASCII; write a longer"
            " host in alt-names, and leave the common name out"
        )
    if not value.isprintable():
        character = next(character for character in value if not character.isprintable())
        raise ValueError(f"a common name has 1 to {LONGEST} printable characters; remove U+{ord(character):04X}")
    if value != value.strip():
        raise ValueError(f"common name {value!r}: remove the spaces around it")
    if host_of(value) is None and (why := _objection(value)):
        raise ValueError(_masked(f"common name {value!r} {why}"))
    return value


def _with_a_labels(value: str) -> str:
    try:
        return to_a_labels(value)
    except ValueError as error:
        why = _objection(value)
        raise ValueError(f"common name {printable(repr(value), 100)} {why}" if why else str(error)) from None


def identifier_of(value: str) -> Identifier | None:
    """Return the alternative name that the common name becomes; None for other text, such as `Payroll service`."""
    return parse_valid(value)


def host_of(value: str) -> Identifier | None:
    """Return the common name as a DNS name or IP address, or None for other text."""
    found = identifier_of(value)
    if found is None or found.kind not in ("dns", "ip") or value.partition(":")[0] in KINDS:
        return None
    return found


def problem(value: str) -> str | None:
    """Return why the common name cannot stand alone, or None."""
    try:
        checked(value)
    except ValueError as error:
        return str(error)
    return None


def mismatches(found: Sequence[str], requested: str | None, names: Sequence[Identifier]) -> list[str]:
    """Return the mismatches of the common name of an answer; it must be absent or equal to the requested one.

    Without a requested one, a CA may repeat a requested name, cut to 64 characters.
    """
    if len(found) > 1:
        return [f"it has {len(found)} common names; a certificate has one"]
    allowed = [requested] if requested is not None else [name.value[:LONGEST] for name in names]
    if not found or any(_is_same(found[0], name) for name in allowed):
        return []
    return [f"its common name is {printable(repr(found[0]), 100)}; requested was {requested or 'none'}"]


def _folded(value: str) -> str:
    """Normalize characters, case and spaces, which do not distinguish names (RFC 5280 §7.1)."""
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split())


def _is_same(one: str, other: str) -> bool:
    """Return whether two common names are equal as text, or are one host in two forms."""
    if _folded(one) == _folded(other):
        return True
    host = identifier_of(one)
    return host is not None and host == identifier_of(other)


def _objection(value: str) -> str | None:
    """Return why text that looks like a host is invalid, and what to write; None for other text."""
    from evercert.pki import embedded_hosts, name_mistakes  # noqa: PLC0415 (few names need them: cold start)

    looks_like_one = name_mistakes.looks_like_a_host(value) or _FOUR_NUMBERS.fullmatch(value) or "xn--" in value.lower()
    contains_one = identifier_of(value) is None and embedded_hosts.has_host(value)
    mistake = (name_mistakes.find_in_name if looks_like_one or contains_one else name_mistakes.find)(value)
    if mistake is not None:
        mistake = mistake.proposing(lambda name: identifier_of(name) is not None)
        if mistake.meant and (len(mistake.meant) > 1 or host_of(mistake.meant[0]) is None):
            names = ", ".join(mistake.meant)
            return f"{mistake.why}; leave the common name out, and write in alt-names: {names}"
        return f"{mistake.why}; {mistake.remedy(_IN_ALT_NAMES)}"
    if looks_like_one:
        return f"looks like a host, but is not a valid one{_reason(value)}; {_IN_ALT_NAMES}"
    return f"contains a host or an address, or almost is one; {_IN_ALT_NAMES}" if contains_one else None


def _masked(value: str) -> str:
    """Hide the password of a URL."""
    return re.sub(r":[^:/@\s]+@", ":…@", value)


def _reason(value: str) -> str:
    try:
        parse(f"dns:{value}")
    except ValueError as error:
        return f" ({error})"
    return ""
