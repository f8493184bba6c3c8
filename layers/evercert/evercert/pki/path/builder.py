"""Building of certification paths (RFC 4158): from the leaf, by key and signature, through any set of certificates."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

from cryptography import x509

from evercert.pki.path.fields import Fields
from evercert.pki.path.signatures import is_verifiable, signed_by

MAX_PATH_CERTIFICATES = 12  # OpenSSL's clients and most servers refuse a longer path
MAX_VERIFIED_SIGNATURES = 128  # for all paths of one leaf
MAX_PATHS = 32
MAX_STEPS = 1_000  # extensions of unfinished paths by one certificate


@dataclass(frozen=True)
class Candidate:
    """A path from a leaf upwards, in which each key signed the certificate before it.

    `anchored`: it ends with a trust anchor; else the issuer of its last certificate is not at hand. `cut_off`: a limit
    ended the search for this issuer.
    """

    certificates: tuple[Fields, ...]
    anchored: bool
    cut_off: bool = False

    def without_expired_root(self, now: datetime) -> Candidate | None:
        """Return the path to the certificate below its root, or None if the root is valid."""
        if not self.anchored or now < self.certificates[-1].not_after:
            return None
        return Candidate(self.certificates[:-1], anchored=False)


@dataclass
class PathBuilder:
    """Builds paths from a pool of certificates in any order; `anchors` None: every self-signed one is an anchor.

    `count_faults` returns how many faults a certificate has on its own as an issuer.
    """

    pool: Sequence[Fields]
    count_faults: Callable[[Fields], int]
    anchors: Sequence[Fields] | None = None
    _verified: dict[tuple[bytes, bytes], bool] = field(default_factory=dict)
    _named_issuers: dict[bytes, list[Fields]] = field(default_factory=dict)

    def paths(self, leaf: Fields) -> Iterator[Candidate]:
        """Yield at most MAX_PATHS paths, at least one: those to an anchor first, fewest faults and shortest first."""
        numbers = count()  # equal paths stay in the order of the pool
        heap: list[tuple[int, int, int, tuple[Fields, ...]]] = [(0, 1, next(numbers), (leaf,))]
        unanchored: list[Candidate] = []
        looping: list[Candidate] = []  # only a certificate that they have already could have issued their last one
        found = 0
        for _ in range(MAX_STEPS):
            if not heap or found + len(unanchored) == MAX_PATHS:
                break
            faults, length, _, path = heapq.heappop(heap)
            if self.is_anchor(path[-1]):
                found += 1
                yield Candidate(path, anchored=True)
                continue
            issuers, complete = self._issuers(path)
            if not issuers:
                is_loop = complete and bool(self._issuers_by_name(path[-1]))
                (looping if is_loop else unanchored).append(Candidate(path, anchored=False, cut_off=not complete))
            for above in issuers:
                heapq.heappush(heap, (faults + self.count_faults(above), length + 1, next(numbers), (*path, above)))
        yield from unanchored
        if not found and not unanchored:
            yield looping[0] if looping else self._greedy_path(heap[0][-1])

    def is_anchor(self, certificate: Fields) -> bool:
        """Return whether the path may end with this certificate.

        A self-issued one whose own signature is of an algorithm that is no longer verifiable is a root all the same:
        clients do not verify it (RFC 5280 §6.1).
        """
        if self.anchors is not None:
            return any(certificate.encoded == anchor.encoded for anchor in self.anchors)
        if not certificate.self_issued:
            return False
        if not is_verifiable(certificate.certificate):
            return _may_issue(certificate, certificate)
        return self._signed_by(certificate, certificate)

    def _greedy_path(self, path: tuple[Fields, ...]) -> Candidate:
        """Extend the path by the issuer with the fewest faults each time; for more paths than MAX_STEPS can search."""
        for _ in range(MAX_PATH_CERTIFICATES):
            issuers, complete = self._issuers(path)
            if self.is_anchor(path[-1]) or not issuers:
                return Candidate(path, anchored=self.is_anchor(path[-1]), cut_off=not complete)
            path = (*path, min(issuers, key=self.count_faults))
        return Candidate(path, anchored=False, cut_off=True)

    def _issuers(self, path: tuple[Fields, ...]) -> tuple[list[Fields], bool]:
        """Return the certificates that extend the path, and False if a limit hides more."""
        top, found, complete = path[-1], [], True
        for above in self._issuers_by_name(top):
            if _repeats(path, above):
                continue
            if len(path) == MAX_PATH_CERTIFICATES or self._limit_reached(top, above):
                complete = False
            elif self._signed_by(top, above):
                found.append(above)
        return found, complete

    def _issuers_by_name(self, certificate: Fields) -> list[Fields]:
        """Return the certificates that may have issued this one by name and key identifier."""
        if certificate.encoded not in self._named_issuers:
            known = {above.encoded: above for above in (*(self.anchors or ()), *self.pool)}
            found = [above for above in known.values() if _may_issue(above, certificate)]
            self._named_issuers[certificate.encoded] = found
        return self._named_issuers[certificate.encoded]

    def _limit_reached(self, certificate: Fields, issuer: Fields) -> bool:
        pair = certificate.encoded, issuer.public_key_info.encoded
        return pair not in self._verified and len(self._verified) == MAX_VERIFIED_SIGNATURES

    def _signed_by(self, certificate: Fields, issuer: Fields) -> bool:
        pair = certificate.encoded, issuer.public_key_info.encoded
        if pair not in self._verified:
            if len(self._verified) == MAX_VERIFIED_SIGNATURES:
                return False
            self._verified[pair] = signed_by(certificate.certificate, issuer.certificate)
        return self._verified[pair]


def _may_issue(issuer: Fields, certificate: Fields) -> bool:
    """Return whether names and key identifiers agree (§4.2.1.1); an identifier that is absent agrees with all."""
    if issuer.subject != certificate.issuer or not certificate.issuer:
        return False
    wanted = certificate.authority_key
    if wanted is None:
        return True
    if None not in (wanted.key_id, issuer.subject_key) and wanted.key_id != issuer.subject_key:
        return False
    if wanted.issuer is not None and wanted.serial is not None:
        return (wanted.issuer, wanted.serial) == (issuer.issuer, issuer.serial)
    return True


def _repeats(path: tuple[Fields, ...], above: Fields) -> bool:
    """Return whether the path has this name with this key already (RFC 4158 §2.4.2)."""
    return any(
        (one.subject, one.public_key_info.encoded) == (above.subject, above.public_key_info.encoded) for one in path
    )


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Return whether its own key signed it; a self-issued link certificate has another issuer (RFC 5280 §3.2)."""
    return Fields(certificate).self_issued and signed_by(certificate, certificate)
