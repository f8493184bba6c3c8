"""A raw TCP server for misbehaviour: slow, hanging, truncated, redirecting and endless responses."""

from __future__ import annotations

import json
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Deed = Callable[["RawServer", socket.socket], bool]  # whether the connection stays open


@dataclass(frozen=True)
class Heard:
    """One received request."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


def reply(status: int = 200, body: Any = None, **headers: str) -> Deed:
    """Return a complete response; underscores in header names become hyphens."""
    content = body if isinstance(body, bytes) else json.dumps(body if body is not None else {}).encode()

    def act(_server: RawServer, connection: socket.socket) -> bool:
        lines = [f"HTTP/1.1 {status} Words", f"Content-Length: {len(content)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + content)
        return True

    return act


def drop(_server: RawServer, _connection: socket.socket) -> bool:
    """Read the request and close without a response."""
    return False


def hang(server: RawServer, _connection: socket.socket) -> bool:
    """Stay silent until the test ends."""
    server.over.wait(20)
    return False


def drip(text: bytes) -> Deed:
    """Send the same bytes repeatedly, ten times per second."""

    def act(server: RawServer, connection: socket.socket) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while not server.over.is_set():
            connection.sendall(text)
            time.sleep(0.1)
        return False

    return act


def half(_server: RawServer, connection: socket.socket) -> bool:
    """Close in the middle of the response."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    return False


@cache
def authority() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """The CA of all servers of a test run."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "private CA")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=2))
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
    ).add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True)
    return builder.sign(key, hashes.SHA256()), key


def bundle() -> str:
    """The CA bundle that clients of these servers trust."""
    return authority()[0].public_bytes(serialization.Encoding.PEM).decode()


def server_context(name: str, *, days: int = 1, identified: bool = True) -> ssl.SSLContext:
    """Issue a certificate; negative `days`: expired; `identified`: with an authority key identifier."""
    issuer, issuer_key = authority()
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    try:
        subject: x509.GeneralName = x509.IPAddress(ip_address(name))
    except ValueError:
        subject = x509.DNSName(name)
    builder = x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(issuer.subject)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=5)).not_valid_after(now + timedelta(days=days))
    builder = builder.add_extension(x509.SubjectAlternativeName([subject]), critical=True)
    if identified:
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
    leaf = builder.sign(issuer_key, hashes.SHA256())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pair.pem"
        path.write_bytes(pem + leaf.public_bytes(serialization.Encoding.PEM))
        context.load_cert_chain(path)
    return context


class RawServer:
    """Does one deed per request, repeating the last one; stores the requests."""

    def __init__(self, *deeds: Deed, tls: ssl.SSLContext | None = None) -> None:
        self.deeds = list(deeds)
        self.heard: list[Heard] = []
        self.connections = 0
        self.over = threading.Event()
        self._tls = tls
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._socket.close()

    def _serve(self) -> None:
        while not self.over.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._attend, args=(connection,), daemon=True).start()

    def _attend(self, connection: socket.socket) -> None:
        try:
            connection.settimeout(20)
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection, connection.makefile("rb") as stream:
                while (heard := _hear(stream)) is not None:
                    self.heard.append(heard)
                    deed = self.deeds.pop(0) if len(self.deeds) > 1 else self.deeds[0]
                    if not deed(self, connection):
                        return
        except OSError:
            pass
        finally:
            connection.close()


def _hear(stream: Any) -> Heard | None:
    first = stream.readline().decode("latin-1")
    if not first:
        return None
    headers = {}
    while line := stream.readline().decode("latin-1").strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    if len(first.split()) != 3:
        return None  # a handshake, perhaps: no HTTP
    method, target, _ = first.split()
    return Heard(method, target, headers, stream.read(int(headers.get("content-length", 0))))
