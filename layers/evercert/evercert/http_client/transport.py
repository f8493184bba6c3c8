"""The one place that sends bytes: checks where to, how long and how much, and names what went wrong."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import httpcore
import httpx

from evercert import __version__
from evercert.errors import Misconfigured, Unavailable
from evercert.http_client.response import Answer, Trouble
from evercert.http_client.trust import context
from evercert.origins import Origin, forbidden

CONNECT_SECONDS, READ_SECONDS = 2.0, 8.0
LARGEST_ANSWER = 1 << 20
IDLE_SECONDS = 30.0  # a connection that rested longer is not trusted: balancers drop it without a word
Resolve = Callable[[str, int], list[str]]


class Wire:
    """A connection to one origin."""

    def __init__(self, origin: Origin, ca_bundle: str | None, backend: Backend) -> None:
        self._origin = origin
        self._limit = backend.limit
        # Neither proxies nor .netrc of the environment: both would send credentials elsewhere.
        self._client = httpx.Client(
            transport=Transport(context(ca_bundle), backend),
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            follow_redirects=False,
            trust_env=False,
            headers={
                "User-Agent": f"evercert/{__version__}",
                "Accept": "application/json",
                "Accept-Encoding": "identity",  # the limit counts bytes as they come
            },
        )

    def send(self, method: str, target: str, content: bytes | None, token: str | None, what: str) -> Answer | Trouble:
        """One attempt; raises Misconfigured for what no other attempt would change."""
        headers = {"Content-Type": "application/json"} if content is not None else {}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        self._limit.begin()
        # The request's own cookies are none: nothing that a server sets may come back to it.
        self._client.cookies.clear()
        try:
            with self._client.stream(method, f"{self._origin}{target}", content=content, headers=headers) as response:
                return self._read(response, what)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return Trouble(_unreached(error, what), safe=True)
        except httpx.HTTPError as error:
            said = "did not answer in time" if isinstance(error, httpx.TimeoutException) else "broke the connection off"
            return Trouble(Unavailable(f"{what}: the server {said}"), safe=False)

    def close(self) -> None:
        """Ends the connection, if there is one."""
        self._client.close()

    def _read(self, response: httpx.Response, what: str) -> Answer:
        body = bytearray()
        for chunk in response.iter_raw():
            body += chunk
            if len(body) > LARGEST_ANSWER:
                raise Misconfigured(f"{what} answered with more than 1 MiB; no API does that: is the address right?")
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise Misconfigured(f"{what} answered compressed, which was not asked for: is the address right?")
        headers = {key.lower(): value for key, value in response.headers.items()}
        return Answer(response.status_code, headers, bytes(body), what)


class Limit:
    """The end of the attempt under way, shared by all that may wait; by the monotonic clock, because it measures."""

    def __init__(self, span: timedelta) -> None:
        self._seconds = span.total_seconds()
        self._until = 0.0

    def begin(self) -> None:
        """From now on."""
        self._until = time.monotonic() + self._seconds

    def left(self, timeout: float | None) -> float:
        """What may still be waited, at most `timeout`; not above zero: nothing."""
        left = self._until - time.monotonic()
        return left if timeout is None else min(left, timeout)


class Transport(httpx.HTTPTransport):
    """httpx's own, over connections of ours."""

    def __init__(self, trusted: ssl.SSLContext, backend: Backend) -> None:
        super().__init__(verify=trusted, trust_env=False)
        # httpx has no public option for a backend; tests/contract/http_client/test_client.py fails if this one breaks.
        self._pool = httpcore.ConnectionPool(
            ssl_context=trusted, network_backend=backend, max_connections=1, keepalive_expiry=IDLE_SECONDS
        )


class Backend(httpcore.NetworkBackend):
    """Resolves a name once, looks at every address, and connects to those very ones: a second look-up has no say."""

    def __init__(self, resolve: Resolve, span: timedelta, *, local: bool) -> None:
        self.limit = self._limit = Limit(span)
        self._resolve = resolve
        self._local = local

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Raises Misconfigured if even one address of the host is forbidden."""
        until = time.monotonic() + self._limit.left(timeout)
        addresses = self._look_up(host, port)
        for address in addresses:
            why = forbidden(ipaddress.ip_address(address.partition("%")[0]), local=self._local)
            if why is not None:
                raise Misconfigured(f"nothing is sent to {host}: it resolves to {address}, {why}")
        trouble: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses:
            left = until - time.monotonic()
            if left <= 0:
                raise httpcore.ConnectTimeout
            try:
                connected = httpcore.SyncBackend().connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                trouble = error
            else:
                return Stream(connected, self._limit)
        raise trouble

    def _look_up(self, host: str, port: int) -> list[str]:
        """In a thread of its own, because the system's resolver knows no time limit."""
        found: list[list[str] | OSError] = []

        def look() -> None:
            try:
                found.append(self._resolve(host, port))
            except OSError as error:
                found.append(error)

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        thread.join(max(0.0, self._limit.left(CONNECT_SECONDS)))
        if not found:
            raise httpcore.ConnectTimeout(host)
        if isinstance(found[0], list):
            return found[0]
        try:
            raise found[0]
        except OSError as error:  # raised here, because httpcore keeps of a cause only what was being handled
            raise httpcore.ConnectError(host) from error


class Stream(httpcore.NetworkStream):
    """A connection whose every wait ends with the attempt, so that single bytes cannot draw it out."""

    def __init__(self, inner: httpcore.NetworkStream, limit: Limit) -> None:
        self._inner = inner
        self._limit = limit

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Raises ReadTimeout."""
        if (left := self._limit.left(timeout)) <= 0:
            raise httpcore.ReadTimeout
        return self._inner.read(max_bytes, left)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Raises WriteTimeout."""
        if (left := self._limit.left(timeout)) <= 0:
            raise httpcore.WriteTimeout
        self._inner.write(buffer, left)

    def close(self) -> None:
        """Both ways."""
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The handshake as a whole ends with the attempt too."""
        if (left := self._limit.left(timeout)) <= 0:
            raise httpcore.ConnectTimeout
        return Stream(self._inner.start_tls(ssl_context, server_hostname, left), self._limit)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401
        """As the connection has it."""
        return self._inner.get_extra_info(info)


def system_resolve(host: str, port: int) -> list[str]:
    """Every address, in the order of the system's preference; raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _unreached(error: Exception, what: str) -> Unavailable:
    """Raises Misconfigured for what TLS refuses: another try meets it again."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise Misconfigured(
                f"{what}: the server's certificate is not trusted ({cause.verify_message}); "
                "if its CA is a private one, give it as ca-bundle, else look at the address"
            ) from error
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            raise Misconfigured(f"{what}: the server speaks no TLS that we do ({cause.reason}): is the address right?")
        if isinstance(cause, socket.gaierror):
            return Unavailable(f"{what}: the name of its host cannot be resolved: is the address right?")
        if isinstance(cause, ConnectionRefusedError):
            return Unavailable(f"{what}: the connection was refused")
    said = "could not be reached in time" if isinstance(error, httpx.TimeoutException) else "could not be reached"
    return Unavailable(f"{what}: the server {said}")


def _causes(error: BaseException | None) -> Iterable[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
