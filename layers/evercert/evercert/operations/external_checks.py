"""Checks of requests at external issuers, before the issuer is asked and on its answer.

The front may be compromised, so names, usages and validity are checked here against limits that no function can write.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from evercert.authority.ca.ceiling import external_problems
from evercert.authority.contracts.external import ExternalCeiling
from evercert.authority.contracts.ports import Certificates
from evercert.authority.contracts.records import RequestRecord
from evercert.authority.registration.blocked_keys import require_uncompromised
from evercert.authority.registration.external_csr import attributes_of, csr_problems
from evercert.contracts.issuer import Issued
from evercert.errors import Misconfigured, Rejected
from evercert.pki.certificate import Chain, mismatches
from evercert.pki.csr_parser import public_key_of
from evercert.pki.keys import public_bytes
from evercert.pki.path.validation import validate
from evercert.pki.usages import OIDS

SKEW = timedelta(hours=2)  # by which issuers backdate certificates


@dataclass(frozen=True)
class Verdict:
    """The certificate of an issuer: its chain in order, and why it is another one than requested."""

    chain: Chain
    misfits: list[str]
    chain_faults: list[str]


def require_allowed(
    request: RequestRecord, ceiling: ExternalCeiling | None, certificates: Certificates
) -> ExternalCeiling:
    """Return the ceiling; raise Rejected if the request is beyond it, or its CSR asks for something else."""
    if ceiling is None:
        raise Rejected(f"issuer {request.external} is closed to profiles: an operator can set its ceiling")
    if ceiling.projects and request.project not in ceiling.projects:
        raise Rejected(f"issuer {request.external} is closed to the project of the profile: an operator can open it")
    require_uncompromised(certificates, public_key_of(request.csr))
    found = external_problems(request.leaf, public_key_of(request.csr), ceiling)
    found += [f"the CSR: {problem}" for problem in csr_problems(request.csr, request.leaf)]
    if timedelta(seconds=request.lifetime) > request.leaf.not_after - request.leaf.not_before:
        found.append("the requested lifetime is longer than the validity that was checked")
    if found:
        raise Rejected(f"request not allowed for issuer {request.external}: {'; '.join(found)}")
    return ceiling


def judge(request: RequestRecord, issued: Issued, ceiling: ExternalCeiling | None, now: datetime) -> Verdict:
    """Compare a certificate with its request, its policy and the ceiling of its issuer."""
    leaf = issued.chain.leaf
    key = public_bytes(public_key_of(request.csr))
    found = mismatches(issued.chain, attributes_of(request.leaf), key, profiled=issued.profiled)
    purposes = [OIDS[usage].dotted_string for usage in request.leaf.extended_key_usages]
    when = max(now, leaf.not_valid_before_utc)
    path = validate(leaf, issued.chain.certificates[1:], when, purposes=purposes, unreadable=issued.chain.unreadable)
    found += [fault.text for fault in path.faults_of_leaf()]
    found += _beyond(request, issued.chain, ceiling)
    return Verdict(Chain(path.certificates), found, [str(fault) for fault in path.faults_of_chain()])


def require_usable(request: RequestRecord, verdict: Verdict) -> None:
    """Raise Misconfigured if the certificate fits, but clients refuse its chain."""
    if verdict.chain_faults:
        faults = "; ".join(verdict.chain_faults)
        raise Misconfigured(f"the chain of issuer {request.external} cannot be used: {faults}")


def _beyond(request: RequestRecord, chain: Chain, ceiling: ExternalCeiling | None) -> list[str]:
    """Return what the certificate has beyond the limits; issuers choose usages and validity themselves."""
    if ceiling is None:
        return ["an operator closed the issuer to profiles meanwhile"]
    found, leaf = [], chain.leaf
    purposes = {OIDS[one].dotted_string for one in ceiling.extended_key_usages}
    if extra := sorted(set(chain.fields.extended_key_usage or ()) - purposes):
        found.append(f"its extended key usages {', '.join(map(str, extra))} are beyond the ceiling")
    validity = leaf.not_valid_after_utc - leaf.not_valid_before_utc
    if validity > ceiling.longest + SKEW:
        found.append("its validity is beyond the ceiling")
    elif request.longest is not None and validity > timedelta(seconds=request.longest) + SKEW:
        found.append("its validity is longer than the policy of the profile allows")
    return found
