"""A request is made: the CA that fits its key, the key where the authority makes it, and what the policy says."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from evercert.authority.api_errors import bad_request
from evercert.authority.ca import ceiling
from evercert.authority.ca.definition import CA
from evercert.authority.ca.key_checks import unsound
from evercert.authority.ca.leaf_fields import Leaf
from evercert.authority.configuration.profiles import Profile
from evercert.authority.contracts.ports import Certificates, Configuration, KeySeal
from evercert.authority.contracts.records import RequestRecord
from evercert.authority.policy import evaluation
from evercert.authority.registration.blocked_keys import require_uncompromised
from evercert.authority.requests.csr import ParsedCsr
from evercert.authority.requests.effective_request import EffectiveRequest, refuse
from evercert.authority.requests.requested_fields import Metadata
from evercert.errors import Misconfigured
from evercert.pki.algorithms import KeyAlgorithm, family
from evercert.pki.keys import PrivateKey
from evercert.pki.usages import impossible


@dataclass(frozen=True)
class Requester:
    """Who asks, for what, and what goes along."""

    identity: str
    application: str | None
    project: str
    remove_roots: bool
    metadata: Metadata
    asked: str  # the digest of it all
    renews: str | None = None


@dataclass(frozen=True)
class _Key:
    """`made` is the private one, where it is the authority's; `known`: it is not made for this request alone."""

    public: object
    csr: str
    made: PrivateKey | None
    known: bool

    @classmethod
    def of(cls, supplied: ParsedCsr | None, key: PrivateKey | None, algorithm: KeyAlgorithm) -> _Key:
        if supplied is not None:
            return cls(supplied.public_key, supplied.pem, None, known=True)
        made = key or PrivateKey.generate(algorithm)
        return cls(made.public_key, made.sign_proof(), made, known=key is not None)


class RequestBuilder:
    """Raises Refusal with everything that is wrong; nothing is written here."""

    def __init__(
        self, configuration: Configuration, certificates: Certificates, seal: KeySeal, clock: Callable[[], datetime]
    ) -> None:
        self._configuration = configuration
        self._certificates = certificates
        self._seal = seal
        self._clock = clock

    def request(
        self,
        asker: Requester,
        profile: Profile,
        wish: EffectiveRequest,
        supplied: ParsedCsr | None = None,
        key: PrivateKey | None = None,
    ) -> RequestRecord:
        """With the CSR, with this key, or with a new one of the algorithm that is wished for."""
        now = self._clock()
        if supplied is not None and profile.issuer_type == "self-signed":
            raise bad_request("Self-signed certificates are not supported for CSR signing")
        if problems := evaluation.problems(wish, profile.policy, now):
            raise refuse(problems)
        leaf = wish.leaf(now)
        cas = self._cas(profile)
        algorithm = _algorithm(cas, wish, supplied, key)
        if why := impossible(leaf.key_usages, algorithm):
            raise bad_request(f"keyUsages: {why}")
        ca = None if profile.issuer_type == "self-signed" else _of_family(profile, cas, algorithm)
        if ca is not None:
            _require_usable(ca, leaf, now)
        its = _Key.of(supplied, key, algorithm)
        if ca is not None:
            _require_inside(ca, leaf, its.public, now)
        if its.known:
            require_uncompromised(self._certificates, its.public)
        request_id = str(uuid.uuid4())
        return RequestRecord(
            id=request_id,
            certificate_id=str(uuid.uuid4()),
            identity=asker.identity,
            profile=profile.id,
            application=asker.application,
            project=asker.project,
            created_at=now,
            updated_at=now,
            status="pending",
            ca=ca.id if ca else "",
            leaf=leaf,
            lifetime=wish.lifetime(leaf, now),
            csr=its.csr,
            remove_roots=asker.remove_roots,
            metadata=asker.metadata,
            sealed_key=self._seal.close(its.made, request_id) if its.made else None,
            supplied_csr=supplied is not None,
            renews=asker.renews,
            asked=asker.asked,
        )

    def _cas(self, profile: Profile) -> list[CA]:
        if not profile.cas:
            return []
        every = self._configuration.every_ca().values()
        named = {ca.name: ca for ca in every if isinstance(ca, CA) and ca.kind == "issuing"}
        unread = [ca for ca in every if isinstance(ca, Misconfigured)]
        if unread and not named.keys() >= set(profile.cas):
            raise unread[0]  # it may be the one
        if missing := [name for name in profile.cas if name not in named]:
            raise Misconfigured(f"profile {profile.key} names the CA {missing[0]}, and there is none; apply it again")
        return [named[name] for name in profile.cas]


def _algorithm(
    cas: Sequence[CA], wish: EffectiveRequest, supplied: ParsedCsr | None, key: PrivateKey | None
) -> KeyAlgorithm:
    if supplied is not None:
        return supplied.algorithm
    if key is not None:
        return key.algorithm
    if wish.key_algorithm is not None:
        return wish.key_algorithm
    return "EC_prime256v1" if cas and all(family(ca.algorithm) == "EC" for ca in cas) else "RSA_2048"


def _of_family(profile: Profile, cas: Sequence[CA], algorithm: KeyAlgorithm) -> CA:
    """The one of the key's family: AWS takes no mixed chains."""
    wanted = family(algorithm)
    found = [ca for ca in cas if family(ca.algorithm) == wanted]
    if not found:
        raise bad_request(f"keyAlgorithm: no CA of profile {profile.slug} certifies {wanted} keys, such as {algorithm}")
    return found[0]


def _require_usable(ca: CA, leaf: Leaf, now: datetime) -> None:
    if ca.status == "disabled":
        raise bad_request("CA is not active")
    if not ca.installed:
        raise bad_request("CA does not have a certificate installed")
    ends = ca.current.x509.not_valid_after_utc
    if ends <= now:
        raise bad_request("CA is expired")
    if leaf.not_after > ends:
        raise bad_request("notAfter date is after CA certificate's notAfter date")


def _require_inside(ca: CA, leaf: Leaf, public_key: object, now: datetime) -> None:
    """What the signer would refuse is refused before anything is written; the signer looks again by itself."""
    if ca.ceiling is None:
        raise Misconfigured(f"CA {ca.name} has no ceiling, so it signs nothing; its operator sets one")
    found = ceiling.problems(leaf, public_key, ca.ceiling, ca.current.x509)
    if late := ceiling.untimely(leaf, now):
        found.append(late)
    if found:
        if broken := unsound(public_key):  # asked for again, so that what is sound costs no more
            raise bad_request(f"csr: {broken}")
        raise bad_request(f"CA {ca.name} does not sign it: {'; '.join(found)}")
