"""A host that installs certificates with examples/hosts/install-certificate.sh, and servers that reload them."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from evercert.contracts.issuer import Request
from evercert.destinations.secret_value import value
from evercert.issuers.self_signed import SelfSigned
from evercert.pki.certificate import Bundle
from evercert.pki.keys import PrivateKey
from tests.doubles.fakes import START, spec
from tests.tools.local_stack import ROOT

SCRIPT = ROOT / "examples" / "hosts" / "install-certificate.sh"
STUB = """#!/bin/sh
cat {folder}/answer
"""
# Ends the whole run at the given call of os.fsync, as a power failure would: after one file, after two, after three.
FSYNC = """
import os, signal
real, calls = os.fsync, []
def fsync(descriptor):
    real(descriptor)
    calls.append(descriptor)
    if len(calls) == int(os.environ["DIE_AT_FSYNC"]):
        os.killpg(0, signal.SIGKILL)
os.fsync = fsync
"""


def bundle(name: str = "web", *, fresh: bool = False) -> Bundle:
    """Return a self-signed certificate with its key; `fresh`: valid now."""
    key = PrivateKey.generate("EC_prime256v1")
    wanted = spec(name)
    request = Request(
        name, wanted, key.sign_csr(wanted.attributes), 1, uuid.uuid4().hex, datetime.now(UTC) if fresh else START
    )
    return Bundle(SelfSigned(SelfSigned.Settings()).issue_with(request, key).chain, key)


class Host:
    """Directory of an installed certificate, and a program `aws` that prints the offered answer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.directory = folder / "etc" / "web"
        self.programs = folder / "programs"
        self.programs.mkdir()
        self.program("aws", STUB.format(folder=folder))

    def program(self, name: str, text: str) -> None:
        """Put a program in front of the system's programs."""
        (self.programs / name).write_text(text)
        (self.programs / name).chmod(0o755)

    def offer(self, secret: Any = None, version: str | None = None) -> int:
        """Let the secret hold this value, by default a new certificate; return the serial number."""
        found = value(bundle()) if secret is None else secret
        text = found if isinstance(found, str) else json.dumps(found)
        answer = {"version": version or str(uuid.uuid4()), "value": text}
        (self.folder / "answer").write_text(json.dumps(answer))
        return int(found["serial_number"], 16) if isinstance(found, dict) and "serial_number" in found else 0

    def install(
        self, *options: str, service: str = "nginx", check: str = "true", reload: str = "true", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the script in a process group of its own."""
        command = [SCRIPT, "--secret", "evercert/certificates/web", "--service", service, "--directory", self.directory]
        return subprocess.run(
            [*command, "--check", check, "--reload", reload, *options],
            env={"PATH": f"{self.programs}:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", **environment},
            capture_output=True, text=True, timeout=60, check=False, start_new_session=True,
        )  # fmt: skip

    def die_at_fsync(self, number: int) -> dict[str, str]:
        """Return the environment with which the script's process group dies at its n-th flush."""
        (self.folder / "sitecustomize.py").write_text(FSYNC)
        return {"PYTHONPATH": str(self.folder), "DIE_AT_FSYNC": str(number)}

    def serial(self) -> int:
        """Return the serial number of the installed certificate, after checking that all files belong together."""
        current = self.directory / "current"
        chain, key = (current / "fullchain.pem").read_bytes(), (current / "private-key.pem").read_bytes()
        assert (current / "combined.pem").read_bytes() == chain + key
        leaf = x509.load_pem_x509_certificate(chain)
        assert public(serialization.load_pem_private_key(key, None).public_key()) == public(leaf.public_key())
        return leaf.serial_number


def public(key: Any) -> bytes:
    """Return the DER form of a public key."""
    return bytes(key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))


def served(port: int) -> int:
    """Send one request over a new connection; return the serial number of the server's certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    received = b""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname="www.example.com") as wrapped,
    ):
        der = wrapped.getpeercert(binary_form=True) or b""
        wrapped.sendall(b"GET / HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n")
        while part := wrapped.recv(4_096):
            received += part
    assert received.startswith(b"HTTP/1.1 200 ") and received.endswith(b"hello"), received
    return x509.load_der_x509_certificate(der).serial_number


class Visitors:
    """Clients that connect again and again, and record the certificates they see and the connections that fail."""

    def __init__(self, port: int, clients: int = 4) -> None:
        self.port = port
        self.seen: list[int] = []
        self.failed: list[str] = []
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self._visit) for _ in range(clients)]

    def _visit(self) -> None:
        while not self.ended.is_set():
            try:
                self.seen.append(served(self.port))
            except (OSError, AssertionError) as error:
                self.failed.append(repr(error))

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join()


def eventually(condition: Callable[[], bool], seconds: float = 10) -> bool:
    """Wait until the condition holds; return whether it does."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        try:
            if condition():
                return True
        except OSError:
            pass  # the server does not accept connections yet
        time.sleep(0.05)
    return False


@contextmanager
def server(command: list[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server in a process group of its own until it answers, and end it."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True) as run:
        try:
            assert eventually(lambda: served(port) > 0), f"{command[0]} does not answer"
            yield run
        finally:
            os.killpg(run.pid, 15)


def nginx_configuration(folder: Path, port: int, certificate: Path, key: Path) -> str:
    """Return a configuration of nginx in the foreground that answers `hello`, with all its files in the folder."""
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""
        daemon off; worker_processes 2; pid {folder}/pid; error_log {folder}/error.log; events {{}}
        http {{ access_log off; {temporary}
          server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {certificate}; ssl_certificate_key {key};
            location / {{ return 200 hello; }} }} }}"""


def haproxy_configuration(port: int, combined: Path) -> str:
    """Return a configuration of HAProxy that answers `hello`."""
    return f"""
defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 10s
frontend test
  bind 127.0.0.1:{port} ssl crt {combined}
  http-request return status 200 content-type text/plain string hello
"""
