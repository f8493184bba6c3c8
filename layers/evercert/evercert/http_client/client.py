"""One server over HTTPS: which may be asked, how often, for how long, and what its answer may be."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from evercert.deadline import Clock, Deadline
from evercert.errors import AnswerLost, Misconfigured, OutOfTime, Unavailable
from evercert.http_client.response import Answer, Trouble
from evercert.http_client.retry import BUSY, Retry, retry_after, worth_another
from evercert.origins import Hosts, Origin, path_of

if TYPE_CHECKING:
    from evercert.http_client.transport import Resolve, Wire

ATTEMPT_LIMIT = timedelta(seconds=10)  # of one attempt, however slowly its bytes come
LAST_START = timedelta(seconds=5)  # after the first attempt began, none begins any more: a call takes 15 s at most
JSON = Mapping[str, Any] | None  # every API of ours takes objects
REDIRECTS = range(300, 400)


class Web:
    """Opens servers, within the rules of the stack; asks nobody.

    `local` lets http and loopback through, for development: the shipped template has no way to set it.
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
        self._wires: list[Wire] = []

    def close(self) -> None:
        """Ends the connections that are kept; a function never does, it is ended from outside."""
        while self._wires:
            self._wires.pop().close()

    def server(self, address: str, *, retry: Retry | None = None, ca_bundle: str | None = None) -> Server:
        """Raises Misconfigured: not https, a host that IssuerHosts does not name, a bundle that is none."""
        origin = Origin.of(address)
        at_home = self._local and origin.is_loopback
        if origin.scheme != "https" and not at_home:
            raise Misconfigured(f"address {origin}: only https:// is spoken, because credentials go there")
        if not at_home and not self._hosts.allow(origin):
            raise Misconfigured(
                f"address {origin}: the stack may not ask {origin.host}; add it to the stack's parameter IssuerHosts"
            )
        return Server(origin, path_of(address), self, retry or Retry(), self._wire(origin, ca_bundle))

    def _wire(self, origin: Origin, ca_bundle: str | None) -> Callable[[], Wire]:
        if ca_bundle is not None:
            from evercert.http_client.trust import check  # noqa: PLC0415 (private servers only)

            check(ca_bundle, origin)

        def make() -> Wire:
            from evercert.http_client.transport import Backend, Wire, system_resolve  # noqa: PLC0415 (httpx is a tenth of a cold start)

            backend = Backend(self._resolve or system_resolve, self.attempt_limit, local=self._local)
            self._wires.append(Wire(origin, ca_bundle, backend))
            return self._wires[-1]

        return make


class Server:
    """One origin, with one connection that is kept between calls."""

    def __init__(self, origin: Origin, base: str, web: Web, retry: Retry, wire: Callable[[], Wire]) -> None:
        self.origin = origin
        self.base = base  # the path of its address: `/api`, or nothing
        self._web = web
        self._retry = retry
        self._make_wire = wire

    @cached_property
    def _wire(self) -> Wire:
        return self._make_wire()

    def call(
        self, method: str, path: str, *, body: JSON = None, token: str | None = None, repeatable: bool = True
    ) -> Answer:
        """The answer, of status 2xx or 4xx, to `path` below the server's address; `body` goes as JSON.

        Network errors, time-outs, 408, 425, 429 and 5xx are tried again; in the end they are Unavailable. With
        `repeatable=False` nothing that may have arrived is sent again: AnswerLost says that somebody has to look.
        Raises OutOfTime if nothing was sent because the claim ends.
        """
        target = self.base + path
        what = f"{method} {self.origin}{target.partition('?')[0]}"
        content = None if body is None else json.dumps(body).encode()
        last_start = self._web.clock() + LAST_START
        trouble: Trouble | None = None
        tries = 0
        while True:
            self._may_start(what, trouble)
            outcome = self._attempt(method, target, content, token, what)
            if isinstance(outcome, Answer):
                return outcome
            trouble, tries = outcome, tries + 1
            if not trouble.safe and not repeatable:
                raise AnswerLost(f"{trouble.error}; it may have been done all the same") from trouble.error
            wait = self._retry.delay(tries) if trouble.wait is None else trouble.wait
            if tries > self._retry.max_retries or self._web.clock() + wait > last_start:
                raise trouble.error
            self._web.sleep(wait)

    def _may_start(self, what: str, trouble: Trouble | None) -> None:
        """Raises OutOfTime, or what the attempt before met: it says more."""
        try:
            self._web.deadline.require(self._web.attempt_limit, what)
        except OutOfTime:
            if trouble is None:
                raise
            raise trouble.error from None

    def _attempt(
        self, method: str, target: str, content: bytes | None, token: str | None, what: str
    ) -> Answer | Trouble:
        answer = self._wire.send(method, target, content, token, what)
        if isinstance(answer, Trouble):
            return answer
        if answer.status in REDIRECTS:
            raise Misconfigured(f"{what} answered {answer.status}, a redirect, which is not followed; {_moved(answer)}")
        if not worth_another(answer.status):
            return answer
        wish = retry_after(answer.headers.get("retry-after"), self._web.clock())
        error = Unavailable(f"{what} answered {answer.status}", retry_after=wish)
        return Trouble(error, safe=answer.status in BUSY, wait=wish)


def _moved(answer: Answer) -> str:
    """Where to, as an origin only: what follows it may hold what only the server should know."""
    try:
        return f"it points to {Origin.of(answer.headers.get('location', '').partition('?')[0])}: is the address right?"
    except Misconfigured:
        return "is the address right?"
