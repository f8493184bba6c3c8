"""What evercert asked Infisical for and lost sight of: looked for by its token, and by what it renews."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from evercert.contracts.issuer import Issued, PendingAnswer, Request
from evercert.errors import GaveUp, LoginRefused, Misconfigured, Rejected
from evercert.issuers.infisical.api import Api, Fields, Names, id_of, is_id
from evercert.issuers.infisical.request_bodies import TOKEN
from evercert.issuers.infisical.response_parser import OPEN, ResponseParser
from evercert.pki.algorithms import algorithm_of
from evercert.pki.certificate import misfits

PERHAPS = "found:"  # begins the handle of a request that may be somebody else's
MOST_CANDIDATES = 10  # of a search whose server ignores what was searched for


class Recovery:
    """A renewal carries the metadata of what it renews, so its token tells whose certificate it is, not who asked."""

    def __init__(self, api: Api, answers: ResponseParser, names: Callable[[], Names]) -> None:
        self._api = api
        self._answers = answers
        self._names = names

    def asked(self, request: Request) -> Issued | PendingAnswer | None:
        """The request that a run made which never saw the answer."""
        handle = self.handle(request, request.token)
        return None if handle is None else self._answers.of_request(request, handle)

    def handle(self, request: Request, token: str, statuses: frozenset[str] | None = None) -> str | None:
        """The newest request that carries the token, and has one of the statuses; those of our name are seen first."""
        names = self._names()
        if names.project is None:
            return None
        found = self._api.search(names.project, names.profile, {TOKEN: token})
        candidates = [entry for entry in found if statuses is None or entry.get("status") in statuses]
        candidates.sort(key=lambda entry: entry.get("commonName") != request.spec.attributes.common_name)
        for entry in candidates[:MOST_CANDIDATES]:
            if is_id(handle := entry.get("id")) and self._carries(str(handle), token):
                return str(handle)
        return None

    def successor(self, request: Request, previous: str, *, asked: bool) -> Issued | PendingAnswer | None:
        """What replaced it already: a renewal whose answer was lost, or one that the server made by itself.

        `asked`: we may have asked for one, and it may still wait. What is not ours, or is revoked already, is left
        alone: somebody may have renewed it by hand, for another use.
        """
        if (known := self._api.certificate(previous)) is None:
            return None
        if (successor := successor_of(known)) is None:
            token = token_of(known) if asked else None
            handle = None if token is None else self.handle(request, token, OPEN)
            return None if handle is None else self.perhaps(request, PERHAPS + handle)
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

    def perhaps(self, request: Request, handle: str) -> Issued | PendingAnswer | None:
        """How a request stands that may be somebody else's; None: it is, or it came to nothing."""
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
        """Ours by the key of our CSR; without one, whatever is what was asked for."""
        if request.csr is not None:
            return self._answers.is_of(request, issued.chain)
        key, attributes = issued.private_key, request.spec.attributes
        if key is None or misfits(issued.chain, attributes, key.public_bytes(), request.now):
            return False
        return request.spec.private_key.known in (None, algorithm_of(issued.chain.public_key))

    def _carries(self, handle: str, token: str) -> bool:
        """Not, if we may not look at it: then it is not ours."""
        try:
            return token_of(self._api.request(handle)) == token
        except LoginRefused:
            raise
        except Misconfigured:
            return False


def successor_of(known: Fields) -> str | None:
    """The newest of a certificate's renewals."""
    found = id_of(known, "latestRenewalCertificateId")
    return found if found != known.get("id") else None


def token_of(answer: Fields) -> str | None:
    """The token that a request or a certificate carries: older servers find whatever there is."""
    metadata = answer.get("metadata")
    entries = [entry for entry in metadata if isinstance(entry, dict)] if isinstance(metadata, list) else []
    return next(
        (text for entry in entries if entry.get("key") == TOKEN and isinstance(text := entry.get("value"), str)), None
    )
