"""Requests of the authority at external issuers: check the limits again, ask the issuer, return the certificate.

The front may be compromised, so names, usages and validity are checked here against limits that no function can write.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID, uuid5

from evercert.authority.api_errors import Refusal
from evercert.authority.ca.ceiling import external_problems
from evercert.authority.contracts.external import ExternalCeilings, ExternalWork, Work
from evercert.authority.contracts.ports import Certificates
from evercert.authority.contracts.records import RequestRecord
from evercert.authority.registration.blocked_keys import require_uncompromised
from evercert.authority.registration.external_csr import attributes_of, csr_problems
from evercert.authority.registration.external_records import external_record
from evercert.contracts.issuer import Issued, Issuer, Issuers, OpenIssuer, PendingAnswer, Request, SelfIssuer
from evercert.documents.spec import PrivateKeySpec, Spec
from evercert.errors import AnswerLost, EvercertError, GaveUp, Misconfigured, Rejected, Unavailable, Unexpected
from evercert.pki.algorithms import algorithm_of
from evercert.pki.attributes import Attributes
from evercert.pki.certificate import Chain, mismatches
from evercert.pki.csr_parser import public_key_of
from evercert.pki.keys import public_bytes
from evercert.pki.path.validation import validate
from evercert.pki.usages import OIDS

RESERVED = timedelta(minutes=5)  # for one run; another one may continue after it
LONGEST = timedelta(days=7)  # from the request to its end
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)  # after failures
MOST_STEPS = 20  # of one run
SKEW = timedelta(hours=2)  # by which issuers backdate certificates
STEPS_FOR = timedelta(seconds=20)
Outcome = Literal["issued", "pending", "failed", "ended", "unavailable"]


@dataclass(frozen=True)
class Result:
    """The outcome of one run for one request."""

    request: str
    outcome: Outcome
    message: str = ""


@dataclass
class _Steps:
    """The work as this run last stored it."""

    work: Work


@dataclass(frozen=True)
class ExternalFulfillment:
    """Take the next steps of a request; idempotent, and safe to run concurrently."""

    certificates: Certificates
    work: ExternalWork
    ceilings: ExternalCeilings
    issuers: Issuers
    clock: Callable[[], datetime]
    sleep: Callable[[timedelta], None]

    def run(self, request_id: str) -> Result:
        """Continue a request; raise Unavailable or Misconfigured if the tables do not answer."""
        now = self.clock()
        work = self.work.claim(request_id, now, now + RESERVED)
        if work is None:
            return Result(request_id, "ended")
        request = self.certificates.request(request_id)
        if request is None or request.status != "pending" or not request.external:
            self.work.end(request_id)
            return Result(request_id, "ended")
        steps = _Steps(work)
        try:
            return self._continue(request, steps)
        except (Rejected, Refusal) as error:
            return self._fail(request, str(error))
        except Exception as error:  # noqa: BLE001 (its text could hold a secret)
            known = error if isinstance(error, EvercertError) else Unexpected.of(error)
            return self._later(request, steps.work, known)

    def _continue(self, request: RequestRecord, steps: _Steps) -> Result:
        if self.clock() >= (request.approved_at or request.created_at) + LONGEST:
            return self._fail(request, f"issuer {request.external} issued no certificate within {LONGEST.days} days")
        self._require_allowed(request)
        opened = self.issuers.open(request.external)
        if opened.paused:
            raise Unavailable(f"issuer {request.external} is paused")
        issuer = opened.issuer
        if isinstance(issuer, SelfIssuer):
            raise Rejected(f"issuer {request.external} signs no CSRs: set another issuer in the profile")
        retry_at = self.clock()
        last_start = retry_at + STEPS_FOR
        for left in reversed(range(MOST_STEPS)):
            answer = self._step(request, opened, issuer, steps)
            if isinstance(answer, Issued):
                return self._finish(request, answer)
            retry_at = answer.retry_at
            pauses = answer.pause is not None and answer.waits_for is None and left > 0
            if not pauses or answer.pause is None or self.clock() + answer.pause > last_start:
                break
            self.work.keep(steps.work)
            self.sleep(answer.pause)
        self.work.save(steps.work, retry_at)
        return Result(request.id, "pending", steps.work.message)

    def _step(
        self, request: RequestRecord, opened: OpenIssuer, issuer: Issuer, steps: _Steps
    ) -> Issued | PendingAnswer:
        """Ask the issuer once; `steps` has what the next step needs."""
        work, asked_before = steps.work, steps.work.asked and steps.work.handle is None
        if not work.asked:  # stored first: a crash must not hide that it was sent
            work = steps.work = replace(work, asked=True)
            self.work.keep(work)
        answer = issuer.issue(self._request(request, opened, work, asked_before=asked_before))
        if isinstance(answer, PendingAnswer):
            deadline = work.deadline or answer.deadline
            if self.clock() >= deadline:
                raise GaveUp(f"issuer {request.external} did not complete the request before its deadline")
            message = _waiting(request, answer)
            steps.work = replace(work, handle=answer.handle, attempts=0, deadline=deadline, message=message)
            steps.work = replace(steps.work, validating=answer.waits_for is not None)
        return answer

    def _require_allowed(self, request: RequestRecord) -> None:
        """Raise Rejected if the request is beyond the limits of its issuer, or its CSR asks for something else."""
        ceiling = self.ceilings.ceiling(request.external)
        if ceiling is None:
            raise Rejected(f"issuer {request.external} is closed to profiles: an operator can set its ceiling")
        require_uncompromised(self.certificates, public_key_of(request.csr))
        found = external_problems(request.leaf, public_key_of(request.csr), ceiling)
        found += [f"the CSR: {problem}" for problem in csr_problems(request.csr, request.leaf)]
        if timedelta(seconds=request.lifetime) > request.leaf.not_after - request.leaf.not_before:
            found.append("the requested lifetime is longer than the validity that was checked")
        if found:
            raise Rejected(f"request not allowed for issuer {request.external}: {'; '.join(found)}")

    def _request(self, request: RequestRecord, opened: OpenIssuer, work: Work, *, asked_before: bool) -> Request:
        attributes = _attributes(request)
        if request.approval is not None and not request.approval.movable:  # the client named the end
            left = request.leaf.not_after - self.clock()
            if left <= timedelta(0):
                raise Rejected("the requested notAfter passed while the request waited: request the certificate again")
            attributes = attributes.model_copy(update={"ttl": left})
        algorithm = algorithm_of(public_key_of(request.csr))
        spec = Spec.model_construct(
            name=request.id,
            issuer=opened.name,
            csr=request.csr if request.supplied_csr else None,
            attributes=attributes,
            private_key=PrivateKeySpec(algorithm=algorithm or "EC_prime256v1"),
            destinations=(),
        )
        return Request(
            certificate=request.id,
            spec=spec,
            csr=request.csr,
            revision=work.revision,
            token=str(uuid5(UUID(request.id), str(work.revision))),
            now=self.clock(),
            handle=work.handle,
            asked_before=asked_before,
        )

    def _finish(self, request: RequestRecord, issued: Issued) -> Result:
        """Store a certificate that matches the request and has a valid chain; raise Rejected or Misconfigured."""
        now, leaf = self.clock(), issued.chain.leaf
        found = mismatches(
            issued.chain, _attributes(request), public_bytes(public_key_of(request.csr)), profiled=issued.profiled
        )
        purposes = [OIDS[usage].dotted_string for usage in request.leaf.extended_key_usages]
        when = max(now, leaf.not_valid_before_utc)
        path = validate(
            leaf, issued.chain.certificates[1:], when, purposes=purposes, unreadable=issued.chain.unreadable
        )
        found += [fault.text for fault in path.faults_of_leaf()]
        found += self._beyond(request, issued.chain)
        if found:
            raise Rejected(f"issuer {request.external} issued another certificate than requested: {'; '.join(found)}")
        if faults := [str(fault) for fault in path.faults_of_chain()]:
            raise Misconfigured(f"the chain of issuer {request.external} cannot be used: {'; '.join(faults)}")
        record = external_record(request, Chain(path.certificates), issued.reference, now)
        self.certificates.finish(request, record)
        self.work.end(request.id)
        return Result(request.id, "issued")

    def _beyond(self, request: RequestRecord, chain: Chain) -> list[str]:
        """Return what the certificate has beyond the ceiling; issuers choose usages and validity themselves."""
        ceiling, leaf = self.ceilings.ceiling(request.external), chain.leaf
        if ceiling is None:
            return ["an operator closed the issuer to profiles meanwhile"]
        found = []
        purposes = {OIDS[one].dotted_string for one in ceiling.extended_key_usages}
        if extra := sorted(set(chain.fields.extended_key_usage or ()) - purposes):
            found.append(f"its extended key usages {', '.join(map(str, extra))} are beyond the ceiling")
        if leaf.not_valid_after_utc - leaf.not_valid_before_utc > ceiling.longest + SKEW:
            found.append("its validity is beyond the ceiling")
        return found

    def _fail(self, request: RequestRecord, error: str) -> Result:
        self.certificates.fail(replace(request, updated_at=self.clock()), error)
        self.work.end(request.id)
        return Result(request.id, "failed", error)

    def _later(self, request: RequestRecord, work: Work, error: EvercertError) -> Result:
        """Store the error and try again later; after a lost answer, repeat the request with the same token."""
        if error.abandons and not isinstance(error, AnswerLost):
            work = replace(work, handle=None, deadline=None, asked=False, revision=work.revision + 1)
        attempts = work.attempts + 1
        pause = min(FIRST_PAUSE * 2 ** min(attempts - 1, 10), LONGEST_PAUSE)
        waiting = replace(work, attempts=attempts, message=str(error), validating=False)
        self.work.save(waiting, self.clock() + pause)
        return Result(request.id, "unavailable", str(error))


def _attributes(request: RequestRecord) -> Attributes:
    return attributes_of(request.leaf).model_copy(update={"ttl": timedelta(seconds=request.lifetime)})


def _waiting(request: RequestRecord, answer: PendingAnswer) -> str:
    return f"waiting for {answer.waits_for or f'issuer {request.external}'}"
