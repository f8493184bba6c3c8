"""Show the agent's health in a file or on a port of this host."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from evercert.errors import Misconfigured
from evercert.host.folder import Folder
from evercert.host.ports import Clock
from evercert.timestamps import to_text

LIMIT = 5  # seconds of one request


class Health:
    """The last known health of all certificates: `ok` if a valid one is installed for each, and nothing fails."""

    def __init__(self, clock: Clock, file: Path | None = None) -> None:
        self._clock, self._file = clock, file
        self.ok, self.text = False, json.dumps({"ok": False, "certificates": []})

    def update(self, certificates: Sequence[dict[str, object]]) -> None:
        """Show new facts; raise OSError if the file cannot be written."""
        self.ok = all(one["healthy"] for one in certificates)
        self.text = json.dumps({"ok": self.ok, "at": to_text(self._clock()), "certificates": certificates})
        if self._file is not None:
            with Folder.opened(self._file.absolute().parent) as folder:
                folder.replace(self._file.name, f"{self.text}\n".encode(), 0o644)

    @contextmanager
    def serving(self, port: int) -> Iterator[int]:
        """Answer GET on a loopback port: 200 if all is well, else 503; raise Misconfigured if it is taken."""
        health = self

        class Handler(BaseHTTPRequestHandler):
            timeout = LIMIT

            def do_GET(self) -> None:
                body = health.text.encode()
                self.send_response(200 if health.ok else 503)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:  # noqa: ANN401
                """Write no line for each request."""

        try:
            server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        except OSError as error:
            raise Misconfigured(f"cannot listen on 127.0.0.1:{port}: {error.strerror}; choose another port") from None
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            server.server_close()
