"""A TCP proxy that loses its connections between two invocations of a function, in one of three ways."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

CHUNK = 65_536
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset


class DroppingProxy:
    """Forward connections to a port; `close`, `reset` and `silence` end those that are open, and not later ones."""

    def __init__(self, port: int) -> None:
        self.connections = 0
        self.lost = 0  # parts of requests that were discarded on a silent connection
        self._target = port
        self._open: list[_Pair] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._each(_Pair.end)

    def close(self) -> None:
        """The peer closes: the client could notice before its next call."""
        self._each(_Pair.end)

    def reset(self) -> None:
        """A network device forgets the connection: the client's next bytes are answered with a reset."""
        self._each(_Pair.reset_later)

    def silence(self) -> None:
        """The client's bytes vanish, and no answer comes."""
        self._each(lambda pair: pair.silence(self._lose))

    def _lose(self) -> bool:
        self.lost += 1
        return True

    def _each(self, action: Callable[[_Pair], None]) -> None:
        for pair in self._open:
            action(pair)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            pair = _Pair(client, socket.create_connection(("127.0.0.1", self._target), timeout=20))
            self._open.append(pair)  # before its first bytes: a fault must find it
            pair.start()


class _Pair:
    """One connection of a client, with the one to the target."""

    def __init__(self, client: socket.socket, target: socket.socket) -> None:
        self._client, self._target = client, target
        self._fault: Callable[[], bool] | None = None  # on the client's next bytes; whether to read on

    def start(self) -> None:
        for source, sink in ((self._client, self._target), (self._target, self._client)):
            threading.Thread(target=self._forward, args=(source, sink), daemon=True).start()

    def end(self) -> None:
        for one in (self._client, self._target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def reset_later(self) -> None:
        self._fault = self._reset

    def silence(self, lose: Callable[[], bool]) -> None:
        self._fault = lose

    def _reset(self) -> bool:
        self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._client.close()
        return False

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with source, suppress(OSError):
            while chunk := source.recv(CHUNK):
                if self._fault is None:
                    sink.sendall(chunk)
                elif not self._fault():
                    break
        self.end()
