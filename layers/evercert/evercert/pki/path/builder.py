"""Building of certification paths (RFC 4158): from the leaf, by key and signature, through any set of certificates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from cryptography import x509

from evercert.pki.path.fields import Fields
from evercert.pki.path.signatures import signed_by

MAX_CERTIFICATES = 12  # of a path: OpenSSL's clients and most servers accept no longer one
MAX_SIGNATURES = 128  # verified to build the paths of one leaf
MAX_PATHS = 32


@dataclass(frozen=True)
class Candidate:
    """A path from a leaf upwards, in which each key signed the certificate before it.

    `anchored`: it ends with a trust anchor; else the issuer of its last certificate is not at hand.
    """

    certificates: tuple[Fields, ...]
    anchored: bool


@dataclass
class PathBuilder:
    """Builds paths from a pool of certificates in any order; `anchors` None: every self-signed one is an anchor."""

    pool: Sequence[Fields]
    anchors: Sequence[Fields] | None = None
    _verified: dict[tuple[bytes, bytes], bool] = field(default_factory=dict)
    exhausted: bool = False  # whether a limit ended the search

    def paths(self, leaf: Fields) -> list[Candidate]:
        """Return the paths, anchored ones first, else in the order of the pool; at least the leaf alone."""
        found: list[Candidate] = []
        for path in self._extend((leaf,)):
            found.append(path)
            if len(found) == MAX_PATHS:
                self.exhausted = True
                break
        return sorted(found, key=lambda path: not path.anchored)

    def is_anchor(self, certificate: Fields) -> bool:
        """Return whether the path may end with this certificate."""
        if self.anchors is not None:
            return any(certificate.encoded == anchor.encoded for anchor in self.anchors)
        return certificate.self_issued and self._signed_by(certificate, certificate)

    def _extend(self, path: tuple[Fields, ...]) -> Iterator[Candidate]:
        top = path[-1]
        if self.is_anchor(top):
            yield Candidate(path, anchored=True)
            return
        issuers = []
        if len(path) < MAX_CERTIFICATES:
            issuers = [above for above in self._issuers(top) if not _repeats(path, above)]
        elif self._issuers(top):
            self.exhausted = True
        for above in issuers:
            yield from self._extend((*path, above))
        if not issuers:
            yield Candidate(path, anchored=False)

    def _issuers(self, certificate: Fields) -> list[Fields]:
        known = {above.encoded: above for above in (*(self.anchors or ()), *self.pool)}
        return [
            above for above in known.values() if _may_issue(above, certificate) and self._signed_by(certificate, above)
        ]

    def _signed_by(self, certificate: Fields, issuer: Fields) -> bool:
        pair = certificate.encoded, issuer.encoded
        if pair not in self._verified:
            if len(self._verified) == MAX_SIGNATURES:
                self.exhausted = True
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
