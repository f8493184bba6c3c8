"""Recovery of requests whose response was lost, by their token or by the certificate that they renew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from evercert.contracts.issuer import Issued, PendingAnswer, Request
from evercert.errors import GaveUp, LoginRefused, Misconfigured, Rejected
from evercert.issuers.infisical.api import Api, Fields, Names, id_of, is_id, status_of
from evercert.issuers.infisical.request_bodies import TOKEN
from evercert.issuers.infisical.response_parser import OPEN, ResponseParser
from evercert.pki.algorithms import algorithm_of
from evercert.pki.certificate import mismatches

PERHAPS = "found:"  # prefix of the handle of a request that another client may have made
MAX_CANDIDATES = 10  # checked one by one, because older servers ignore the search's metadata


class Recovery:
    """Finds requests by their token.

    A renewal inherits the metadata of its predecessor, so its token identifies the certificate, not the client.
    """

    def __init__(self, api: Api, answers: ResponseParser, names: Callable[[], Names]) -> None:
        self._api = api
        self._answers = answers
        self._names = names

    def find(self, request: Request) -> Issued | PendingAnswer | None:
        """Return the state of the request of an earlier run that did not receive the response, or None."""
        handle = self.find_handle(request, request.token)
        return None if handle is None else self._answers.of_request(request, handle)

    def find_handle(self, request: Request, token: str, statuses: frozenset[str] | None = None) -> str | None:
        """Return the newest request with the token and one of the statuses; the same common name goes first."""
        names = self._names()
        if names.project is None:
            return None
        found = self._api.search(names.project, names.profile, {TOKEN: token})
        candidates = [entry for entry in found if statuses is None or status_of(entry) in statuses]
        candidates.sort(key=lambda entry: entry.get("commonName") != request.spec.attributes.common_name)
        for entry in candidates[:MAX_CANDIDATES]:
            if is_id(handle := entry.get("id")) and self._carries(str(handle), token):
                return str(handle)
        return None

    def find_successor(self, request: Request, previous: str, *, asked: bool) -> Issued | PendingAnswer | None:
        """Return an existing renewal: one whose response was lost, or one that the server made by itself.

        `asked`: evercert may have requested one, which may still be pending. Renewals of other clients and revoked
        ones are ignored: an operator may have renewed it manually for another use.
        """
        if (known := self._api.certificate(previous)) is None:
            return None
        if (successor := successor_of(known)) is None:
            token = token_of(known) if asked else None
            handle = None if token is None else self.find_handle(request, token, OPEN)
            return None if handle is None else self.resume_uncertain(request, PERHAPS + handle)
        newer = self._api.certificate(successor) or {}
        if newer.get("status") != "active" or (request.csr is None and newer.get("hasPrivateKey") is False):
            return None
        try:
            issued = self._answers.of_certificate(request, successor)
        except LoginRefused:
            raise
        except (Misconfigured, Rejected):
            if asked:
                raise
            return None
        return issued if self._fits(request, issued) else None

    def resume_uncertain(self, request: Request, handle: str) -> Issued | PendingAnswer | None:
        """Return the state of a request that another client may have made; None if it did, or if it failed."""
        try:
            answer = self._answers.of_request(request, handle.removeprefix(PERHAPS))
        except LoginRefused:
            raise
        except (Misconfigured, Rejected, GaveUp):
            return None
        if isinstance(answer, PendingAnswer):
            return replace(answer, handle=handle)
        return answer if self._fits(request, answer) else None

    def _fits(self, request: Request, issued: Issued) -> bool:
        """Return whether it has the key of the CSR or, without a CSR, the requested attributes and key type."""
        if request.csr is not None:
            return self._answers.is_of(request, issued.chain)
        key, attributes = issued.private_key, request.spec.attributes
        if key is None or mismatches(issued.chain, attributes, key.public_bytes()):
            return False
        return request.spec.private_key.known in (None, algorithm_of(issued.chain.public_key))

    def _carries(self, handle: str, token: str) -> bool:
        """Return whether the request has the token; a request that the identity may not read is another client's."""
        try:
            return token_of(self._api.request(handle)) == token
        except LoginRefused:
            raise
        except Misconfigured:
            return False


def successor_of(known: Fields) -> str | None:
    """Return the id of a certificate's newest renewal, or None."""
    found = id_of(known, "latestRenewalCertificateId")
    return found if found != known.get("id") else None


def token_of(answer: Fields) -> str | None:
    """Return the token in the metadata of a request or certificate: older servers ignore the search by metadata."""
    metadata = answer.get("metadata")
    entries = [entry for entry in metadata if isinstance(entry, dict)] if isinstance(metadata, list) else []
    return next(
        (text for entry in entries if entry.get("key") == TOKEN and isinstance(text := entry.get("value"), str)), None
    )
