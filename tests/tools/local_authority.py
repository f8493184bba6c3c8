"""The authority of the deployed local stack, brought within reach: HTTPS on the loopback in front of the emulator's API.

The emulator tells its APIs apart by host names that do not resolve here, and speaks no TLS. What listens here speaks it,
by a CA of its own that nobody else trusts, and hands each call on as it came.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.doubles.infisical.http_server import Answer, Serving, Transport
from tests.tools.local_infisical import PORT, free
from tests.tools.local_stack import Emulator, free_port
from tests.tools.relay import Call, handed_on

DOCUMENT = "examples/authority.yaml"
PROFILE = "my-project/tls-server"  # of that document, and what examples/agent.yaml asks for
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}
_OURS = {*_HOP_BY_HOP, "date", "server"}
Command = Callable[..., str]  # `evercert`, with its arguments; what it says on standard output


@dataclass(frozen=True)
class LocalAuthority:
    """Where it is, and what was asked there: method, path and status of every call."""

    address: str
    ca_bundle: str
    calls: list[tuple[str, str, int]] = field(default_factory=list)

    def count(self, text: str, method: str = "POST") -> int:
        """Calls with this text in their path that were answered well."""
        good = [path for asked, path, status in self.calls if asked == method and status < http.client.BAD_REQUEST]
        return sum(text in path for path in good)


def chosen_address() -> str:
    """What the stack has to be deployed with (AuthorityAddress): the usual port, or another one if somebody has it."""
    return f"https://127.0.0.1:{free(PORT) or free_port()}"


@contextmanager
def within_reach(running: Emulator, outputs: Mapping[str, str]) -> Iterator[LocalAuthority]:
    """Listens where the stack was told that its authority is."""
    transport = Transport()
    found = LocalAuthority(outputs["AuthorityAddress"], transport.ca_bundle)
    gateway = urlsplit(running.url).netloc
    api = urlsplit(outputs["AuthorityApi"]).hostname or ""
    host = f"{api.partition('.')[0]}.execute-api.localhost:{gateway.rpartition(':')[2]}"

    def hand_on(method: str, target: str, headers: http.client.HTTPMessage, body: bytes) -> Answer:
        answer = _asked(gateway, host, (method, target, headers, body))
        found.calls.append((method, target.partition("?")[0], answer[0]))
        return answer

    serving = Serving(hand_on, port=urlsplit(found.address).port or 0, tls=transport.context)
    serving.start()
    try:
        yield found
    finally:
        serving.stop()


def _asked(gateway: str, host: str, call: Call) -> Answer:
    status, headers, said = handed_on(gateway, call, dropped=_HOP_BY_HOP, host=host)
    return status, {name: value for name, value in headers.items() if name.lower() not in _OURS}, said


def set_up(evercert: Command, role: str) -> str:
    """As an operator does it: CAs, ceilings, profiles, and an identity for this role; answers its id."""
    evercert("authority", "init", "--common-name", "Example", "--yes")
    for name in ("issuing-ec", "issuing-rsa"):
        names = ("--dns", "example.com", "--dns", "*.example.com", "--ip", "none", "--uri", "none")
        evercert("authority", "ceiling", name, *names, "--longest", "90d", "--yes")
    evercert("authority", "apply", DOCUMENT)
    made = ("authority", "identity", "create", "issuer", "--aws-role", role, "--profile", PROFILE, "--json")
    return str(json.loads(evercert(*made))["id"])
