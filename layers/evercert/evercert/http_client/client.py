"""HTTP client for issuers' servers: allowed origins, retries, time limits and redirects."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from evercert.deadline import Clock, Deadline
from evercert.errors import AnswerLost, Misconfigured, OutOfTime, Throttled, Unavailable
from evercert.http_client.response import Content, Response, TransportFailure
from evercert.http_client.retry import BUSY, Retry, is_transient, retry_after
from evercert.origins import Hosts, Origin, path_of
from evercert.schema import printable

if TYPE_CHECKING:
    from evercert.http_client.transport import Connection, Resolve

ATTEMPT_LIMIT = timedelta(seconds=10)  # of one attempt, however slowly its bytes arrive
LAST_START = timedelta(seconds=5)  # no attempt starts later than this after the first: a call takes 15 s at most
JSON = Mapping[str, Any] | None  # request bodies are always objects
REDIRECTS = range(300, 400)
TOO_MANY_REQUESTS = 429
LONGEST_URL = 8_000  # characters, which all clients and servers should support (RFC 9110 §4.1)
_URL = re.compile(  # origin and target: RFC 3986 §3.3, §3.4
    r"((?i:https?)://[^\s/?#\\]+)(/(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)"
)
_DOT_SEGMENT = re.compile(r"/(?:\.|%2[Ee]){1,2}(?:/|$)")  # of a path; clients resolve it (RFC 3986 §5.2.4)


class HTTPClient:
    """Creates clients for single servers, within the rules of the stack.

    `local` permits http and loopback addresses, for development; the published template cannot set it.
    """

    def __init__(
        self,
        hosts: Hosts,
        deadline: Deadline,
        clock: Clock,
        sleep: Callable[[timedelta], None],
        *,
        local: bool = False,
        resolve: Resolve | None = None,
        attempt_limit: timedelta = ATTEMPT_LIMIT,
    ) -> None:
        self.deadline, self.clock, self.sleep = deadline, clock, sleep
        self._hosts = hosts
        self._local = local
        self._resolve = resolve
        self.attempt_limit = attempt_limit
        self._connections: list[Connection] = []

    def close(self) -> None:
        """Close all kept-alive connections; Lambda functions never call this."""
        while self._connections:
            self._connections.pop().close()

    def server(self, address: str, *, retry: Retry | None = None, ca_bundle: str | None = None) -> ServerClient:
        """Return a client for the server at `address`, without connecting.

        Raises Misconfigured if the address is not https, IssuerHosts does not list its host, or the bundle is invalid.
        """
        origin = Origin.of(address)
        is_local = self._local and origin.is_loopback
        if origin.scheme != "https" and not is_local:
            raise Misconfigured(f"invalid address {origin}: must be https://, because credentials are sent to it")
        if not is_local and not self._hosts.allow(origin):
            raise Misconfigured(
                f"address {origin} is not allowed: add {origin.host} to the stack's parameter IssuerHosts"
            )
        return ServerClient(origin, path_of(address), self, retry or Retry(), self._connection(origin, ca_bundle))

    def _connection(self, origin: Origin, ca_bundle: str | None) -> Callable[[], Connection]:
        if ca_bundle is not None:
            from evercert.http_client.trust import check  # noqa: PLC0415 (private servers only)

            check(ca_bundle, origin)

        def connect() -> Connection:
            from evercert.http_client.transport import Backend, Connection, system_resolve  # noqa: PLC0415 (httpx is a tenth of a cold start)

            backend = Backend(self._resolve or system_resolve, self.attempt_limit, local=self._local)
            self._connections.append(Connection(origin, ca_bundle, backend))
            return self._connections[-1]

        return connect


class ServerClient:
    """Client for one origin, with one connection that is kept alive between calls."""

    def __init__(
        self, origin: Origin, base: str, client: HTTPClient, retry: Retry, connect: Callable[[], Connection]
    ) -> None:
        self.origin = origin
        self.base = base  # the path of its address: `/api`, or empty
        self._client = client
        self._retry = retry
        self._connect = connect

    @cached_property
    def _connection(self) -> Connection:
        return self._connect()

    def call(
        self, method: str, path: str, *, body: JSON = None, token: str | None = None, repeatable: bool = True
    ) -> Response:
        """Send a request to `path` below the server's address and return its response, of status 2xx or 4xx.

        Network errors, time-outs, 408, 425, 429 and 5xx are retried; the last one is raised as Unavailable, 429 as
        Throttled.
        With `repeatable=False`, a request that may have arrived is not sent again: AnswerLost is raised instead.
        Raises OutOfTime if nothing was sent because the claim ends.
        """
        target = self.base + path
        operation = f"{method} {self.origin}{target.partition('?')[0]}"
        content = None if body is None else Content(json.dumps(body).encode())
        return self._repeat(
            operation, lambda: self._attempt(method, target, content, token, operation), repeatable=repeatable
        )

    def exchange(
        self,
        method: str,
        url: str,
        content: Callable[[], Content] | None = None,
        *,
        accept: str = "application/json",
        explain: Callable[[Response], str] = lambda _: "",
    ) -> Response:
        """Send a request to an absolute URL of this server, exactly as it is written; errors are those of `call`.

        `content` is called for each attempt, because a signed request must not be sent twice. The operation must be
        repeatable. `explain` returns the message in an error response, or an empty text; it becomes part of the error.
        Raises Misconfigured if the URL has another origin or is not one that every client sends unchanged.
        """
        target = self._target(url)
        operation = f"{method} {url.partition('?')[0]}"

        def attempt() -> Response | TransportFailure:
            body = None if content is None else content()
            return self._attempt(method, target, body, None, operation, accept=accept, explain=explain)

        return self._repeat(operation, attempt, repeatable=True)

    def _target(self, url: str) -> str:
        parts = _URL.fullmatch(url) if len(url) <= LONGEST_URL else None
        if parts is None or _DOT_SEGMENT.search(parts[2].partition("?")[0]):
            raise Misconfigured(f"{self.origin} gave an invalid URL: {printable(url, 200)!r}; check the address")
        if Origin.of(parts[1]) != self.origin:
            raise Misconfigured(
                f"{self.origin} gave a URL of another host, which is not contacted: {printable(url, 200)!r}; "
                "check the address, or the server's configuration of its own address"
            )
        return parts[2]

    def _repeat(
        self, operation: str, attempt: Callable[[], Response | TransportFailure], *, repeatable: bool
    ) -> Response:
        last_start = self._client.clock() + LAST_START
        failure: TransportFailure | None = None
        tries = 0
        while True:
            self._require_time(operation, failure)
            outcome = attempt()
            if isinstance(outcome, Response):
                return outcome
            failure, tries = outcome, tries + 1
            if not failure.safe and not repeatable:
                raise AnswerLost(f"{failure.error}; the request may have taken effect") from failure.error
            wait = self._retry.delay(tries) if failure.wait is None else failure.wait
            if tries > self._retry.max_retries or self._client.clock() + wait > last_start:
                raise failure.error
            self._client.sleep(wait)

    def _require_time(self, operation: str, failure: TransportFailure | None) -> None:
        """Raise the error of the previous attempt, or else OutOfTime, if the claim could end during an attempt."""
        try:
            self._client.deadline.require(self._client.attempt_limit, operation)
        except OutOfTime:
            if failure is None:
                raise
            raise failure.error from None

    def _attempt(
        self,
        method: str,
        target: str,
        content: Content | None,
        token: str | None,
        operation: str,
        *,
        accept: str = "application/json",
        explain: Callable[[Response], str] = lambda _: "",
    ) -> Response | TransportFailure:
        response = self._connection.send(method, target, content, token, operation, accept=accept)
        if isinstance(response, TransportFailure):
            return response
        if response.status in REDIRECTS:
            raise Misconfigured(
                f"{operation} answered {response.status}, a redirect, which is not followed; {_redirect_hint(response)}"
            )
        if not is_transient(response.status):
            return response
        wait = retry_after(response.headers.get("retry-after"), self._client.clock())
        kind = Throttled if response.status == TOO_MANY_REQUESTS else Unavailable
        words = explain(response)
        text = (
            f"{operation} answered {response.status}: {words}" if words else f"{operation} answered {response.status}"
        )
        error = kind(text, retry_after=wait)
        return TransportFailure(error, safe=response.status in BUSY, wait=wait)


def _redirect_hint(response: Response) -> str:
    """Name the target's origin only: the rest of the URL may hold a secret."""
    try:
        origin = Origin.of(response.headers.get("location", "").partition("?")[0])
    except Misconfigured:
        return "check the address"
    return f"it points to {origin}: check the address"
