"""The ACME server of the deployed local stack over HTTPS, for the client of tests/doubles/authority/acme_client.py."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, urlsplit

from evercert.acme.external_account import decode_mac_key
from tests.doubles.authority.acme_client import Answer
from tests.doubles.infisical.http_server import Answer as Page
from tests.doubles.infisical.http_server import Serving
from tests.tools.local_authority import PROFILE, Command, LocalAuthority, serve_authority, set_up_profiles
from tests.tools.local_stack import Emulator

SECONDS = 60
_WRITTEN = "/?&=%:~#[]@!$'()*+,;-._"  # characters of a URL that are sent as they are


class DeployedAcme:
    """A directory; `network.pages` are served to the validator by host and path, as in the doubles."""

    def __init__(self, directory: str, served: LocalAuthority, pages: dict[str, bytes]) -> None:
        self.base = directory.removesuffix("/directory")
        self.network = SimpleNamespace(pages=pages, records={})
        self._trust = ssl.create_default_context(cadata=served.ca_bundle)

    def call(self, method: str, url: str, body: bytes = b"", **headers: str) -> Answer:
        return self.send(method, url, {name.replace("_", "-"): value for name, value in headers.items()}, body)

    def send(self, method: str, url: str, headers: dict[str, str], body: bytes) -> Answer:
        """Send a request and return the answer, with header names as `Replay-Nonce`."""
        parts = urlsplit(url)
        target = quote(url.removeprefix(f"{parts.scheme}://{parts.netloc}"), safe=_WRITTEN)
        connection = http.client.HTTPSConnection(parts.netloc, timeout=SECONDS, context=self._trust)
        try:
            connection.request(method, target, body or None, headers)
            answer = connection.getresponse()
            found = {name.title(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read().decode())
        finally:
            connection.close()

    def validate(self) -> list[str]:
        """The queue of the stack delivers the messages; clients poll."""
        return []


def operator(stack: Any) -> Command:
    """Return what runs `evercert` on the stack and fails if it does."""

    def command(*arguments: str) -> str:
        done = stack.evercert(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return str(done.stdout)

    return command


@contextmanager
def deployed_acme(
    running: Emulator, outputs: Any, evercert: Command
) -> Iterator[tuple[DeployedAcme, tuple[str, bytes]]]:
    """Set up the authority as an operator would; yield its directory and a credential."""
    pages: dict[str, bytes] = {}

    def answer(_method: str, path: str, headers: Any, _body: bytes) -> Page:
        page = pages.get(f"http://{headers['Host']}{path}")
        return (404, {}, b"not found") if page is None else (200, {}, page)

    hosts = Serving(answer, port=running.hosts)
    hosts.start()
    try:
        with serve_authority(running, outputs) as served:
            set_up_profiles(evercert)
            made = json.loads(evercert("authority", "eab", "create", "--profile", PROFILE, "--json"))
            directory = DeployedAcme(made["directory"], served, pages)
            yield directory, (made["key_id"], decode_mac_key(made["hmac_key"]))
    finally:
        hosts.stop()
