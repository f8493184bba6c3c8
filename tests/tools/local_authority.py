"""HTTPS endpoint on the loopback for the authority of the deployed local stack.

The emulator has no TLS and distinguishes its APIs by host names that do not resolve. This endpoint has TLS, with its
own test CA, and forwards each call unchanged.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.doubles.infisical.http_server import Answer, Serving, Transport
from tests.tools.local_infisical import PORT, port_or_zero
from tests.tools.local_stack import Emulator
from tests.tools.ports import free_port
from tests.tools.relay import Call, forward

DOCUMENT = "examples/authority.yaml"
PROFILE = "my-project/tls-server"  # in that document; examples/agent.yaml requests it
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}
_OURS = {*_HOP_BY_HOP, "date", "server"}
Command = Callable[..., str]  # runs `evercert` with arguments and returns its standard output


@dataclass(frozen=True)
class LocalAuthority:
    """Address and CA bundle of the endpoint, with method, path and status of every call, and its seconds."""

    address: str
    ca_bundle: str
    calls: list[tuple[str, str, int]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def count(self, text: str, method: str = "POST") -> int:
        """Return the number of successful calls with this text in their path."""
        good = [path for verb, path, status in self.calls if verb == method and status < http.client.BAD_REQUEST]
        return sum(text in path for path in good)


def choose_address() -> str:
    """Return the stack's parameter AuthorityAddress: the usual port, or another one if that port is in use."""
    return f"https://127.0.0.1:{port_or_zero(PORT) or free_port()}"


@contextmanager
def serve_authority(running: Emulator, outputs: Mapping[str, str]) -> Iterator[LocalAuthority]:
    """Listen at the stack's output AuthorityAddress and forward calls to the emulator."""
    transport = Transport()
    found = LocalAuthority(outputs["AuthorityAddress"], transport.ca_bundle)
    gateway = urlsplit(running.url).netloc
    api = urlsplit(outputs["AuthorityApi"]).hostname or ""
    host = f"{api.partition('.')[0]}.execute-api.localhost:{gateway.rpartition(':')[2]}"

    def relay(method: str, target: str, headers: http.client.HTTPMessage, body: bytes) -> Answer:
        began = time.monotonic()
        answer = _relay(gateway, host, (method, target, headers, body))
        found.seconds.append(time.monotonic() - began)
        found.calls.append((method, target.partition("?")[0], answer[0]))
        return answer

    serving = Serving(relay, port=urlsplit(found.address).port or 0, tls=transport.context)
    serving.start()
    try:
        yield found
    finally:
        serving.stop()


def _relay(gateway: str, host: str, call: Call) -> Answer:
    status, headers, body = forward(gateway, call, dropped=_HOP_BY_HOP, host=host)
    return status, {name: value for name, value in headers.items() if name.lower() not in _OURS}, body


def set_up_profiles(evercert: Command) -> None:
    """Create CAs, ceilings and profiles as an operator would. Idempotent."""
    evercert("authority", "init", "--common-name", "Example", "--yes")
    for name in ("issuing-ec", "issuing-rsa"):
        names = ("--dns", "example.com", "--dns", "*.example.com", "--ip", "none", "--uri", "none")
        evercert("authority", "ceiling", name, *names, "--longest", "90d", "--yes")
    evercert("authority", "apply", DOCUMENT)


def set_up(evercert: Command, role: str) -> str:
    """Create CAs, ceilings, profiles and an identity for this role as an operator would; return the identity's id."""
    set_up_profiles(evercert)
    create = ("authority", "identity", "create", "issuer", "--aws-role", role, "--profile", PROFILE, "--json")
    return str(json.loads(evercert(*create))["id"])
