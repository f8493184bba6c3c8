"""HTTP transport: checks resolved addresses, limits time and size, and classifies failures."""

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
from evercert.http_client.response import Content, Response, TransportFailure
from evercert.http_client.trust import ssl_context
from evercert.origins import Address, Origin, forbidden

CONNECT_SECONDS, READ_SECONDS = 2.0, 8.0
MAX_RESPONSE_BYTES = 1 << 20
_TIMEOUT = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS).as_dict()
_HEADERS = {
    "User-Agent": f"evercert/{__version__}",
    "Accept-Encoding": "identity",  # the size limit counts raw bytes
}
IDLE_SECONDS = 30.0  # load balancers silently drop connections that are idle for longer
Resolve = Callable[[str, int], list[str]]


class Connection:
    """HTTP connection to one origin."""

    def __init__(self, origin: Origin, ca_bundle: str | None, backend: Backend) -> None:
        self._origin = origin
        self._limit = backend.limit
        # The transport alone: an httpx.Client also reads cookies, redirects and encodings of a response, and fails on
        # some. It has no proxies and no .netrc of the environment either, which would send credentials elsewhere.
        self._transport = Transport(ssl_context(ca_bundle), backend)

    def send(
        self,
        method: str,
        target: str,
        content: Content | None,
        token: str | None,
        operation: str,
        *,
        accept: str = "application/json",
    ) -> Response | TransportFailure:
        """Make one attempt; raise Misconfigured for errors that another attempt would repeat."""
        headers = {**_HEADERS, "Accept": accept}
        if content is not None:
            headers["Content-Type"] = content.media_type
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        data = None if content is None else content.data
        request = httpx.Request(
            method, f"{self._origin}{target}", headers=headers, content=data, extensions={"timeout": _TIMEOUT}
        )
        self._limit.begin()
        try:
            response = self._transport.handle_request(request)
            try:
                return self._read(response, operation)
            finally:
                response.close()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return TransportFailure(_connection_error(error, operation), safe=True)
        except httpx.HTTPError as error:
            reason = "did not answer in time" if isinstance(error, httpx.TimeoutException) else "closed the connection"
            return TransportFailure(Unavailable(f"{operation}: the server {reason}"), safe=False)

    def close(self) -> None:
        """Close the connection if it is open."""
        self._transport.close()

    def _read(self, response: httpx.Response, operation: str) -> Response:
        body = bytearray()
        for chunk in response.iter_raw():
            body += chunk
            if len(body) > MAX_RESPONSE_BYTES:
                raise Misconfigured(f"{operation} answered with more than 1 MiB, which no API does: check the address")
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise Misconfigured(f"{operation} answered with a compressed body: check the address")
        headers = {key.lower(): value for key, value in response.headers.items()}
        return Response(response.status_code, headers, bytes(body), operation)


class Limit:
    """Deadline of the current attempt, on the monotonic clock, shared by all operations that may wait."""

    def __init__(self, span: timedelta) -> None:
        self._seconds = span.total_seconds()
        self._until = 0.0

    def begin(self) -> None:
        """Start the attempt now."""
        self._until = time.monotonic() + self._seconds

    def left(self, timeout: float | None) -> float:
        """Return the seconds that may still be waited, at most `timeout`; zero or less if the attempt is over."""
        left = self._until - time.monotonic()
        return left if timeout is None else min(left, timeout)


class Transport(httpx.HTTPTransport):
    """The transport of httpx over connections of `Backend`."""

    def __init__(self, trusted: ssl.SSLContext, backend: Backend) -> None:
        super().__init__(verify=trusted, trust_env=False)
        # httpx has no public option for a backend; tests/contract/http_client/test_client.py fails if this one breaks.
        self._pool = httpcore.ConnectionPool(
            ssl_context=trusted, network_backend=backend, max_connections=1, keepalive_expiry=IDLE_SECONDS
        )


