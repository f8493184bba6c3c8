"""JSON documents of servers that managers of projects name, such as the keys of an OpenID provider."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from evercert.errors import Misconfigured, Unavailable
from evercert.origins import Hosts, Origin

if TYPE_CHECKING:
    from evercert.deadline import Clock, Deadline
    from evercert.http_client.client import ServerClient
    from evercert.http_client.response import Response
    from evercert.http_client.transport import Resolve

ATTEMPT_LIMIT = timedelta(seconds=4)
_OK = range(200, 300)
T = TypeVar("T")


class HTTPDocuments:
    """Reads documents over HTTPS, each with a connection of its own and one more attempt; never follows redirects."""

    def __init__(
        self,
        deadline: Deadline,
        clock: Clock,
        sleep: Callable[[timedelta], None],
        *,
        local: bool = False,
        resolve: Resolve | None = None,
    ) -> None:
        self._setting = (deadline, clock, sleep)
        self._local = local
        self._resolve = resolve

    def get(self, url: str, certificates: str) -> object:
        """Return the document; raise Unavailable if another try may succeed, else Misconfigured."""

        def read(server: ServerClient, _path: str) -> object:
            response = server.exchange("GET", url)
            if response.status not in _OK:  # the client has raised Unavailable for 408, 429 and 5xx
                raise Misconfigured(f"{response.operation} answered {response.status}: check the address")
            return _json(response)

        return self._with_server(url, certificates, read)

    def post(self, url: str, certificates: str, token: str, body: Mapping[str, Any]) -> tuple[int, object]:
        """Return status (2xx or 4xx) and document of the answer; the request may be sent twice."""

        def send(server: ServerClient, path: str) -> tuple[int, object]:
            response = server.call("POST", path, body=body, token=token)
            return response.status, _json(response) if response.status in _OK else None

        return self._with_server(url, certificates, send)

    def _with_server(self, url: str, certificates: str, use: Callable[[ServerClient, str], T]) -> T:
        from evercert.http_client.client import HTTPClient  # noqa: PLC0415 (httpx is a tenth of a cold start)
        from evercert.http_client.retry import Retry  # noqa: PLC0415

        scheme, _, rest = url.partition("://")
        host, _, path = rest.partition("/")
        address = f"{scheme}://{host}"
        hosts = Hosts([Origin.of(address).host])  # a manager of the project named it
        client = HTTPClient(
            hosts, *self._setting, local=self._local, resolve=self._resolve, attempt_limit=ATTEMPT_LIMIT
        )
        server = client.server(address, retry=Retry(max_retries=1), ca_bundle=certificates or None)
        try:
            return use(server, f"/{path}")
        finally:
            client.close()


def _json(response: Response) -> object:
    """Return the document; raise Misconfigured if it is not JSON: another try would find the same."""
    try:
        return response.json()
    except Unavailable as error:
        raise Misconfigured(f"{error}: check the address") from None
