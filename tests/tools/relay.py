"""One call, handed on to the emulator as it came."""

from __future__ import annotations

import http.client
from collections.abc import Collection

SECONDS = 60
Call = tuple[str, str, http.client.HTTPMessage, bytes]  # method, target, headers, body


def handed_on(
    where: str, call: Call, *, dropped: Collection[str], host: str | None = None
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """`dropped`: headers, in lower case, that are not the call's; `host`: in place of its own."""
    method, target, headers, body = call
    connection = http.client.HTTPConnection(where, timeout=SECONDS)
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
