"""The example for Lambda presents the secret's certificate to a server, by boto3 and by the extension."""

from __future__ import annotations

import importlib.util
import json
import socket
import ssl
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from cryptography import x509

from evercert.destinations.secret_value import value
from tests.doubles.chat import write_certificate
from tests.tools.host import bundle
from tests.tools.local_stack import CREDENTIALS, REGION, ROOT, Emulator, client_arguments


@pytest.fixture
def secret(running: Emulator, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"evercert/certificates/{uuid.uuid4()}"
    for variable, text in {**CREDENTIALS, "AWS_ENDPOINT_URL": running.url, "AWS_DEFAULT_REGION": REGION}.items():
        monkeypatch.setenv(variable, text)
    monkeypatch.setenv("CERTIFICATE_SECRET", name)
    return name


def load() -> Any:
    file = ROOT / "examples" / "lambda" / "certificate.py"
    found = importlib.util.spec_from_file_location("lambda_certificate", file)
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def presented(context: ssl.SSLContext, folder: Path, trusted: str) -> int:
    """Connect to a server that requires a client certificate; return the serial number that it received."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own = write_certificate(folder)
    server_context.load_cert_chain(own)
    server_context.verify_mode = ssl.CERT_REQUIRED
    server_context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    server_context.load_verify_locations(cadata=trusted)
    received: list[bytes] = []

    def accept() -> None:
        with listener.accept()[0] as raw, server_context.wrap_socket(raw, server_side=True) as connection:
            received.append(connection.getpeercert(binary_form=True) or b"")
            connection.sendall(b"hello")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        context.load_verify_locations(own)
        with (
            socket.create_connection(listener.getsockname(), timeout=10) as raw,
            context.wrap_socket(raw, server_hostname="127.0.0.1") as connection,
        ):
            assert connection.recv(10) == b"hello"
        thread.join()
    return x509.load_der_x509_certificate(received[0]).serial_number


@contextmanager
def extension(secret: dict[str, str]) -> Iterator[tuple[int, list[tuple[str, str | None]]]]:
    """Serve a secret as the extension does; yield the port and the requests."""
    requests: list[tuple[str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append((self.path, self.headers["X-Aws-Parameters-Secrets-Token"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"SecretString": json.dumps(secret)}).encode())

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, requests
        server.shutdown()


def current() -> dict[str, str]:
    """Return the value of a secret whose certificate is valid now."""
    return value(bundle(fresh=True))


def test_context_follows_the_secret(running: Emulator, secret: str, tmp_path: Path, monkeypatch: Any) -> None:
    client = boto3.client("secretsmanager", **client_arguments(running))
    first, second = current(), current()
    client.create_secret(Name=secret, SecretString=json.dumps(first))
    module = load()
    assert presented(module.context(), tmp_path, first["certificate"]) == int(first["serial_number"], 16)
    client.put_secret_value(SecretId=secret, SecretString=json.dumps(second))
    assert module.context() is module.context()  # kept for five minutes
    monkeypatch.setattr(module, "KEEP_SECONDS", 0)
    assert presented(module.context(), tmp_path, second["certificate"]) == int(second["serial_number"], 16)


def test_context_reads_from_the_extension(secret: str, tmp_path: Path, monkeypatch: Any) -> None:
    stored = current()
    with extension(stored) as (port, requests):
        monkeypatch.setenv("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", str(port))
        monkeypatch.setenv("AWS_SESSION_TOKEN", "session")
        found = load().context()
    assert presented(found, tmp_path, stored["certificate"]) == int(stored["serial_number"], 16)
    assert requests == [(f"/secretsmanager/get?secretId={secret.replace('/', '%2F')}", "session")]
