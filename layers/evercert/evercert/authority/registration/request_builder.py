"""Builder of certificate requests: check the policy, choose the CA and generate the key."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from evercert.authority.api_errors import bad_request
from evercert.authority.ca.definition import CA
from evercert.authority.ca.leaf_fields import Leaf
from evercert.authority.configuration.profiles import Profile
from evercert.authority.contracts.approval_terms import ApprovalTerms
from evercert.authority.contracts.ports import Configuration, KeySeal
from evercert.authority.contracts.records import RequestRecord
from evercert.authority.policy import evaluation
from evercert.authority.policy.policy import ANY
from evercert.authority.registration.adjustments import choose_signature, find_notes, hash_of_signature
from evercert.authority.registration.external_csr import policy_limit, require_immediate
from evercert.authority.registration.issuing_ca import issuing_ca, require_within_ceiling
from evercert.authority.registration.request_key import RequestKey
from evercert.authority.requests.csr import ParsedCsr
from evercert.authority.requests.effective_request import EffectiveRequest, refuse
from evercert.authority.requests.requested_fields import AS_CERTIFIED, Metadata, RequestedFields, Spelling
from evercert.errors import Misconfigured
from evercert.pki.algorithms import KeyAlgorithm, family
from evercert.pki.keys import PrivateKey


@dataclass(frozen=True)
class Requester:
    """Requesting identity and the context of its request."""

    identity: str
    application: str | None
    project: str
    remove_roots: bool
    metadata: Metadata
    content_digest: str  # of the request body
    requested: RequestedFields  # as in the body, before defaults
    renews: str | None = None
    spelling: Spelling = AS_CERTIFIED
    renew_before_days: int | None = None  # for an automatic renewal, which needs a key of the authority
    unchanged: bool = False  # a renewal by the same identity, with the same names and usages


class RequestBuilder:
    """Build requests without storing them; raises Refusal with all problems."""

    def __init__(self, configuration: Configuration, seal: KeySeal, clock: Callable[[], datetime]) -> None:
        self._configuration = configuration
        self._seal = seal
        self._clock = clock

    def request(
        self,
        requester: Requester,
        profile: Profile,
        wanted: EffectiveRequest,
        supplied: ParsedCsr | None = None,
        key: PrivateKey | None = None,
    ) -> RequestRecord:
        """Build a request with the CSR, the key, or a new key of the requested algorithm."""
        now = self._clock()
        _require_signer(profile, supplied)
        cas = self.cas(profile)
        algorithm = _algorithm(cas, wanted, supplied, key)
        wanted = _with_listed_signature(_with_host_of_common_name(wanted, profile, now, algorithm), profile, supplied)
        if problems := evaluation.find_violations(wanted, profile.policy, now, algorithm):
            raise refuse(problems)
        leaf = wanted.for_key(algorithm).leaf(now)
        ca = issuing_ca(profile, cas, algorithm, leaf, now)
        leaf = _with_possible_signature(leaf, wanted, profile, algorithm, ca)
        request_key = self._checked(RequestKey.of(supplied, key, algorithm), profile, ca, leaf)
        request_id = str(uuid.uuid4())
        approval = _terms(profile, requester, wanted, now)
        return RequestRecord(
            id=request_id,
            certificate_id=str(uuid.uuid4()),
            identity=requester.identity,
            profile=profile.id,
            application=requester.application,
            project=requester.project,
            created_at=now,
            updated_at=now,
            status="pending" if approval is None else "pending_approval",
            ca=ca.id if ca else "",
            leaf=leaf,
            lifetime=wanted.lifetime(leaf, now),
            csr=request_key.csr,
            remove_roots=requester.remove_roots,
            metadata=requester.metadata,
            sealed_key=self._seal.close(request_key.private, request_id) if request_key.private else None,
            supplied_csr=supplied is not None,
            renews=requester.renews,
            asked=requester.content_digest,
            spelling=requester.spelling,
            renew_before_days=requester.renew_before_days if request_key.private and _renews(profile) else None,
            external=profile.issuer or "",
            dated=wanted.not_after is not None,
            longest=policy_limit(profile),
            notes=find_notes(requester.requested, supplied, algorithm, leaf.hash),
            approval=approval,
        )

    def _checked(self, key: RequestKey, profile: Profile, ca: CA | None, leaf: Leaf) -> RequestKey:
        """Return the key, with a CSR for an external issuer; raise Refusal (400) if it cannot be certified."""
        if profile.issuer is not None:
            require_immediate(leaf, self._clock())
            key = key.for_external(leaf)
        if ca is not None:
            require_within_ceiling(ca, leaf, key.public, self._clock())
        return key

    def cas(self, profile: Profile) -> list[CA]:
        """Return the issuing CAs of the profile, at most one for each key family; raise Misconfigured."""
        if not profile.cas:
            return []
        every = self._configuration.issuing_cas(profile.cas).values()
        named = {ca.name: ca for ca in every if isinstance(ca, CA) and ca.kind == "issuing"}
        unreadable = [ca for ca in every if isinstance(ca, Misconfigured)]
        if unreadable and not named.keys() >= set(profile.cas):
            raise unreadable[0]  # one of the missing CAs may be this one
        if missing := [name for name in profile.cas if name not in named]:
            raise Misconfigured(f"unknown CA {missing[0]} in profile {profile.key}: apply the profile again")
        return [named[name] for name in profile.cas]


def _require_signer(profile: Profile, supplied: ParsedCsr | None) -> None:
    if supplied is not None and profile.issuer_type == "self-signed":
        raise bad_request("Self-signed certificates are not supported for CSR signing")


def _renews(profile: Profile) -> bool:
    return profile.issuer_type != "self-signed"


def _terms(profile: Profile, requester: Requester, wanted: EffectiveRequest, now: datetime) -> ApprovalTerms | None:
    """Return what the request waits for; None if it needs no approval."""
    options = profile.approval
    if options is None or (requester.unchanged and not options.renewals):
        return None
    named_begin = wanted.not_before is not None
    movable = not named_begin and wanted.not_after is None
    return ApprovalTerms(options.needed, now + options.within, movable, named_begin)


def _with_host_of_common_name(
    wanted: EffectiveRequest, profile: Profile, now: datetime, algorithm: KeyAlgorithm
) -> EffectiveRequest:
    """Add a host in the common name to the alternative names of a certificate that servers can use.

    Without any extended key usage (every purpose is allowed) only if the policy permits the name.
    """
    named = wanted.named()
    if wanted.serves:
        return named
    allowed = not wanted.extended_key_usages and not evaluation.find_violations(named, profile.policy, now, algorithm)
    return named if allowed else wanted


def _with_listed_signature(wanted: EffectiveRequest, profile: Profile, supplied: ParsedCsr | None) -> EffectiveRequest:
    """Name a signature algorithm of the policy for a CSR, whose client cannot know them; the CA chooses among them."""
    rules = profile.policy.algorithms
    listed = None if supplied is None or rules is None or not rules.signature else rules.signature[0]
    if wanted.signature_algorithm is not None or listed is None or listed == ANY:
        return wanted
    return dataclasses.replace(wanted, signature_algorithm=listed)


def _with_possible_signature(
    leaf: Leaf, wanted: EffectiveRequest, profile: Profile, algorithm: KeyAlgorithm, ca: CA | None
) -> Leaf:
    """Let the CA choose the signature algorithm, within the policy, if its key cannot make the requested one.

    Without a CA, only the family of the key limits it.
    """
    requested, rules = wanted.signature_algorithm, profile.policy.algorithms
    if requested is None:
        return leaf
    if profile.issuer is not None:  # which chooses it
        return leaf.model_copy(update={"hash": None})
    key = ca.current.x509.public_key() if ca is not None else None
    listed = (rules.signature if rules else None) or ()
    found = choose_signature(requested, family(algorithm), key, None if ANY in listed else listed)
    if found is None:
        raise refuse([f"the CA's key cannot make the signature {requested}, and the policy allows no other"])
    return leaf.model_copy(update={"hash": hash_of_signature(found)})


def _algorithm(
    cas: Sequence[CA], wanted: EffectiveRequest, supplied: ParsedCsr | None, key: PrivateKey | None
) -> KeyAlgorithm:
    if supplied is not None:
        return supplied.algorithm
    if key is not None:
        return key.algorithm
    if wanted.key_algorithm is not None:
        return wanted.key_algorithm
    return "EC_prime256v1" if cas and all(family(ca.algorithm) == "EC" for ca in cas) else "RSA_2048"
