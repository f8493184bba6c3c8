"""Certificate policies (RFC 5280 §6.1): whether a path has the policy that one of its CAs requires."""

from __future__ import annotations

from collections.abc import Sequence

from evercert.pki import der
from evercert.pki.path.fields import POLICIES, POLICY_CONSTRAINTS, Fields

ANY_POLICY, MAPPINGS, INHIBIT_ANY = "2.5.29.32.0", "2.5.29.33", "2.5.29.54"
_EXPLICIT_TAG = 0x80  # requireExplicitPolicy
_NEVER = 1_000  # more certificates than any path has


def lacks_policy(certificates: Sequence[Fields], *, ca: bool) -> Fields | None:
    """Return the certificate that lacks a policy which the path requires, or None; raise ValueError.

    `certificates`: leaf first, without the trust anchor. `ca`: the leaf is to issue certificates, which have no
    policies. Without requireExplicitPolicy every path passes. Mapped policies are not checked.
    """
    explicit = any_allowed = _NEVER
    valid: frozenset[str] | None = None  # None: every policy
    for depth, certificate in reversed(list(enumerate(certificates))):
        valid = _narrowed(valid, certificate, any_allowed=any_allowed > 0 or (certificate.self_issued and depth > 0))
        at_end = depth == 0 and not ca
        required = _required(certificate)
        if at_end:
            explicit = min(explicit - 1, _NEVER if required != 0 else 0)
        if explicit <= 0 and valid == frozenset():
            return certificate
        if MAPPINGS in certificate.extensions:
            return None
        explicit, any_allowed = explicit - (not certificate.self_issued), any_allowed - (not certificate.self_issued)
        explicit = min(explicit, required)
        if (value := certificate.extensions.get(INHIBIT_ANY)) is not None:
            any_allowed = min(any_allowed, der.integer(der.read(value)))
    return certificates[0] if ca and explicit <= 1 else None


def _narrowed(valid: frozenset[str] | None, certificate: Fields, *, any_allowed: bool) -> frozenset[str] | None:
    """Return the policies that the path still has below this certificate."""
    if POLICIES not in certificate.extensions:
        return frozenset()
    found = frozenset(
        der.object_identifier(policy.children(der.SEQUENCE)[0])
        for policy in der.read(certificate.extensions[POLICIES]).children(der.SEQUENCE)
    )
    if ANY_POLICY in found and any_allowed:
        return valid
    named = found - {ANY_POLICY}
    return named if valid is None else valid & named


def _required(certificate: Fields) -> int:
    """Return the number of certificates below without a policy that its constraints still allow."""
    if (value := certificate.extensions.get(POLICY_CONSTRAINTS)) is None:
        return _NEVER
    parts = {part.tag: part for part in der.read(value).children(der.SEQUENCE)}
    explicit = parts.get(_EXPLICIT_TAG)
    return _NEVER if explicit is None else int.from_bytes(explicit.content)
