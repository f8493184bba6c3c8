"""Answer DynamoDB's calls as the emulator did, as cheaply as possible, so that the figures of a client are its own.

`python -m tests.bench.replay PORT URL` passes calls on to the emulator at this URL and keeps the answers. After `POST /replay`,
it answers each read that it knows from memory, and writes with an empty object, as DynamoDB does.
"""

from __future__ import annotations

import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

READS = {"GetItem", "BatchGetItem", "Query"}
KIND = "application/x-amz-json-1.0"


class Replay(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    known: dict[bytes, bytes] = {}
    replaying = False
    url = ""

    def do_POST(self) -> None:
        """Answer a call of DynamoDB, or begin to replay."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        target = self.headers.get("X-Amz-Target", "")
        operation = target.rpartition(".")[2]
        if self.path == "/replay":
            Replay.replaying = True
            answer = b"{}"
        elif not self.replaying:
            answer = self._passed_on(target, body)
            if operation in READS:
                self.known[target.encode() + body] = answer
        elif operation in READS:
            answer = self.known[target.encode() + body]
        else:
            answer = b"{}"
        self.wfile.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\n"
            b"x-amzn-RequestId: REPLAYED\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer)
        )

    def _passed_on(self, target: str, body: bytes) -> bytes:
        headers = {"X-Amz-Target": target, "Content-Type": KIND, "Authorization": self.headers["Authorization"]}
        request = urllib.request.Request(self.url, body, headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return bytes(answer.read())

    def log_message(self, *_: object) -> None:
        """Print nothing."""


if __name__ == "__main__":
    Replay.url = sys.argv[2]
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Replay).serve_forever()
