"""A service of AWS with the JSON protocol, for calls that the emulator does not run: it validates and records them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import botocore.session
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

Answer = Callable[[dict[str, Any]], Any]


@dataclass
class Service:
    """One service; operations without an answer, and calls that its model does not allow, are refused.

    An answer may raise ClientError.
    """

    name: str
    answers: Mapping[str, Answer]
    url: str = ""
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def call(self, target: str, parameters: dict[str, Any]) -> tuple[int, Any]:
        """Return status and body of the answer."""
        model = botocore.session.get_session().get_service_model(self.name)
        prefix, _, operation = target.rpartition(".")
        if prefix != model.metadata["targetPrefix"] or operation not in self.answers:
            self.refused.append(target)
            return 400, {"__type": "UnknownOperationException"}
        report = ParamValidator().validate(parameters, model.operation_model(operation).input_shape)
        if report.has_errors():
            self.refused.append(report.generate_report())
            return 400, {"__type": "ValidationException", "message": report.generate_report()}
        self.calls.append((operation, parameters))
        try:
            return 200, self.answers[operation](parameters)
        except ClientError as error:
            found = error.response
            body = {"__type": found["Error"]["Code"], "message": found["Error"].get("Message", "")}
            return found["ResponseMetadata"]["HTTPStatusCode"], body


@contextmanager
def serve(name: str, answers: Mapping[str, Answer]) -> Iterator[Service]:
    """Serve the double on a loopback port until the block ends."""
    service = Service(name, answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
            status, answer = service.call(self.headers["X-Amz-Target"], body)
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield service
        server.shutdown()
