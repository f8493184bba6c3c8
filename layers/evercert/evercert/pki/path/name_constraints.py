"""Name constraints (RFC 5280 §4.2.1.10): which names the certificates below a CA may have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from evercert.pki import der
from evercert.pki.distinguished_names import EMAIL_ADDRESS, canonical, values
from evercert.pki.path.fields import NAME_CONSTRAINTS, Fields
from evercert.pki.path.general_names import (
    DIRECTORY,
    DNS,
    EMAIL,
    IP,
    IP_BYTES,
    KINDS,
    URI,
    is_address,
    is_host,
    is_mailbox,
    printed,
)

MAX_COMPARISONS = 50_000  # of names with subtrees, along one path
_PERMITTED, _EXCLUDED = 0xA0, 0xA1
_ZERO = der.Element(0x80, b"\x00", b"\x80\x01\x00")


@dataclass(frozen=True)
class Subtrees:
    """The constraints of one CA; names are (tag, contents) as in a general name."""

    permitted: tuple[tuple[int, bytes], ...]
    excluded: tuple[tuple[int, bytes], ...]

    @classmethod
    def of(cls, ca: Fields) -> Subtrees | None:
        """Return the constraints, or None without the extension; raise ValueError if they are malformed."""
        if (value := ca.extensions.get(NAME_CONSTRAINTS)) is None:
            return None
        found: dict[int, tuple[tuple[int, bytes], ...]] = {}
        for part in der.read(value).children(der.SEQUENCE):
            if part.tag not in (_PERMITTED, _EXCLUDED) or part.tag in found:
                raise ValueError("malformed name constraints")
            found[part.tag] = tuple(map(_base, part.children()))
        return cls(found.get(_PERMITTED, ()), found.get(_EXCLUDED, ()))


def faults(ca: Fields, below: list[Fields], leaf: Fields) -> Iterator[tuple[Fields, str]]:
    """Yield each certificate below the CA whose names the CA's constraints forbid, with the reason.

    Self-issued CA certificates are exempt (§6.1.3). Stops at the first fault, or after MAX_COMPARISONS.
    """
    try:
        subtrees = Subtrees.of(ca)
    except ValueError as error:
        yield ca, str(error)
        return
    if subtrees is None:
        return
    budget = MAX_COMPARISONS
    for certificate in below:
        if certificate.self_issued and certificate is not leaf:
            continue
        names = list(_names(certificate))
        budget -= len(names) * (len(subtrees.permitted) + len(subtrees.excluded))
        if budget < 0:
            yield ca, f"its name constraints need more than {MAX_COMPARISONS} comparisons"
            return
        for tag, name in names:
            if (why := _forbids(subtrees, tag, name)) is not None:
                yield certificate, f"{why} by the name constraints of {ca.label}"
                return


def _base(subtree: der.Element) -> tuple[int, bytes]:
    parts = subtree.children(der.SEQUENCE)
    if not parts:
        raise ValueError("malformed name constraints")
    if parts[1:] not in ([], [_ZERO]):  # minimum must be 0 and maximum absent
        raise ValueError("its name constraints have distances, which RFC 5280 forbids (section 4.2.1.10)")
    tag, base = parts[0].tag, parts[0].content
    if tag in _CHECKS and not _CHECKS[tag](base):
        raise ValueError(f"its name constraints have a malformed {KINDS[tag]}")
    return tag, base


def _names(certificate: Fields) -> Iterator[tuple[int, bytes]]:
    """Yield subject and alternative names, and an e-mail address of the subject if there is no other."""
    if certificate.subject:
        yield DIRECTORY, certificate.subject_der
    has_email = False
    for name in certificate.alternative_names:
        has_email = has_email or name.tag == EMAIL
        yield name.tag, name.content
    if not has_email:
        for address in values(certificate.subject_der, EMAIL_ADDRESS):
            yield EMAIL, address.encode(errors="replace")


def _forbids(subtrees: Subtrees, tag: int, name: bytes) -> str | None:
    permitted = [base for kind, base in subtrees.permitted if kind == tag]
    excluded = [base for kind, base in subtrees.excluded if kind == tag]
    if not permitted and not excluded:
        return None
    kind = KINDS.get(tag, "name of another kind")
    if tag not in _MATCHES:
        return f"its {kind} is constrained in a way that cannot be checked"
    within = _MATCHES[tag]
    try:
        if any(within(name, base) or (tag == DNS and _overlaps(name, base)) for base in excluded):
            return f"its {kind} {printed(tag, name)} is excluded"
        if permitted and not any(within(name, base) for base in permitted):
            return f"its {kind} {printed(tag, name)} is not permitted"
    except ValueError:
        return f"its {kind} is malformed, and constrained"
    return None


def _text(name: bytes) -> str:
    return name.decode("ascii").lower()  # UnicodeDecodeError is a ValueError


def _host(name: bytes, *, wildcard: bool = False) -> str:
    if not is_host(name, wildcard=wildcard):
        raise ValueError("malformed host")
    return _text(name).rstrip(".")


def _dns_within(name: bytes, base: bytes) -> bool:
    return _below(_host(name, wildcard=True), _text(base))


def _below(host: str, base: str) -> bool:
    """Return whether the host is the base or below it; a base with a leading dot means subdomains only."""
    if base.startswith("."):
        return host.endswith(base)
    return base in ("", host) or host.endswith(f".{base}")


def _overlaps(name: bytes, base: bytes) -> bool:
    """Return whether some host that a wildcard covers is in the subtree, although the wildcard itself is not."""
    host, text = _text(name), _text(base).removeprefix(".")
    if not host.startswith("*."):
        return False
    first, _, parent = text.partition(".")
    return bool(first) and parent == host[2:].rstrip(".")


def _email_within(name: bytes, base: bytes) -> bool:
    if not is_mailbox(name):
        raise ValueError("malformed e-mail address")
    local, _, host = name.decode("ascii").rpartition("@")
    wanted_local, at, wanted = base.decode("ascii").rpartition("@")
    if at:
        return (wanted_local, wanted.lower()) == (local, host.lower())
    return host.lower().endswith(wanted.lower()) if wanted.startswith(".") else host.lower() == wanted.lower()


def _uri_within(name: bytes, base: bytes) -> bool:
    host = urlsplit(name.decode("ascii")).hostname
    if not host or is_address(host):
        raise ValueError("a URI without a host name")
    wanted = _text(base)
    return host.endswith(wanted) if wanted.startswith(".") else host == wanted


def _ip_within(name: bytes, base: bytes) -> bool:
    if len(name) not in IP_BYTES:
        raise ValueError("malformed IP address")
    half = len(base) // 2
    address, mask = base[:half], base[half:]
    return len(name) == half and all(n & m == a & m for n, a, m in zip(name, address, mask, strict=True))


def _directory_within(name: bytes, base: bytes) -> bool:
    wanted = canonical(der.read(base).encoded)
    return canonical(name)[: len(wanted)] == wanted


def _contiguous(base: bytes) -> bool:
    if len(base) // 2 not in IP_BYTES or len(base) % 2:
        return False
    mask = base[len(base) // 2 :]
    inverted = ~int.from_bytes(mask) & ((1 << len(mask) * 8) - 1)
    return inverted & (inverted + 1) == 0


def _is_subtree_host(base: bytes) -> bool:
    host = base.removeprefix(b".")
    return host == b"" or is_host(host)


def _is_directory(base: bytes) -> bool:
    try:
        canonical(base)
    except ValueError:
        return False
    return True


def _is_email_base(base: bytes) -> bool:
    return is_mailbox(base) if b"@" in base else base != b"" and _is_subtree_host(base)


_MATCHES: dict[int, Callable[[bytes, bytes], bool]] = {
    EMAIL: _email_within,
    DNS: _dns_within,
    DIRECTORY: _directory_within,
    URI: _uri_within,
    IP: _ip_within,
}
_CHECKS: dict[int, Callable[[bytes], bool]] = {
    EMAIL: _is_email_base,
    DNS: _is_subtree_host,
    DIRECTORY: _is_directory,
    URI: _is_subtree_host,
    IP: _contiguous,
}
