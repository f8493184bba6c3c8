"""A name server on loopback, over UDP and TCP, with CNAMEs, errors, TXT and CAA records."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Self

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

TXT, CAA = dns.rdatatype.TXT, dns.rdatatype.CAA
Texts = Callable[[str], Iterable[str]]


ATTEMPTS = 50


def _both(udp: Any, tcp: Any, port: int) -> list[Any]:
    """Return servers for both protocols at one port; 0 is a free one."""
    for _ in range(ATTEMPTS):
        first = socketserver.ThreadingUDPServer(("127.0.0.1", port), udp)
        try:
            return [first, socketserver.ThreadingTCPServer(first.server_address[:2], tcp)]
        except OSError:  # the TCP port is in use
            first.server_close()
    raise OSError("no port is free for both protocols")


class NameServer:
    """Answers by name: a CNAME (with a final dot), an error code, "silent" or "garbage"; other names have records only.

    `texts` returns the values of a name's TXT records, `caa` has those of its CAA records, as they are written in a zone
    file.
    """

    def __init__(
        self,
        answers: Mapping[str, str],
        texts: Texts = lambda _: (),
        caa: Mapping[str, Iterable[str]] | None = None,
        port: int = 0,
    ) -> None:
        self.caa = dict(caa or {})
        self.answers = dict(answers)
        self.texts = texts
        self.asked: list[str] = []
        self.port = port

    def answer(self, wire: bytes) -> bytes | None:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text()
        self.asked.append(f"{name} {dns.rdatatype.to_text(question.rdtype)}")
        kind = dns.rdatatype.to_text(question.rdtype)
        texts = self._values(name, question.rdtype)
        found = self.answers.get(name, "NOERROR" if texts else "NXDOMAIN")
        if found == "silent":
            return None
        if found == "garbage":
            return wire[:5]
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if found.endswith("."):
            response.answer.append(dns.rrset.from_text(question.name, 60, "IN", "CNAME", found))
            if more := self._values(found, question.rdtype):
                response.answer.append(dns.rrset.from_text(found, 60, "IN", kind, *more))
        else:
            response.set_rcode(dns.rcode.from_text(found))
            if texts:
                response.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *texts))
        return response.to_wire()

    def _values(self, name: str, kind: dns.rdatatype.RdataType) -> list[str]:
        known = name.rstrip(".").lower()
        return list(self.texts(known) if kind == TXT else self.caa.get(known, ()) if kind == CAA else ())

    def __enter__(self) -> Self:
        outer = self

        class OverUDP(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                wire, channel = self.request
                if (answer := outer.answer(wire)) is not None:
                    channel.sendto(answer, self.client_address)

        class OverTCP(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with suppress(OSError, IndexError):
                    size = int.from_bytes(self.request.recv(2), "big")
                    if (answer := outer.answer(self.request.recv(size))) is not None:
                        self.request.sendall(len(answer).to_bytes(2, "big") + answer)

        self._servers = _both(OverUDP, OverTCP, self.port)
        self.port = self._servers[0].server_address[1]
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()
