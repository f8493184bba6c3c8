"""A web server that answers challenges and logs the local address of each connection.

`python -m tests.tools.private_web_server LOG THUMBPRINT REDIRECTS`: the last is JSON, a URL for each host.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.tools.private_network import HTTP, LIMIT, SYNC


def serve(log: Path, thumbprint: str, redirects: Mapping[str, str]) -> None:
    """Answer challenges and log connections; a connection to the other port ends when all before it are logged."""
    web = socket.create_server(("::", HTTP), family=socket.AF_INET6, dualstack_ipv6=True, backlog=50)
    sync = socket.create_server(("::", SYNC), family=socket.AF_INET6, dualstack_ipv6=True)
    web.setblocking(False)
    with selectors.DefaultSelector() as ready, log.open("a", buffering=1) as lines:
        ready.register(web, selectors.EVENT_READ)
        ready.register(sync, selectors.EVENT_READ)
        until = time.monotonic() + LIMIT
        while time.monotonic() < until:
            events = ready.select(timeout=1)
            for connection in _accepted(web):
                address = connection.getsockname()[0].removeprefix("::ffff:")
                lines.write(f"{address}\n")
                with connection:
                    connection.settimeout(2)
                    connection.sendall(_page(connection.recv(4_096), thumbprint, redirects))
            if any(key.fileobj is sync for key, _ in events):
                sync.accept()[0].close()


def _accepted(web: socket.socket) -> Iterator[socket.socket]:
    for _ in range(50):
        try:
            yield web.accept()[0]
        except BlockingIOError:
            return


def _page(request: bytes, thumbprint: str, redirects: Mapping[str, str]) -> bytes:
    head = request.decode("latin-1").split("\r\n")
    host = next((line.partition(":")[2].strip() for line in head if line.lower().startswith("host:")), "")
    path = [*head[0].split(" "), ""][1]
    if host in redirects and path.startswith("/.well-known/"):
        # The token is kept in the query, so that the target can answer.
        location = f"{redirects[host]}?{path.rpartition('/')[2]}"
        return f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
    token = path.rpartition("?" if "?" in path else "/")[2]
    return f"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{token}.{thumbprint}".encode()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]))
