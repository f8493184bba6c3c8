"""Name constraints (RFC 5280 §4.2.1.10): which names the certificates below a CA may have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from evercert.pki import der
from evercert.pki.distinguished_names import EMAIL_ADDRESS, values
from evercert.pki.path.fields import NAME_CONSTRAINTS, Fields
from evercert.pki.path.general_names import DIRECTORY, DNS, EMAIL, KINDS, printed
from evercert.pki.path.subtree_matching import BASES, DECODERS, MATCHES, overlaps

MAX_COMPARISONS = 250_000  # of names with subtrees, for one leaf
_PERMITTED, _EXCLUDED = 0xA0, 0xA1
_ZERO = der.Element(0x80, b"\x00", b"\x80\x01\x00")


@dataclass(frozen=True)
class Subtrees:
    """The constraints of one CA by kind, the tag of a general name."""

    permitted: dict[int, list[Any]]
    excluded: dict[int, list[Any]]

    @classmethod
    def of(cls, ca: Fields) -> Subtrees | None:
        """Return the constraints, or None without the extension; raise ValueError if they are malformed."""
        value = ca.extensions.get(NAME_CONSTRAINTS)
        return None if value is None else cls.parse(value)

    @classmethod
    def parse(cls, value: bytes) -> Subtrees:
        """Return the constraints in the value of an extension; raise ValueError if they are malformed."""
        found: dict[int, dict[int, list[Any]]] = {}
        for part in der.read(value).children(der.SEQUENCE):
            if part.tag not in (_PERMITTED, _EXCLUDED) or part.tag in found:
                raise ValueError("malformed name constraints")
            bases = found.setdefault(part.tag, {})
            for tag, base in map(_base, part.children()):
                bases.setdefault(tag, []).append(base)
        return cls(found.get(_PERMITTED, {}), found.get(_EXCLUDED, {}))

    def forbids(self, tag: int, name: bytes, decoded: Any) -> str | None:  # noqa: ANN401
        """Return why a name is forbidden, or None."""
        permitted, excluded = self.permitted.get(tag, ()), self.excluded.get(tag, ())
        if not permitted and not excluded:
            return None
        kind = KINDS.get(tag, "name of another kind")
        if tag not in MATCHES:
            return f"its {kind} cannot be checked, and is restricted"
        if decoded is None:
            return f"its {kind} is malformed, and is restricted"
        within = MATCHES[tag]
        if any(within(decoded, base) or (tag == DNS and overlaps(decoded, base)) for base in excluded):
            return f"its {kind} {printed(tag, name)} is excluded"
        if permitted and not any(within(decoded, base) for base in permitted):
            return f"its {kind} {printed(tag, name)} is not permitted"
        return None


class NameConstraints:
    """The check of all paths of one leaf, which share their certificates: each pair is compared once."""

    def __init__(self) -> None:
        self._left = MAX_COMPARISONS
        self._names: dict[bytes, list[tuple[int, bytes, Any]]] = {}
        self._subtrees: dict[bytes, Subtrees | ValueError | None] = {}
        self._verdicts: dict[tuple[bytes, bytes], tuple[Fields, str] | None] = {}

    def faults(self, ca: Fields, below: list[Fields], leaf: Fields) -> Iterator[tuple[Fields, str]]:
        """Yield the first certificate below the CA whose names the CA's constraints forbid, with the reason.

        Self-issued CA certificates are exempt (§6.1.3). After MAX_COMPARISONS the CA is the fault.
        """
        if ca.encoded not in self._subtrees:
            try:
                self._subtrees[ca.encoded] = Subtrees.of(ca)
            except ValueError as error:
                self._subtrees[ca.encoded] = error
        subtrees = self._subtrees[ca.encoded]
        if isinstance(subtrees, ValueError):
            yield ca, str(subtrees)
        elif subtrees is not None:
            bound = [certificate for certificate in below if not certificate.self_issued or certificate is leaf]
            yield from islice(filter(None, (self._verdict(ca, subtrees, certificate) for certificate in bound)), 1)

    def _verdict(self, ca: Fields, subtrees: Subtrees, certificate: Fields) -> tuple[Fields, str] | None:
        pair = ca.encoded, certificate.encoded
        if pair not in self._verdicts:
            self._verdicts[pair] = self._compare(ca, subtrees, certificate)
        return self._verdicts[pair]

    def _compare(self, ca: Fields, subtrees: Subtrees, certificate: Fields) -> tuple[Fields, str] | None:
        if certificate.encoded not in self._names:
            self._names[certificate.encoded] = [(tag, name, decoded(tag, name)) for tag, name in _names(certificate)]
        for tag, name, value in self._names[certificate.encoded]:
            self._left -= len(subtrees.permitted.get(tag, ())) + len(subtrees.excluded.get(tag, ()))
            if self._left < 0:
                return ca, f"its name constraints need too many comparisons: the limit is {MAX_COMPARISONS}"
            if (why := subtrees.forbids(tag, name, value)) is not None:
                return certificate, f"{why} by the name constraints of {ca.label}"
        return None


def _base(subtree: der.Element) -> tuple[int, Any]:
    parts = subtree.children(der.SEQUENCE)
    if not parts:
        raise ValueError("malformed name constraints")
    if parts[1:] not in ([], [_ZERO]):  # minimum must be 0 and maximum absent
        raise ValueError("its name constraints have a minimum or a maximum, which RFC 5280 forbids (section 4.2.1.10)")
    tag, base = parts[0].tag, parts[0].content
    try:
        return tag, BASES[tag](base) if tag in BASES else base
    except ValueError:
        raise ValueError(f"its name constraints have a malformed {KINDS[tag]}") from None


def decoded(tag: int, name: bytes) -> Any:  # noqa: ANN401
    """Return a name in the form that `forbids` compares, or None if it is malformed."""
    try:
        return DECODERS[tag](name) if tag in DECODERS else name
    except ValueError:
        return None


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
