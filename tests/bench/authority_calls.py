"""The authority's front and signer with botocore, as Lambda runs them, with a count of their calls of AWS.

The tables are the emulator's, then a stand-in's with the same answers, in processes of their own. Signer, KMS and their
HTTP servers run in threads; only the processor time of the two handlers counts.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import ModuleType
from typing import Any
from unittest.mock import patch

from evercert.aws.authority.configuration_writer import ConfigurationWriter
from tests.bench.logs import silence
from tests.doubles.authority.authority import Setting
from tests.doubles.authority.server import CONTEXT, event_of
from tests.doubles.world import World
from tests.tools.local_stack import ROOT, Emulator
from tests.tools.ports import free_port

PATH = "/api/v1/cert-manager/certificates"
SIGNER = "/2015-03-31/functions/signer/invocations"


Calls = list[tuple[str, str, int]]  # function, operation, bytes of the request


class Listener:
    """Calls of AWS by function, in order, while `listening`."""

    def __init__(self) -> None:
        self.made: Calls = []
        self.listening = False

    def watch(self, function: str, *clients: Any) -> None:
        """Note the calls of these clients."""

        def note(model: Any, params: dict[str, Any], **_: object) -> None:
            if self.listening:
                self.made.append((function, model.name, len(params["body"])))

        for client in clients:
            client.meta.events.register("before-call", note)


@dataclass
class RunningAuthority:
    """Both functions; `signer_seconds` is the processor time of the signer's handler so far."""

    front: ModuleType
    signer: ModuleType
    setting: Setting
    headers: dict[str, str]
    profile: str
    tables: str  # URL
    calls: Listener = field(default_factory=Listener)
    signer_seconds: float = 0.0

    def invoke(self, payload: bytes) -> bytes:
        """Run the signer as Lambda does."""
        event, began = json.loads(payload), time.thread_time()
        answer = self.signer.handler(event, CONTEXT)
        self.signer_seconds += time.thread_time() - began
        return json.dumps(answer).encode()

    def sign(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Sign as KMS does."""
        message = base64.b64decode(asked.pop("Message"))
        signature = self.setting.kms.sign(Message=message, **asked)["Signature"]
        return {"KeyId": asked["KeyId"], "Signature": base64.b64encode(signature).decode()}

    def issue(self, request: str, key: str | None = None) -> float:
        """Have a certificate issued; return the processor time of both handlers."""
        attributes = {"altNames": [{"type": "dns_name", "value": "www.example.com"}], "ttl": "90d"}
        attributes["commonName"] = "www.example.com"
        body = json.dumps({"profileId": self.profile, "csr": request, "attributes": attributes}).encode()
        headers = self.headers if key is None else {**self.headers, "Idempotency-Key": key}
        event, before, began = event_of("POST", PATH, headers, body), self.signer_seconds, time.thread_time()
        answer = self.front.handler(event, CONTEXT)
        seconds = time.thread_time() - began + self.signer_seconds - before
        if answer["statusCode"] != 200 or json.loads(answer["body"])["status"] != "issued":
            raise RuntimeError(answer["body"])
        return seconds

    def replay(self) -> None:
        """Answer the calls of DynamoDB from memory from now on; the functions have made each of them by now."""
        with urllib.request.urlopen(f"{self.tables}/replay", data=b"", timeout=10):
            pass

    def traced(self, request: str, key: str | None = None) -> Calls:
        """Return the calls of one certificate."""
        self.calls.made.clear()
        self.calls.listening = True
        self.issue(request, key)
        self.calls.listening = False
        return list(self.calls.made)


@contextmanager
def running_authority(world: World, running: Emulator) -> Iterator[RunningAuthority]:
    """Load both functions with the emulator's tables; Lambda and KMS are servers of this process."""
    setting = Setting(lambda: datetime.now(UTC))
    profile, (identity, _) = setting.profile(), setting.identity()
    names = "AuthorityConfigurationTable", "AuthorityTable", "AuthorityLedgerTable", "AuthorityAuditTable"
    configuration, state, ledger, audit = (world.authority_table(name) for name in names)
    ConfigurationWriter(world.operator.dynamodb, configuration).write(*setting.cas.values(), profile, identity)
    with ExitStack() as stack:
        server, tables = stack.enter_context(_served()), stack.enter_context(_replay(running))
        values = {
            **running.environment,
            "AWS_ENDPOINT_URL_DYNAMODB": tables,
            "AWS_ENDPOINT_URL_KMS": server.url,
            "AWS_ENDPOINT_URL_LAMBDA": server.url,
            "AUTHORITY_CONFIGURATION": configuration,
            "AUTHORITY_TABLE": state,
            "AUTHORITY_LEDGER": ledger,
            "AUDIT_TABLE": audit,
            "AUTHORITY_BUCKET": "unused",
            "AUTHORITY_SEAL_KEY": world.authority_seal_key,
            "AUTHORITY_ADDRESS": setting.address,
            "SIGNER_FUNCTION": "signer",
            "STACK_NAME": "world",
            "STS_REGIONS": "eu-central-1",
            "VALIDATION_QUEUE": world.queue_url,
            "QUEUE_URL": world.queue_url,
        }
        stack.enter_context(patch.dict(os.environ, values))
        front, signer = loaded("authority"), loaded("signer")
        token = front._services().access_tokens.issue(identity)["accessToken"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        authority = RunningAuthority(front, signer, setting, headers, profile.id, tables)
        server.authority = authority
        silence("authority", "signer")
        _watch(authority)
        yield authority


def _watch(authority: RunningAuthority) -> None:
    """Count the calls of the clients that the functions make."""
    made = authority.front._clients()
    authority.calls.watch("authority", made.dynamodb, made.lambda_, made.kms)
    signing = authority.signer._service()
    clients = signing._configuration._client, signing._ledger._client, signing._keys._client
    authority.calls.watch("signer", *{id(one): one for one in clients}.values())


def loaded(name: str) -> ModuleType:
    """Load a function."""
    spec = importlib.util.spec_from_file_location(f"{name}_app", ROOT / "functions" / name / "app.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    authority: RunningAuthority

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    """Lambda's Invoke and KMS's Sign."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == SIGNER:
            self._answer(self.server.authority.invoke(body), "application/json")
        elif self.headers.get("X-Amz-Target") == "TrentService.Sign":
            answer = self.server.authority.sign(json.loads(body))
            self._answer(json.dumps(answer).encode(), "application/x-amz-json-1.1")
        else:
            raise NotImplementedError(self.path)

    def _answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@contextmanager
def _served() -> Iterator[_Server]:
    server = _Server(("127.0.0.1", 0), _Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def _replay(running: Emulator) -> Iterator[str]:
    """Run the stand-in of DynamoDB in a process of its own."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.replay", str(port), running.url], cwd=ROOT)
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def wait_for(port: int) -> None:
    """Wait until a server listens."""
    for _ in range(200):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens at port {port}")
