"""Validation of certification paths (RFC 5280 §6.1): choose the first valid one, or say what is wrong."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from cryptography import x509

from evercert.pki.distinguished_names import printed
from evercert.pki.path.builder import MAX_PATH_CERTIFICATES, MAX_VERIFIED_SIGNATURES, Candidate, PathBuilder
from evercert.pki.path.fields import Fields
from evercert.pki.path.name_constraints import NameConstraints
from evercert.pki.path.policies import lacks_policy
from evercert.pki.path.rules import (
    ANY_PURPOSE,
    CLIENT_AUTH,
    SERVER_AUTH,
    Fault,
    anchor_faults,
    ca_faults,
    common_faults,
    leaf_faults,
)
from evercert.pki.usages import purpose_name
from evercert.schema import printable

MAX_CANDIDATES = 50  # certificates that paths are built from


@dataclass(frozen=True)
class Path:
    """A path, leaf first, and what is wrong with it; without faults it is valid."""

    certificates: tuple[x509.Certificate, ...]
    faults: tuple[Fault, ...]
    anchored: bool

    def faults_of_leaf(self) -> list[Fault]:
        """Return the faults of the leaf itself, which remain under any other chain."""
        return [fault for fault in self.faults if not self._is_of_chain(fault)]

    def faults_of_chain(self) -> list[Fault]:
        """Return the other faults: the leaf may be valid under another chain."""
        return [fault for fault in self.faults if self._is_of_chain(fault)]

    def _is_of_chain(self, fault: Fault) -> bool:
        return fault.of_chain or fault.certificate.certificate != self.certificates[0]


def validate(
    leaf: x509.Certificate,
    others: Iterable[x509.Certificate],
    now: datetime,
    *,
    anchors: Iterable[x509.Certificate] | None = None,
    purposes: Collection[str] = (),
    strict: bool = False,
    ca: bool = False,
    unreadable: Sequence[str] = (),
) -> Path:
    """Return the first valid path from the leaf, or the one with the fewest faults.

    `others` may be in any order, repeat and hold certificates that belong to no path. `anchors` None: a self-signed
    certificate among them is the anchor, and a path may end where no issuer is at hand. It may also end below a root
    that has expired: clients may have its successor, with its name and key (RFC 5280 §6.1). `purposes`: extended key
    usages (dotted) that every CA must allow. `strict`: also report what only strict peers refuse. `ca`: the leaf is
    itself an issuing CA. `unreadable`: why further certificates could not be parsed; those beyond MAX_CANDIDATES count
    as unreadable.
    Raises ValueError for a malformed leaf.
    """
    pool = list(dict.fromkeys(others))
    readable, problems = _parsed(pool[:MAX_CANDIDATES])
    if len(pool) > MAX_CANDIDATES:
        problems.append(f"the chain has {len(pool)} certificates; only the first {MAX_CANDIDATES} are read")
    trusted = None if anchors is None else _parsed(anchors)[0]
    parsed = Fields(leaf)
    builder = PathBuilder(readable, partial(_count_ca_faults, now), trusted)
    validation = _Validation(builder, parsed, now, frozenset(purposes), strict, ca, [*unreadable, *problems])
    paths: list[Path] = []
    shorter: list[Candidate] = []  # without a root that has expired
    for candidate in builder.paths(parsed):
        path = validation.path(candidate)
        if not path.faults:
            return path
        paths.append(path)
        # Its end must be the only fault: whatever else is wrong with the root holds for its successor too.
        if not ca and len(path.faults) == 1 and (rest := candidate.without_expired_root(now)) is not None:
            shorter.append(rest)
    valid = next((path for path in map(validation.path, shorter) if not path.faults), None)
    return valid or min(paths, key=lambda path: len(path.faults))


def _count_ca_faults(now: datetime, certificate: Fields) -> int:
    found = (*ca_faults(certificate), *common_faults(certificate, now, anchor=certificate.self_issued))
    return sum(not fault.strict for fault in found)


def _parsed(certificates: Iterable[x509.Certificate]) -> tuple[list[Fields], list[str]]:
    """Return the fields of each certificate, and why others cannot be parsed: those are on no path."""
    found, problems = [], []
    for certificate in certificates:
        try:
            found.append(Fields(certificate))
        except (ValueError, x509.InvalidVersion) as error:
            problems.append(str(error))
    return found, problems


@dataclass(frozen=True)
class _Validation:
    builder: PathBuilder
    leaf: Fields
    now: datetime
    purposes: frozenset[str]
    strict: bool
    ca: bool
    unreadable: list[str]  # why certificates at hand cannot be parsed
    constraints: NameConstraints = field(default_factory=NameConstraints)

    def path(self, candidate: Candidate) -> Path:
        faults = [fault for fault in self._faults(candidate) if self.strict or not fault.strict]
        certificates = tuple(fields.certificate for fields in candidate.certificates)
        return Path(certificates, tuple(faults), candidate.anchored)

    def _faults(self, candidate: Candidate) -> Iterator[Fault]:
        leaf, *above = candidate.certificates
        anchor = candidate.certificates[-1] if candidate.anchored else None
        yield from ca_faults(leaf) if self.ca else leaf_faults(leaf)
        for fields in candidate.certificates:
            yield from common_faults(fields, self.now, anchor=fields is anchor)
        for fields in above:
            yield from anchor_faults(fields) if fields is anchor else ca_faults(fields)
        yield from self._end_faults(candidate)
        yield from _path_length_faults(above, int(self.ca and not leaf.self_issued))
        yield from self._purpose_faults(candidate.certificates)
        yield from self._policy_faults(candidate)
        for depth, ca in enumerate(above, 1):
            below = list(candidate.certificates[:depth])
            yield from (Fault(at, text, of_chain=True) for at, text in self.constraints.faults(ca, below, leaf))

    def _end_faults(self, candidate: Candidate) -> Iterator[Fault]:
        top = candidate.certificates[-1]
        if not candidate.anchored and (why := self._end_fault(top, cut_off=candidate.cut_off)) is not None:
            yield Fault(top, why, of_chain=True)

    def _end_fault(self, top: Fields, *, cut_off: bool) -> str | None:
        if cut_off:
            limits = f"{MAX_PATH_CERTIFICATES} certificates and {MAX_VERIFIED_SIGNATURES} verified signatures"
            return f"no path to a root within {limits}"
        if self.builder.anchors is not None:
            return "none of the trusted certificates issued it"
        missing = f"no certificate of the chain issued it: that of {printed(top.issuer_der)!r} is missing"
        if self.unreadable:  # it may be the missing one
            return f"{missing}; another one cannot be parsed: {self.unreadable[0]}"
        if top is self.leaf and self.builder.pool:
            return missing
        own_key = top.authority_key is None or top.authority_key.key_id in (None, top.subject_key)
        return "its signature is invalid" if top.self_issued and own_key else None

    def _policy_faults(self, candidate: Candidate) -> Iterator[Fault]:
        below = candidate.certificates[: -1 if candidate.anchored else None]
        try:
            lacking = lacks_policy(below, ca=self.ca) if below else None
        except ValueError:
            yield Fault(candidate.certificates[0], "the policy extensions of its chain are malformed", of_chain=True)
        else:
            if lacking is not None:
                yield Fault(lacking, "it lacks the certificate policy that a CA above it requires", of_chain=True)

    def _purpose_faults(self, certificates: Sequence[Fields]) -> Iterator[Fault]:
        leaf = certificates[0].extended_key_usage
        wanted = self.purposes
        if not wanted and leaf is not None and not self.ca:  # none requested: those that the leaf allows count
            wanted = frozenset([SERVER_AUTH]) if SERVER_AUTH in leaf else leaf
        usable = set(wanted) or {SERVER_AUTH, CLIENT_AUTH}
        for fields in certificates:
            allowed = fields.extended_key_usage
            if allowed is None or ANY_PURPOSE in allowed or ANY_PURPOSE in usable:
                continue
            if missing := self.purposes - allowed or (not usable & allowed and usable):
                required, present = _printed(missing, " or "), _printed(allowed, ", ")
                yield Fault(fields, f"its extended key usage lacks {required}; it allows {present}")
                return
            usable &= allowed


def _printed(purposes: Iterable[str], separator: str) -> str:
    return printable(separator.join(sorted(map(purpose_name, purposes))), 200)


def _path_length_faults(above: Sequence[Fields], below: int) -> Iterator[Fault]:
    """Yield CAs with more CAs below them than they allow; self-issued ones do not count (RFC 5280 §6.1.4 l, m)."""
    for ca in above:
        length = ca.basic_constraints[1] if ca.basic_constraints is not None else None
        if length is not None and below > length:
            yield Fault(ca, f"its path length allows {length} CAs below it, and there are {below}")
        below += not ca.self_issued
