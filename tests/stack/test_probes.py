"""Probes on the deployed stack: the issuer function invokes the validator function, which reads a real server."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.stack.conftest import Stack, document, until

pytestmark = pytest.mark.timeout(600)


class Server:
    """A TLS server at the port to which the local validator connects, whatever the host."""

    def __init__(self, port: int, file: Path) -> None:
        self.file = file
        self.listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._serve, daemon=True).start()

    def load(self, pair: dict[str, str]) -> None:
        self.file.write_text(pair["private_key"] + pair["fullchain"])

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(self.file)
                with suppress(OSError), context.wrap_socket(connection, server_side=True) as found:
                    found.recv(1)


@pytest.fixture
def server(stack: Stack, tmp_path: Path) -> Iterator[Server]:
    found = Server(stack.running.hosts, tmp_path / "server.pem")
    yield found
    found.listener.shutdown(socket.SHUT_RDWR)  # a thread that waits in `accept` would keep the port
    found.listener.close()


def probed(stack: Stack, name: str, folder: Path, probe: str) -> dict[str, Any]:
    """Apply another probe, which is made at once; return its result."""
    assert stack.evercert("apply", document(folder, name, probe=probe)).returncode == 0
    last: dict[str, Any] = {}

    def seen() -> bool:
        last.update(json.loads(stack.evercert("show", name, "--json").stdout).get("probed", {}))
        return last.get("target") == probe and "at" in last

    assert until(seen, 120, every=3), last
    return last


def test_server_is_compared_with_the_delivered_certificate(stack: Stack, server: Server, tmp_path: Path) -> None:
    name = f"probed-{uuid.uuid4().hex[:6]}"
    assert stack.evercert("apply", document(tmp_path, name), "--wait").returncode == 0
    server.load(stack.secret(name))
    assert probed(stack, name, tmp_path, "www.example.com:443")["result"] == "served"
    assert "serves this revision" in stack.evercert("show", name).stdout
    assert stack.evercert("renew", name, "--wait").returncode == 0
    assert probed(stack, name, tmp_path, "www.example.com:8443")["result"] == "outdated"
    server.load(stack.secret(name))
    assert probed(stack, name, tmp_path, "www.example.com:443")["result"] == "served"
    lines = [one["message"] for one in stack.logs("validator") if isinstance(one.get("message"), dict)]
    assert [one["port"] for one in lines if one.get("outcome") == "probed"][-3:] == [443, 8443, 443]
