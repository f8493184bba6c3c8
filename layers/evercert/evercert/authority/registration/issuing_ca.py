"""The issuing CA of a request: one that can sign the certificate now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from evercert.authority.api_errors import bad_request
from evercert.authority.ca import ceiling
from evercert.authority.ca.constrained_names import name_problems
from evercert.authority.ca.definition import CA
from evercert.authority.ca.key_checks import key_weakness
from evercert.authority.ca.leaf_fields import Leaf
from evercert.authority.configuration.profiles import Profile
from evercert.errors import Misconfigured
from evercert.pki.algorithms import KeyAlgorithm, family
from evercert.timestamps import to_text


def _of_family(profile: Profile, cas: Sequence[CA], algorithm: KeyAlgorithm) -> CA:
    """Return the CA of the key's family: AWS does not accept mixed chains."""
    wanted = family(algorithm)
    found = [ca for ca in cas if family(ca.algorithm) == wanted]
    if not found:
        others = " or ".join(sorted({family(ca.algorithm) for ca in cas})) or "another profile"
        raise bad_request(
            f"unsupported keyAlgorithm {algorithm}: profile {profile.slug} has no CA for {wanted} keys; use {others}"
        )
    return found[0]


def issuing_ca(profile: Profile, cas: Sequence[CA], algorithm: KeyAlgorithm, leaf: Leaf, now: datetime) -> CA | None:
    """Return the CA of the key's family, or None without a CA; raise Refusal (400) if it cannot issue the leaf now."""
    if profile.issuer_type != "ca":
        return None
    ca = _of_family(profile, cas, algorithm)
    if ca.status == "disabled":
        raise bad_request(f"CA is not active: {ca.name} is disabled; an operator can enable it")
    if ca.status == "retired":
        raise bad_request(f"CA is not active: {ca.name} was replaced; an operator can move profile {profile.slug}")
    if not ca.installed:
        raise bad_request(f"CA does not have a certificate installed: {ca.name}; an operator can import it")
    ends = ca.current.x509.not_valid_after_utc
    if ends <= now:
        raise bad_request(f"CA is expired: {ca.name} ended at {to_text(ends)}; an operator can renew it")
    if leaf.not_after > ends:
        raise bad_request(
            f"notAfter date is after CA certificate's notAfter date: {ca.name} ends at {to_text(ends)}; request an"
            " earlier end, or have the CA renewed"
        )
    return ca


def require_within_ceiling(ca: CA, leaf: Leaf, public_key: object, now: datetime) -> None:
    """Raise Refusal before anything is stored if the signer would refuse; the signer checks again."""
    if ca.ceiling is None:
        raise Misconfigured(f"CA {ca.name} has no ceiling: it cannot sign; set a ceiling")
    found = [*ceiling.problems(leaf, public_key, ca.ceiling, ca.current.x509), *name_problems(leaf, ca)]
    if late := ceiling.start_time_problem(leaf, now):
        found.append(late)
    if found:
        if broken := key_weakness(public_key):  # only on failure, so that valid keys cost nothing
            raise bad_request(f"csr: {broken}")
        raise bad_request(f"CA {ca.name} cannot sign the certificate: {'; '.join(found)}")
