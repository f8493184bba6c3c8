"""Conversion of the API's responses to issued certificates, pending requests or errors."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm

from evercert.contracts.issuer import Issued, PendingAnswer, Request
from evercert.errors import Busy, GaveUp, Misconfigured, Mismatch, OutOfTime, Rejected, Unavailable
from evercert.issuers.infisical.api import Api, Fields, id_of, status_of
from evercert.pki.certificate import Chain
from evercert.pki.csr_parser import public_key_of
from evercert.pki.keys import PrivateKey, public_bytes
from evercert.pki.path.builder import is_self_signed
from evercert.schema import printable

MIN_WAIT, MAX_WAIT = timedelta(seconds=10), timedelta(minutes=15)
MIN_APPROVAL_WAIT = timedelta(minutes=1)  # a person has to approve it
MIN_UNKNOWN_WAIT = timedelta(minutes=5)  # for unknown states and ages
OPEN = frozenset({"pending_approval", "pending", "pending_validation"})
BACKOFF = 4  # poll again after a quarter of the request's age
MAX_CHARACTERS = 300
CERTIFICATE = "certificate:"  # prefix of the handle of an issued certificate


class ResponseParser:
    """Parses responses; reads each certificate from its bundle, the only response with the chain."""

    def __init__(self, api: Api, pending_for: timedelta) -> None:
        self._api = api
        self._pending_for = pending_for

    def of_issue(self, request: Request, answer: Fields) -> Issued | PendingAnswer:
        """Parse the response to an issuance or a renewal; pending if the certificate cannot be read yet."""
        request_id = id_of(answer, "certificateRequestId")
        try:
            return self._of_issue(request, answer, request_id)
        except GaveUp:
            raise
        except (Unavailable, Misconfigured, OutOfTime) as error:
            if request_id is None:
                raise
            wait = max(MIN_WAIT, getattr(error, "retry_after", None) or MIN_WAIT)
            return PendingAnswer(request_id, request.now + wait, request.now + self._pending_for)

    def _of_issue(self, request: Request, answer: Fields, request_id: str | None) -> Issued | PendingAnswer:
        inner = answer.get("certificate")
        issued: Fields = inner if isinstance(inner, dict) else answer
        if _pem(issued, "certificate") and (certificate_id := id_of(issued, "certificateId")) is not None:
            return self.of_certificate(request, certificate_id, issued)
        if request_id is None:
            raise Unavailable("the server answered with neither a certificate nor a request id")
        if status_of(answer) is not None:
            return self._of_status(request, request_id, answer)
        return self.of_request(request, request_id)

    def of_request(self, request: Request, request_id: str) -> Issued | PendingAnswer:
        """Read a request and return its state."""
        return self._of_status(request, request_id, self._api.request(request_id))

    def of_certificate(self, request: Request, certificate_id: str, answer: Fields | None = None) -> Issued:
        """Read a certificate's bundle; `answer` may hold a private key that the server does not store."""
        bundle = self._api.bundle(certificate_id)
        chain = _chain(bundle, answer or {}, certificate_id)
        handle = CERTIFICATE + certificate_id
        if request.csr is not None:
            return Issued(chain, None, certificate_id, handle, profiled=True)
        pem = _pem(bundle, "privateKey") or _pem(answer or {}, "privateKey")
        if not pem:
            raise Misconfigured(
                f"no private key with certificate {certificate_id}: allow the identity to read private keys, "
                "or let evercert generate them (private-key.source: local)"
            )
        try:
            private_key = PrivateKey.from_pem(pem)
        except ValueError:  # unsupported key type: without a key the certificate does not fit and is revoked
            return Issued(chain, None, certificate_id, handle, profiled=True)
        return Issued(chain, private_key, certificate_id, handle, profiled=True)

    @staticmethod
    def is_of(request: Request, chain: Chain) -> bool:
        """Return whether the certificate is for the key of the CSR; True without a CSR."""
        if request.csr is None:
            return True
        try:
            found = public_bytes(chain.public_key)
        except (ValueError, UnsupportedAlgorithm):  # unsupported key type
            return False
        return public_bytes(public_key_of(request.csr)) == found

    def _of_status(self, request: Request, request_id: str, answer: Fields) -> Issued | PendingAnswer:
        status, created_at = status_of(answer), answer.get("createdAt")
        if status is None:
            raise Busy(f"the server returned no status for request {request_id}")
        message = answer.get("errorMessage") or answer.get("pendingMessage") or answer.get("message") or ""
        message = printable(str(message), MAX_CHARACTERS)
        match status:
            case "issued" if (certificate_id := id_of(answer, "certificateId")) is not None:
                return self.of_certificate(request, certificate_id, answer)
            case "rejected":
                raise Rejected(f"request {request_id} was rejected in Infisical{_quoted(message)}")
            case "failed" | "cancelled":
                raise GaveUp(f"request {request_id} {status} in Infisical{_quoted(message)}")
            case "pending_validation":
                self._api.trigger_validation(request_id)
        waits_for = f"an approval in Infisical (request {request_id})" if status == "pending_approval" else None
        shortest = MIN_WAIT if waits_for is None else MIN_APPROVAL_WAIT
        age = _since(created_at, request.now)
        if status not in OPEN or (age is None and request.handle is not None):
            shortest = MIN_UNKNOWN_WAIT
        wait = min(max((age or shortest) / BACKOFF, shortest), MAX_WAIT)
        return PendingAnswer(request_id, request.now + wait, request.now + self._pending_for, waits_for)


def _quoted(message: str) -> str:
    return f": {message!r}" if message else ""


def _since(moment: Any, now: datetime) -> timedelta | None:  # noqa: ANN401
    """Return the time since `moment`, or None if it is invalid or has no time zone."""
    try:
        return now - datetime.fromisoformat(str(moment))
    except (ValueError, TypeError):
        return None


def _chain(bundle: Fields, answer: Fields, certificate_id: str) -> Chain:
    """Return leaf and issuers as the server orders them; raise Busy if one is missing, Mismatch if malformed."""
    leaf = _pem(bundle, "certificate") or _pem(answer, "certificate")
    above = _pem(bundle, "certificateChain") or _pem(answer, "certificateChain") or _pem(answer, "issuingCaCertificate")
    if not leaf:
        raise Busy(f"the bundle of certificate {certificate_id} has no certificate yet; evercert reads it again later")
    try:
        alone = Chain.from_pem(leaf)  # else the first issuer would take the place of an unreadable leaf
        chain = Chain.from_pem(f"{leaf}\n{above}")
    except ValueError as error:
        raise Mismatch(f"certificate {certificate_id} of the server cannot be used: {error}") from None
    if len(chain.certificates) == 1 and not chain.unreadable and not is_self_signed(alone.leaf):
        raise Busy(f"certificate {certificate_id} has no chain yet; evercert reads it again later")
    return chain


def _pem(fields: Fields, key: str) -> str:
    found = fields.get(key)
    return found if isinstance(found, str) else ""
