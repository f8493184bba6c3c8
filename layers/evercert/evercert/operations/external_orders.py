"""Orders at external issuers: what is sent for a request of the authority, and when another order begins."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from evercert.authority.contracts.external import Work
from evercert.authority.contracts.records import RequestRecord
from evercert.authority.registration.external_csr import attributes_of
from evercert.contracts.issuer import OpenIssuer, Request
from evercert.documents.spec import PrivateKeySpec, Spec
from evercert.errors import Rejected
from evercert.pki.algorithms import algorithm_of
from evercert.pki.csr_parser import public_key_of


def request_of(request: RequestRecord, opened: OpenIssuer, work: Work, now: datetime, *, asked_before: bool) -> Request:
    """Return the request to the issuer; raise Rejected if the end that the client named has passed."""
    if (lifetime := lifetime_left(request, now)) <= timedelta(0):
        raise Rejected("the requested notAfter passed while the request waited: request the certificate again")
    return _request(request, opened, work, now, lifetime, asked_before=asked_before)


def past_request_of(request: RequestRecord, opened: OpenIssuer, work: Work, now: datetime) -> Request:
    """Return the request that was sent, to withdraw it."""
    lifetime = timedelta(seconds=request.lifetime)
    return _request(request, opened, work, now, lifetime, asked_before=work.asked and work.handle is None)


def lifetime_left(request: RequestRecord, now: datetime) -> timedelta:
    """Return the lifetime to ask for; it is shorter than requested if the client named the end and waited."""
    lifetime = timedelta(seconds=request.lifetime)
    named = request.dated or (request.approval is not None and not request.approval.movable)
    return min(lifetime, request.leaf.not_after - now) if named else lifetime


def is_other(opened: OpenIssuer, work: Work) -> bool:
    """Return whether the issuer's definition changed since it was asked: its handles mean nothing to another CA."""
    return work.asked and work.issuer not in {"", opened.identity_hash}


def at_issuer(opened: OpenIssuer, work: Work) -> Work:
    """Return the work for the issuer as it is defined now; a change begins another order."""
    return replace(next_order(work) if is_other(opened, work) else work, issuer=opened.identity_hash)


def next_order(work: Work) -> Work:
    """Return the work of another order for the same request."""
    return replace(work, handle=None, deadline=None, asked=False, revision=work.revision + 1)


def _request(
    request: RequestRecord, opened: OpenIssuer, work: Work, now: datetime, lifetime: timedelta, *, asked_before: bool
) -> Request:
    algorithm = algorithm_of(public_key_of(request.csr))
    spec = Spec.model_construct(
        name=request.id,
        issuer=opened.name,
        csr=request.csr if request.supplied_csr else None,
        attributes=attributes_of(request.leaf).model_copy(update={"ttl": lifetime}),
        private_key=PrivateKeySpec(algorithm=algorithm or "EC_prime256v1"),
        destinations=(),
    )
    return Request(
        certificate=request.id,
        spec=spec,
        csr=request.csr,
        revision=work.revision,
        token=str(uuid5(UUID(request.id), str(work.revision))),
        now=now,
        handle=work.handle,
        asked_before=asked_before,
    )
