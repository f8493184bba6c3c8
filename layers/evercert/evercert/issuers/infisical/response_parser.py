"""What Infisical answers, in evercert's words: issued, or come back later, or why not."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from evercert.contracts.issuer import Issued, PendingAnswer, Request
from evercert.errors import Busy, GaveUp, Misconfigured, OutOfTime, Rejected, Unavailable
from evercert.issuers.infisical.api import Api, Fields, id_of
from evercert.pki.certificate import Chain
from evercert.pki.keys import PrivateKey, public_bytes
from evercert.schema import printable

SOONEST, LATEST = timedelta(seconds=10), timedelta(minutes=15)
SOONEST_APPROVAL = timedelta(minutes=1)  # people are slower than machines
SOONEST_UNTOLD = timedelta(minutes=5)  # where nothing tells how long it takes
OPEN = frozenset({"pending_approval", "pending", "pending_validation"})
PATIENCE = 4  # asked again after this share of the time that it has taken so far
WORDS = 300


class ResponseParser:
    """Reads answers whole: a certificate is read from its bundle each time, because no other answer has its chain."""

    def __init__(self, api: Api, pending_for: timedelta) -> None:
        self._api = api
        self._pending_for = pending_for

    def of_issue(self, request: Request, answer: Fields) -> Issued | PendingAnswer:
        """Of an issuance or a renewal; what cannot be read of it now is come back for, by its request."""
        request_id = id_of(answer, "certificateRequestId")
        try:
            return self._of_issue(request, answer, request_id)
        except GaveUp:
            raise
        except (Unavailable, Misconfigured, OutOfTime) as error:
            if request_id is None:
                raise
            wait = max(SOONEST, getattr(error, "retry_after", None) or SOONEST)
            return PendingAnswer(request_id, request.now + wait, request.now + self._pending_for)

    def _of_issue(self, request: Request, answer: Fields, request_id: str | None) -> Issued | PendingAnswer:
        inner = answer.get("certificate")
        issued: Fields = inner if isinstance(inner, dict) else answer
        if _pem(issued, "certificate") and (certificate_id := id_of(issued, "certificateId")) is not None:
            return self.of_certificate(request, certificate_id, issued)
        if request_id is None:
            raise Unavailable("the server answered with neither a certificate nor a request to ask for")
        if isinstance(answer.get("status"), str):
            return self._of_status(request, request_id, answer)
        return self.of_request(request, request_id)

    def of_request(self, request: Request, request_id: str) -> Issued | PendingAnswer:
        """How a request of ours stands."""
        return self._of_status(request, request_id, self._api.request(request_id))

    def of_certificate(self, request: Request, certificate_id: str, answer: Fields | None = None) -> Issued:
        """By its bundle; `answer` is what came with it, and may hold a private key that is not kept there."""
        bundle = self._api.bundle(certificate_id)
        chain = _chain(bundle, answer or {}, certificate_id)
        if request.csr is not None:
            return Issued(chain, reference=certificate_id, profiled=True)
        pem = _pem(bundle, "privateKey") or _pem(answer or {}, "privateKey")
        if not pem:
            raise Misconfigured(
                f"the server gives no private key with certificate {certificate_id}: allow the identity to read "
                "private keys, or let evercert make them (private-key.source: local)"
            )
        try:
            private_key = PrivateKey.from_pem(pem)
        except ValueError:  # of a kind that evercert has no use for: the certificate does not fit, and is taken back
            return Issued(chain, None, certificate_id, profiled=True)
        return Issued(chain, private_key, certificate_id, profiled=True)

    @staticmethod
    def is_of(request: Request, chain: Chain) -> bool:
        """Whether the certificate is for the key of the CSR; without one, for the key that came with it."""
        if request.csr is None:
            return True
        try:
            found = public_bytes(chain.public_key)
        except (ValueError, UnsupportedAlgorithm):  # of a kind that evercert does not make
            return False
        return public_bytes(x509.load_pem_x509_csr(request.csr.encode()).public_key()) == found

    def _of_status(self, request: Request, request_id: str, answer: Fields) -> Issued | PendingAnswer:
        status, created_at = answer.get("status"), answer.get("createdAt")
        if not isinstance(status, str):
            raise Busy(f"the server does not say how request {request_id} stands")
        said = printable(
            str(answer.get("errorMessage") or answer.get("pendingMessage") or answer.get("message") or ""), WORDS
        )
        match status:
            case "issued" if (certificate_id := id_of(answer, "certificateId")) is not None:
                return self.of_certificate(request, certificate_id, answer)
            case "rejected":
                raise Rejected(f"request {request_id} was rejected in Infisical{_quoted(said)}")
            case "failed" | "cancelled":
                raise GaveUp(f"request {request_id} {status} in Infisical{_quoted(said)}")
            case "pending_validation":
                self._api.trigger_validation(request_id)
        waits_for = f"an approval in Infisical (request {request_id})" if status == "pending_approval" else None
        soonest = SOONEST if waits_for is None else SOONEST_APPROVAL
        taken = _since(created_at, request.now)
        if status not in OPEN or (taken is None and request.handle is not None):
            soonest = SOONEST_UNTOLD
        wait = min(max((taken or soonest) / PATIENCE, soonest), LATEST)
        return PendingAnswer(request_id, request.now + wait, request.now + self._pending_for, waits_for)


def _quoted(said: str) -> str:
    return f": {said!r}" if said else ""


def _since(moment: Any, now: datetime) -> timedelta | None:  # noqa: ANN401
    """None for what is no moment, or one without a zone."""
    try:
        return now - datetime.fromisoformat(str(moment))
    except (ValueError, TypeError):
        return None


def _chain(bundle: Fields, answer: Fields, certificate_id: str) -> Chain:
    """Leaf and issuers, each once; raises Busy if what should stand above the leaf does not come."""
    leaf = _pem(bundle, "certificate") or _pem(answer, "certificate")
    above = _pem(bundle, "certificateChain") or _pem(answer, "certificateChain") or _pem(answer, "issuingCaCertificate")
    try:
        Chain.from_pem(leaf)  # else the first of those above would take the place of one that cannot be read
        chain = Chain.from_pem(f"{leaf}\n{above}")
    except ValueError:
        raise Busy(f"the bundle of certificate {certificate_id} is no chain of certificates") from None
    chain = Chain(tuple(dict.fromkeys(chain.certificates)))  # of a self-signed one, the chain is itself
    if len(chain.certificates) == 1 and chain.leaf.issuer != chain.leaf.subject:
        raise Busy(f"certificate {certificate_id} came without its chain; it is asked for again")
    return chain


def _pem(fields: Fields, key: str) -> str:
    found = fields.get(key)
    return found if isinstance(found, str) else ""
