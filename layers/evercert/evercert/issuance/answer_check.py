"""The check of an issuer's answer: the certificate against its request, and the chain by RFC 5280.

A mismatch is a difference between a certificate and its request; a fault is a broken rule of a certification path.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from evercert.contracts.issuer import Issued
from evercert.contracts.record import WAITS_FOR_CHAIN, Pending, Record
from evercert.errors import Misconfigured
from evercert.pki.algorithms import algorithm_of
from evercert.pki.certificate import Chain, mismatches
from evercert.pki.csr_parser import public_key_of
from evercert.pki.keys import public_bytes
from evercert.pki.path.validation import validate
from evercert.pki.usages import OIDS
from evercert.scheduling.decision import LONGEST_AHEAD


class UnusableChain(Misconfigured):
    """The certificate matches, but its chain does not work; `pending` reads it again instead of a new request."""

    def __init__(self, message: str, pending: Pending) -> None:
        super().__init__(message)
        self.pending = pending

    @classmethod
    def of(cls, verdict: Verdict, record: Record, pending: Pending, issued: Issued) -> UnusableChain:
        """Return the error for an answer whose chain has faults."""
        return cls(
            f"the chain of issuer {pending.issuer} cannot be used: {'; '.join(verdict.chain_faults)}; evercert "
            "keeps the certificate and reads its chain again; to request another one after a change at the CA, run: "
            f"evercert renew {record.name}",
            pending.model_copy(update={"handle": issued.handle or pending.handle, "waits_for": WAITS_FOR_CHAIN}),
        )


@dataclass(frozen=True)
class Verdict:
    """The result of the check.

    `chain` is in order, without certificates that belong to no path. `mismatches`, with the faults of the leaf itself,
    need another certificate; `chain_faults` need another chain.
    """

    chain: Chain
    mismatches: list[str]
    chain_faults: list[str]


def check(record: Record, pending: Pending, issued: Issued, now: datetime) -> Verdict:
    """Compare the answer with its request and validate its chain; a followed certificate may have any attributes.

    A certificate that becomes valid within a day counts as valid: the delivery waits for it.
    """
    leaf, *others = issued.chain.certificates
    when = max(now, leaf.not_valid_before_utc) if leaf.not_valid_before_utc <= now + LONGEST_AHEAD else now
    followed = record.spec.certificate_id is not None
    purposes = [] if followed else [OIDS[usage].dotted_string for usage in record.spec.attributes.extended_key_usages]
    path = validate(leaf, others, when, purposes=purposes, unreadable=issued.chain.unreadable)
    mismatches = find_mismatches(record, pending, issued) + [fault.text for fault in path.faults_of_leaf()]
    faults = [str(fault) for fault in path.faults_of_chain()]
    return Verdict(Chain(path.certificates), mismatches, faults)


def expired_unread(record: Record, pending: Pending, issued: Issued, now: datetime) -> bool:
    """Return whether the certificate matched its request until it expired."""
    end = issued.chain.leaf.not_valid_after_utc
    return end <= now and not check(record, pending, issued, end - timedelta(seconds=1)).mismatches


def find_mismatches(record: Record, pending: Pending, issued: Issued) -> list[str]:
    """Return the differences between the request and the leaf."""
    attributes = None if record.spec.certificate_id is not None else record.spec.attributes
    if pending.csr is not None:
        public_key = public_bytes(public_key_of(pending.csr))
    elif issued.private_key is not None:
        public_key = issued.private_key.public_bytes()
    else:
        return ["it has no usable private key"]
    found = mismatches(issued.chain, attributes, public_key, profiled=issued.profiled)
    wanted = record.spec.private_key.known
    if pending.csr is None and attributes is not None and wanted not in (None, algorithm_of(issued.chain.public_key)):
        found.append(f"its key is not {wanted}")
    return found