class Backend(httpcore.NetworkBackend):
    """Resolves a name once, checks every address, and connects to one of them, which prevents DNS rebinding."""

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
        """Connect to the first reachable address; raise Misconfigured if any address of the host is forbidden."""
        until = time.monotonic() + self._limit.left(timeout)
        addresses = self.addresses(host, port, timeout)
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses:
            left = until - time.monotonic()
            if left <= 0:
                raise httpcore.ConnectTimeout
            try:
                connected = httpcore.SyncBackend().connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return Stream(connected, self._limit)
        raise failure

    def addresses(self, host: str, port: int, timeout: float | None = None) -> list[str]:
        """Return the addresses of a host; raise Misconfigured if any of them is forbidden."""
        for address in (found := self._look_up(host, port, timeout)):
            if (why := self.refusal(ipaddress.ip_address(address.partition("%")[0]))) is not None:
                raise Misconfigured(f"refused to connect to {host}: it resolves to {address}, {why}")
        return found

    def refusal(self, address: Address) -> str | None:
        """Return why connections to this address are refused, or None."""
        return forbidden(address, local=self._local)

    def _look_up(self, host: str, port: int, timeout: float | None) -> list[str]:
        """Resolve in a separate thread, because the system's resolver has no time limit."""
        found: list[list[str] | OSError] = []

        def look() -> None:
            try:
                found.append(self._resolve(host, port))
            except OSError as error:
                found.append(error)

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        thread.join(max(0.0, self._limit.left(timeout)))
        if not found:
            raise httpcore.ConnectTimeout(host)
        if isinstance(found[0], list):
            return found[0]
        try:
            raise found[0]
        except OSError as error:  # raised here, because httpcore keeps only the exception being handled as the cause
            raise httpcore.ConnectError(host) from error


class Stream(httpcore.NetworkStream):
    """Connection whose every wait ends with the attempt, so that a slow sender cannot extend it."""

    def __init__(self, inner: httpcore.NetworkStream, limit: Limit) -> None:
        self._inner = inner
        self._limit = limit

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read bytes; raise ReadTimeout once the attempt is over."""
        if (left := self._limit.left(timeout)) <= 0:
            raise httpcore.ReadTimeout
        return self._inner.read(max_bytes, left)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all bytes; raise WriteTimeout once the attempt is over."""
        if (left := self._limit.left(timeout)) <= 0:
            raise httpcore.WriteTimeout
        self._inner.write(buffer, left)

    def close(self) -> None:
        """Close both directions."""
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Perform the TLS handshake; raise ConnectTimeout once the attempt is over."""
        if (left := self._limit.left(timeout)) <= 0:
            raise httpcore.ConnectTimeout
        return Stream(self._inner.start_tls(ssl_context, server_hostname, left), self._limit)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401
        """Return the value of the wrapped connection."""
        return self._inner.get_extra_info(info)


def system_resolve(host: str, port: int) -> list[str]:
    """Return every address in the system's order of preference; raise OSError if there is no such host."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _connection_error(error: Exception, operation: str) -> Unavailable:
    """Return the error for a failed connection; raise Misconfigured for TLS errors, which another try repeats."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise Misconfigured(
                f"{operation}: the server's certificate is not trusted ({cause.verify_message}); "
                "if its CA is private, set ca-bundle, else check the address"
            ) from error
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            raise Misconfigured(f"{operation}: the TLS handshake failed ({cause.reason}): check the address")
        if isinstance(cause, socket.gaierror):
            return Unavailable(f"{operation}: cannot resolve the host name: check the address")
        if isinstance(cause, ConnectionRefusedError):
            return Unavailable(f"{operation}: the connection was refused")
    timed_out = isinstance(error, httpx.TimeoutException)
    return Unavailable(f"{operation}: cannot connect to the server{' in time' if timed_out else ''}")


def _causes(error: BaseException | None) -> Iterable[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
