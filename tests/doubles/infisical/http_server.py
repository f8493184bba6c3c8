"""A threaded HTTP or HTTPS server on loopback that closes its connections when it stops."""

from __future__ import annotations

import contextlib
import socket
import ssl
import sys
import tempfile
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.client import HTTPMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.doubles.infisical.ca import key_pem, pem

IDLE = 60  # seconds until a silent connection is closed
Answer = tuple[int, dict[str, str], bytes]


class Dropped(Exception):
    """Raised to close the connection without a response."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.mistakes: list[BaseException] = []
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore disconnects and TLS distrust; record other errors as bugs of the double."""
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, OSError):
            self.mistakes.append(error)

    def end(self) -> None:
        with self._lock:
            still = list(self._open)
        for one in still:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(one, socket.SHUT_RDWR)


class Serving:
    """A server that calls `answer(method, target, headers, body)`, from `start` to `stop`."""

    def __init__(
        self,
        answer: Callable[[str, str, HTTPMessage, bytes], Answer],
        *,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = IDLE
            disable_nagle_algorithm = True

            def do(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                try:
                    status, headers, said = answer(self.command, self.path, self.headers, body)
                except Dropped:
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in headers.items():
                    for line in value.split("\n"):  # one header for each line
                        self.send_header(name, line)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def __getattr__(self, name: str) -> Any:
                if name.startswith("do_"):
                    return self.do
                raise AttributeError(name)

            def log_message(self, *_: object) -> None:
                pass

        self._server = _Server(("127.0.0.1", port), Handler)
        if tls:  # handshake in the connection's thread, so that slow clients do not block others
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def mistakes(self) -> list[BaseException]:
        """The errors of the double itself for which the client got no response."""
        return self._server.mistakes

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._server.end()
        self._thread.join()


class Transport:
    """TLS for loopback, with a certificate of a private test CA."""

    def __init__(self, names: tuple[str, ...] = ("localhost", "127.0.0.1")) -> None:
        key, leaf_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        ca = _certificate("double of Infisical: transport CA", key, None, key, ())
        leaf = _certificate(names[0], leaf_key, ca, key, names)
        self.ca_bundle = pem(ca)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            Path(file.name).write_text(pem(leaf) + key_pem(leaf_key))
            self.context.load_cert_chain(file.name)


_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
_OF_A_CA = {"key_cert_sign": True, "crl_sign": True}


def _certificate(name: str, key: Any, parent: x509.Certificate | None, signer: Any, names: tuple[str, ...]) -> Any:
    now = datetime.now(UTC)  # the system clock, which TLS libraries use
    named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(named)
        .issuer_name(parent.subject if parent else named)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=parent is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if parent is None:  # RFC 5280 §4.2.1.3, which Python enforces since 3.13
        builder = builder.add_extension(x509.KeyUsage(**dict.fromkeys(_USAGES, False) | _OF_A_CA), critical=True)
    if names:
        said = [x509.IPAddress(ip_address(one)) if one[0].isdigit() else x509.DNSName(one) for one in names]
        builder = builder.add_extension(x509.SubjectAlternativeName(said), critical=False)
    return builder.sign(signer, hashes.SHA256())
