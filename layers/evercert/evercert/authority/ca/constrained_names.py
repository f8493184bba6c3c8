"""Check the names of leaves, and ceilings, against the name constraints of a CA and of all CAs above it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from evercert.authority.ca.builder import leaf_subject
from evercert.authority.ca.ceiling import identifiers_of_common_name
from evercert.authority.ca.definition import CA, Ceiling
from evercert.authority.ca.leaf_fields import Leaf
from evercert.errors import Misconfigured
from evercert.pki.certificate import Chain
from evercert.pki.identifiers import Identifier
from evercert.pki.path.fields import Fields
from evercert.pki.path.general_names import DIRECTORY, DNS, EMAIL, IP, URI
from evercert.pki.path.name_constraints import Subtrees, decoded
from evercert.pki.path.subtree_matching import MATCHES
from evercert.schema import printable

_TAGS = {"dns": DNS, "ip": IP, "email": EMAIL, "uri": URI}
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class CAConstraints:
    """The name constraints of one CA certificate, which `label` names."""

    label: str
    subtrees: Subtrees


def constraints_of(ca: CA) -> tuple[CAConstraints, ...]:
    """Return the constraints of a CA's chain, and those that the operator set; raise Misconfigured for malformed ones.

    An external CA may leave out what the operator set and the CSR asked for.
    """
    own = () if ca.constraints is None else (CAConstraints(f"CA {ca.name}", ca.constraints.subtrees()),)
    if not ca.installed:
        return own
    try:
        found = _installed_constraints(ca.current.certificate, ca.current.chain)
    except ValueError as error:
        raise Misconfigured(f"CA {ca.name}: cannot check its name constraints: {printable(str(error), 200)}") from error
    return found if ca.parent is not None else (*found, *own)


@lru_cache(maxsize=32)
def _installed_constraints(certificate: str, chain: str) -> tuple[CAConstraints, ...]:
    fields = [Fields(one) for one in Chain.from_pem(certificate + chain).certificates]
    found = [(one.label, Subtrees.of(one)) for one in fields]
    return tuple(CAConstraints(label, subtrees) for label, subtrees in found if subtrees is not None)


def name_problems(leaf: Leaf, ca: CA) -> list[str]:
    """Return every name that clients would refuse below this CA; empty if they accept all. Raise Misconfigured."""
    constraints = constraints_of(ca)
    names = list(_names(leaf)) if constraints else ()
    return [
        printable(f"{why} by the name constraints of {one.label}")
        for one in constraints
        for tag, name in names
        if (why := one.subtrees.forbids(tag, name, decoded(tag, name))) is not None
    ]


def _names(leaf: Leaf) -> Iterator[tuple[int, bytes]]:
    """Yield the subject, the alternative names, and the hosts that clients read in common names."""
    subject = leaf_subject(leaf)
    if subject.rdns:
        yield DIRECTORY, subject.public_bytes()
    common_names = leaf.subject.get("common_name", ())
    hosts = [name for text in common_names for name in identifiers_of_common_name(text) or ()]
    for name in dict.fromkeys([*leaf.names, *hosts]):
        yield _TAGS[name.kind], _content(name)


def _content(name: Identifier) -> bytes:
    return ipaddress.ip_address(name.value).packed if name.kind == "ip" else name.value.encode()


def ceiling_conflicts(ceiling: Ceiling, constraints: Iterable[CAConstraints]) -> list[str]:
    """Return the entries of a ceiling that allow names which clients would refuse.

    An entry must lie within the permitted subtrees, and outside of the excluded ones. It may contain an excluded
    subtree, because a ceiling cannot express an exception; `name_problems` refuses those names.
    """
    return [
        printable(f"{kind} {entry}: {why} by the name constraints of {one.label}{_permitted(one.subtrees, tag)}")
        for one in constraints
        for kind, tag in _TAGS.items()
        for entry in getattr(ceiling, kind)
        if (why := _conflict(tag, entry, one.subtrees)) is not None
    ]


def _conflict(tag: int, entry: str, subtrees: Subtrees) -> str | None:
    permitted, excluded = subtrees.permitted.get(tag, []), subtrees.excluded.get(tag, [])
    if not permitted and not excluded:
        return None
    if _covered(tag, entry, excluded):
        return "excluded"
    return "not permitted" if permitted and not _covered(tag, entry, permitted) else None


def _covered(tag: int, entry: str, bases: Sequence[Any]) -> bool:
    """Return whether the subtrees contain all names of an entry."""
    if tag == IP:
        network = ipaddress.ip_network(entry)
        return any(network.subnet_of(one) for one in _networks(bases, network.version))  # type: ignore[arg-type]
    # A pattern is compared like a name: `*.example.com` lies below example.com, and `*` only below an empty base.
    name: Any = entry
    if tag == EMAIL:
        name = ("*", entry)
    elif tag == URI:
        name = urlsplit(entry).hostname or "*"
    return any(MATCHES[tag](name, base) for base in bases)


def _networks(bases: Sequence[tuple[bytes, bytes]], version: int) -> Iterator[_Network]:
    """Return the networks of one version, adjacent ones joined."""
    found = [ipaddress.ip_network((address, int.from_bytes(mask).bit_count())) for address, mask in bases]
    return ipaddress.collapse_addresses(one for one in found if one.version == version)  # type: ignore[type-var]


def _permitted(subtrees: Subtrees, tag: int) -> str:
    bases = subtrees.permitted.get(tag, [])
    if not bases:
        return ""
    return f", which permit {', '.join(_printed(tag, base) for base in bases)}"


def _printed(tag: int, base: Any) -> str:  # noqa: ANN401
    if tag == IP:
        return str(ipaddress.ip_network((base[0], int.from_bytes(base[1]).bit_count())))
    if tag == EMAIL:
        return base[1] if base[0] is None else "@".join(base)
    return str(base)


def narrowed(ceiling: Ceiling, constraints: Subtrees | None) -> Ceiling:
    """Return the ceiling of a new CA with entries that its constraints allow."""
    if constraints is None:
        return ceiling
    changes = {}
    for kind, tag in _TAGS.items():
        entries: tuple[str, ...] = getattr(ceiling, kind)
        kept = tuple(one for one in entries if _conflict(tag, one, constraints) is None)
        if kept != entries:
            bases = [_printed(tag, base) for base in constraints.permitted.get(tag, [])]
            changes[kind] = (*kept, *(entry for base in bases for entry in _entries(tag, base)))
    narrow = Ceiling.model_validate({**ceiling.model_dump(mode="json", by_alias=True), **changes})
    fits = {
        kind: [one for one in getattr(narrow, kind) if _conflict(tag, one, constraints) is None]
        for kind, tag in _TAGS.items()
    }
    return Ceiling.model_validate({**narrow.model_dump(mode="json", by_alias=True), **fits})


def _entries(tag: int, base: str) -> tuple[str, ...]:
    """Return the entries of a ceiling for a permitted subtree; a URI prefix cannot express all hosts below one."""
    if tag == DNS:
        return (base, f"*.{base}")
    if tag == URI:
        return () if base.startswith(".") else (f"spiffe://{base}/",)
    return (base,) if tag == IP else (f"*{base}" if base.startswith(".") else base,)
