"""Followed certificates: renewed by Infisical itself, and read by id through their renewals."""

from __future__ import annotations

from evercert.contracts.issuer import Issued, Request
from evercert.errors import Busy, Misconfigured, Rejected
from evercert.issuers.infisical.api import Api, Fields, status_of
from evercert.issuers.infisical.recovery import successor_of
from evercert.issuers.infisical.response_parser import ResponseParser
from evercert.schema import printable

MAX_SUCCESSORS = 20


class FollowedCertificate:
    """Reads the newest renewal of a certificate; never requests, renews or revokes one."""

    def __init__(self, api: Api, answers: ResponseParser, address: str) -> None:
        self._api = api
        self._answers = answers
        self._address = address

    def newest(self, request: Request, first: str) -> Issued:
        """Return the newest renewal of the certificate `first`; raise Rejected if it cannot be delivered."""
        certificate_id, known = self._last_renewal(*self._start(request, first))
        if (status := status_of(known)) is None:
            raise Busy(f"the server returned no status for certificate {certificate_id}")
        if status != "active":
            text = printable(status, 40)
            raise Rejected(f"certificate {certificate_id} is {text} and has no renewal; renew it in Infisical")
        if known.get("hasPrivateKey") is False:
            raise Rejected(
                f"cannot follow certificate {certificate_id}: Infisical does not have its private key; "
                "renew it there with a key that the server generates"
            )
        issued = self._answers.of_certificate(request, certificate_id)
        if issued.private_key is None:
            raise Rejected(f"cannot use the private key of certificate {certificate_id}: unsupported key type")
        return issued

    def _start(self, request: Request, first: str) -> tuple[str, Fields]:
        """Return the delivered certificate if it still exists, so that a long chain of renewals is read only once."""
        delivered = request.previous.reference if request.previous is not None else None
        if delivered is not None and (known := self._api.certificate(delivered)) is not None:
            return delivered, known
        return first, self._certificate(first)

    def _last_renewal(self, first: str, known: Fields) -> tuple[str, Fields]:
        seen = [first]
        while (successor := successor_of(known)) is not None:
            if successor in seen:
                raise Rejected(f"cannot follow certificate {first}: its renewals form a cycle")
            if len(seen) > MAX_SUCCESSORS:
                raise Rejected(
                    f"cannot follow certificate {first}: it has more than {MAX_SUCCESSORS} successive renewals; "
                    f"write a newer certificate-id, such as {successor}"
                )
            seen.append(successor)
            known = self._certificate(successor)
        return seen[-1], known

    def _certificate(self, certificate_id: str) -> Fields:
        if (known := self._api.certificate(certificate_id)) is None:
            raise Misconfigured(
                f"certificate {certificate_id} not found at {self._address}, or not visible to this identity"
            )
        return known
