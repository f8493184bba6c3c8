"""Pages for http-01 validations, loaded from addresses that were checked (RFC 8555 §8.3, §10.4)."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable, Sequence
from datetime import timedelta

import httpcore
import httpx

from evercert import __version__
from evercert.authority.validation.ports import NotValidated, Page
from evercert.errors import Misconfigured
from evercert.http_client.transport import Backend, Transport
from evercert.origins import Address, carried, forbidden

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
MOST_BYTES = 1_024
_TRANSLATED = (ipaddress.ip_network("64:ff9b:1::/48"),)  # RFC 8215
NOT_ALLOWED = "the address of the host is not allowed; ask the operator, who finds the reason in the validator's log"
OK = 200
_HEADERS = {"User-Agent": f"evercert/{__version__} (validation)", "Accept": "*/*", "Accept-Encoding": "identity"}


class NoAddress(OSError):
    """A name has no address, or the DNS did not answer."""


def refusal(address: Address, allowed: Sequence[Network]) -> str | None:
    """Return why a validation must not connect to this address, or None for public ones and those of the operator.

    Loopback, link-local addresses and metadata services are refused even if the operator lists them.
    """
    if (why := forbidden(address)) is not None:
        return why
    judged = carried(address)
    if any(address in network for network in _TRANSLATED) or getattr(address, "is_site_local", False):
        return "which a gateway may translate to a private address"
    if any(judged.version == network.version and judged in network for network in allowed):
        return None
    return None if judged.is_global else "which is private and not listed in the parameter ValidationNetworks"


class ValidationPages:
    """Loads pages: each name is resolved once, all its addresses are checked, and one of them is asked."""

    def __init__(
        self,
        resolve: Callable[[str], list[str]],
        allowed: Sequence[Network] = (),
        local: tuple[str, int] | None = None,
    ) -> None:
        """`local` is the loopback address and port to which all connections go instead, for development."""
        self._resolve = resolve
        self._allowed = tuple(allowed)
        self._local = local

    def load(self, url: str, within: timedelta, *, private: bool) -> Page:
        """Return the page with its first 1,024 bytes; follows no redirect. Raises NotValidated."""
        backend = ValidationBackend(self._resolve, self._allowed if private else (), self._local, within)
        transport = Transport(any_server(), backend)
        backend.limit.begin()
        timeout = httpx.Timeout(within.total_seconds()).as_dict()
        try:
            request = httpx.Request("GET", url, headers=_HEADERS, extensions={"timeout": timeout})
            response = transport.handle_request(request)
            try:
                content = _beginning(response) if response.status_code == OK else b""
                return Page(response.status_code, response.headers.get("location"), content)
            finally:
                response.close()
        except Misconfigured as error:
            raise NotValidated("connection", NOT_ALLOWED, logged=str(error)) from None
        except httpx.TimeoutException:
            raise NotValidated("connection", "the server did not answer in time") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise NotValidated(*_reason(error)) from None
        finally:
            transport.close()


class ValidationBackend(Backend):
    """Connects to public addresses, and to those that the operator allows."""

    def __init__(
        self,
        resolve: Callable[[str], list[str]],
        allowed: Sequence[Network],
        local: tuple[str, int] | None,
        within: timedelta,
    ) -> None:
        super().__init__(lambda host, _port: [host] if _is_address(host) else resolve(host), within, local=False)
        self._allowed = allowed
        self._elsewhere = local

    def connect_tcp(self, host: str, port: int, *arguments: object, **named: object) -> httpcore.NetworkStream:
        """Connect as `Backend` does; for development, to the local server."""
        if self._elsewhere is not None:
            host, port = self._elsewhere
        return super().connect_tcp(host, port, *arguments, **named)  # type: ignore[arg-type]

    def places(self, host: str, port: int) -> list[tuple[str, int]]:
        """Return addresses and port of a host, all checked; for development, the local server."""
        if self._elsewhere is not None:
            return [self._elsewhere]
        return [(address, port) for address in self.addresses(host, port)]

    def refusal(self, address: Address) -> str | None:
        """Return why this address is refused."""
        return None if self._elsewhere is not None else refusal(address, self._allowed)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _beginning(response: httpx.Response) -> bytes:
    body = b""
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > MOST_BYTES:
            raise NotValidated("incorrectResponse", f"the page has more than {MOST_BYTES} bytes")
    return body


def any_server() -> ssl.SSLContext:
    """Return a context that accepts any certificate: a client that renews an expired one may redirect to https."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _reason(error: BaseException) -> tuple[str, str]:
    """Return type and detail of a failed connection."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, NoAddress):
            return "dns", str(cause)
        if isinstance(cause, ConnectionRefusedError):
            return "connection", "the connection was refused"
        if isinstance(cause, ssl.SSLError):
            return "tls", "the TLS handshake failed"
        cause = cause.__cause__ or cause.__context__
    failed = "the connection failed" if isinstance(error, httpx.ConnectError) else "the server sent no valid HTTP"
    return "connection", failed
