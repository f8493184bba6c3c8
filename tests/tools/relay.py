"""Forward one HTTP call to the emulator unchanged."""

from __future__ import annotations

import http.client
from collections.abc import Collection

SECONDS = 60
Call = tuple[str, str, http.client.HTTPMessage, bytes]  # method, target, headers, body


def forward(
    address: str, call: Call, *, dropped: Collection[str], host: str | None = None
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Send the call and return status, headers and body; leave out `dropped` headers (lower case), replace `host`."""
    method, target, headers, body = call
    connection = http.client.HTTPConnection(address, timeout=SECONDS)
    try:
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        if host is not None:
            connection.putheader("Host", host)
        for name, value in headers.items():
            if name.lower() not in dropped:
                connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()
