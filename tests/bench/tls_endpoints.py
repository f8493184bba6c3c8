"""Endpoints of AWS with TLS on the loopback interface, in front of the emulator.

A process that runs `REDIRECTED` first resolves every name of AWS to the relay. Everything else is as on AWS: the address
of the endpoint, the handshake, and the CA bundle that the client parses.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit

from tests.doubles.raw_server import server_context

CHUNK = 65_536
REDIRECTED = """
import socket
def redirect(host, port, *more, resolve=socket.getaddrinfo, **named):
    return resolve(*(("127.0.0.1", {port}) if host.endswith(".amazonaws.com") else (host, port)), *more, **named)
socket.getaddrinfo = redirect
"""


class TLSEndpoints:
    """Decrypts connections to the endpoints of a region, and forwards them to the emulator."""

    def __init__(self, url: str, region: str) -> None:
        self.connections = 0
        self._target = int(urlsplit(url).port or 0)
        self._context = server_context(f"*.{region}.amazonaws.com")
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._attend, args=(client,), daemon=True).start()

    def _attend(self, client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError), self._context.wrap_socket(client, server_side=True) as decrypted:
            self.connections += 1
            with socket.create_connection(("127.0.0.1", self._target), timeout=20) as target:
                target.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                answers = threading.Thread(target=_copy, args=(target, decrypted), daemon=True)
                answers.start()
                _copy(decrypted, target)
                answers.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    """Forward bytes until one side ends."""
    with suppress(OSError):
        while chunk := source.recv(CHUNK):
            sink.sendall(chunk)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)
