"""Connection to an ACME server: directory, nonces, and signed requests (RFC 8555 §6)."""

from __future__ import annotations

import json
import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from evercert import json_parser
from evercert.acme import jws
from evercert.acme.base64url import decode
from evercert.acme.links import links
from evercert.acme.problem import Problem
from evercert.acme.resources import Directory
from evercert.canonical_json import digest
from evercert.errors import Misconfigured, NotYet, Throttled, Unavailable
from evercert.http_client.response import Content, Response
from evercert.http_client.retry import retry_after
from evercert.issuers.acme.errors import ProblemAnswer
from evercert.schema import printable

if TYPE_CHECKING:
    from evercert.acme.jws import Signer
    from evercert.deadline import Clock
    from evercert.http_client.client import ServerClient
    from evercert.issuers.acme.settings import AcmeSettings
    from evercert.issuers.context import IssuerContext

MOST_NONCES = 20  # kept for later requests
NONCES_KEPT = timedelta(minutes=2)  # servers forget them after minutes, and at a restart
MOST_REFUSED_NONCES = 30  # of one request, in a row
LONGEST_PAUSE = 0.25  # seconds between two of them
DIRECTORY_KEPT = timedelta(hours=1)
FIRST_REFUSAL, CONFLICT = 400, 409
LONGEST_PACED = timedelta(seconds=10)  # a longer Retry-After is a limit of an order or an account


class Connection:
    """Sends requests to one server; one instance per process keeps its directory and unused nonces."""

    def __init__(self, server: ServerClient, address: str, clock: Clock, sleep: Callable[[timedelta], None]) -> None:
        has_path = "/" in address.partition("://")[2]
        self.address = address if has_path else f"{address}/"  # as RFC 3986 §6.2.3 normalizes it
        self._server = server
        self._clock = clock
        self._sleep = sleep
        self._nonces: deque[tuple[str, datetime]] = deque(maxlen=MOST_NONCES)
        self._directory: tuple[Directory, datetime] | None = None

    def directory(self, *, latest: bool = False) -> Directory:
        """Return the directory, at most an hour old unless `latest`; raise Misconfigured if the address has none."""
        now = self._clock()
        if not latest and self._directory is not None and now < self._directory[1] + DIRECTORY_KEPT:
            return self._directory[0]
        try:
            found = Directory.of(json_parser.parse(self.get(self.address).body))
        except (ValueError, ProblemAnswer) as error:
            raise Misconfigured(
                f"{self.address} is not the directory of an ACME server ({error}); check the address"
            ) from None
        self._directory = found, now
        return found

    def get(self, url: str) -> Response:
        """Send an unauthenticated GET (§6.3, RFC 9773 §4.1); raise ProblemAnswer, and as `ServerClient.exchange`."""
        return self._accepted(self._exchange("GET", url))

    def post(
        self,
        url: str,
        payload: Mapping[str, Any] | None,
        signer: Signer,
        header: Mapping[str, Any],
        accept: str = "application/json",
    ) -> Response:
        """Send a signed request; None as payload makes a POST-as-GET (§6.3). `header` has `kid` or `jwk`.

        If the server refuses the nonce, repeats the request with that of the refusal (§6.5).
        Raises ProblemAnswer for every other problem.
        """
        content = b"" if payload is None else json.dumps(payload).encode()

        def signed() -> Content:
            return Content(jws.sign(content, {**header, "nonce": self._nonce(), "url": url}, signer), jws.MEDIA_TYPE)

        for refused in range(MOST_REFUSED_NONCES):
            answer = self._exchange("POST", url, signed, accept)
            self._keep_nonce(answer)
            try:
                return self._accepted(answer)
            except ProblemAnswer as problem:
                if problem.problem.kind != "badNonce":
                    raise
            if refused:
                pause = min(0.02 * 2**refused, LONGEST_PAUSE) * random.uniform(0.5, 1)  # noqa: S311 (jitter)
                self._sleep(timedelta(seconds=pause))
        raise Unavailable(f"{self.address} refused {MOST_REFUSED_NONCES} nonces in a row")

    def _nonce(self) -> str:
        """Return an unused nonce, of an earlier answer or a new one (§7.2)."""
        oldest = self._clock() - NONCES_KEPT
        while self._nonces:
            nonce, at = self._nonces.pop()
            if at >= oldest:
                return nonce
            self._nonces.clear()
        self._keep_nonce(self._exchange("HEAD", self.directory().new_nonce))
        if not self._nonces:
            raise Unavailable(f"{self.address} answered newNonce without a nonce")
        return self._nonces.pop()[0]

    def _exchange(
        self, method: str, url: str, content: Callable[[], Content] | None = None, accept: str = "application/json"
    ) -> Response:
        try:
            return self._server.exchange(method, url, content, accept=accept, explain=_words)
        except Throttled as error:
            raise self._rate_limited(str(error), error.retry_after) or error from error

    def _rate_limited(self, message: str, wait: timedelta | None) -> NotYet | None:
        """Return the error for a limit of this order or account: others must neither wait nor slow down for it.

        Return None for a short wait: then the server has too many requests.
        """
        return None if wait is None or wait <= LONGEST_PACED else NotYet(message, self._clock() + wait)

    def _keep_nonce(self, answer: Response) -> None:
        nonce = answer.headers.get("replay-nonce", "")
        try:
            decode(nonce)
        except ValueError:
            return
        if nonce:
            self._nonces.append((nonce, self._clock()))

    def _accepted(self, answer: Response) -> Response:
        if answer.status < FIRST_REFUSAL:
            return answer
        problem = Problem.parse(answer.body, answer.status)
        if problem is None and answer.status == CONFLICT and "location" in answer.headers:  # of keyChange (§7.3.5)
            problem = Problem("about:blank", "conflict with another resource", CONFLICT)
        if problem is None:
            raise Misconfigured(
                f"{answer.operation} answered {answer.status} without a problem document, which no ACME server does; "
                "check the address, and any proxy in front of it"
            )
        if problem.kind == "userActionRequired" and problem.instance is None:  # §7.3.3 requires only the link
            terms = links(answer.headers.get("link"), "terms-of-service")
            problem = replace(problem, instance=printable(terms[0]) if terms else None)
        wait = retry_after(answer.headers.get("retry-after"), self._clock())
        if problem.kind == "rateLimited":
            limited = self._rate_limited(f"{answer.operation} answered {answer.status}: {problem}", wait)
            if limited is not None:
                raise limited
        raise ProblemAnswer(problem, wait)


def _words(answer: Response) -> str:
    """Return the text of a problem document; empty for the HTML of a proxy."""
    problem = Problem.parse(answer.body, answer.status)
    return "" if problem is None else str(problem)


def shared_connection(settings: AcmeSettings, context: IssuerContext) -> Connection:
    """Return the one connection of this process to a directory: its nonces serve every issuer there."""
    retries = settings.retry.model_dump(mode="json")
    key = f"acme-{digest([settings.directory, settings.ca_bundle, retries])}"
    if key not in context.shared:
        server = context.http.server(settings.directory, retry=settings.retry, ca_bundle=settings.ca_bundle)
        context.shared[key] = Connection(server, settings.directory, context.clock, context.http.sleep)
    return cast("Connection", context.shared[key])
