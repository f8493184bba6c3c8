"""One http-01 certificate by the ACME issuer, in a process of its own.

Stores and web host are in memory. The doubles of the tests are not used: they import AWS clients, which would count.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from evercert.acme.challenges import HTTP_PATH
from evercert.contracts.accounts import StoredAccount
from evercert.contracts.issuer import Issued, Request
from evercert.deadline import Deadline
from evercert.documents.spec import Spec
from evercert.http_client.client import HTTPClient
from evercert.issuers.acme.issuer import Acme
from evercert.issuers.acme.settings import AcmeSettings
from evercert.issuers.context import AcmeContext, IssuerContext
from evercert.origins import Hosts
from evercert.pki.keys import PrivateKey
from evercert.solvers.context import RegisteredSolvers, SolverContext


class Stores:
    """The account, its key and the answers of one process."""

    def __init__(self) -> None:
        self.account: StoredAccount | None = None
        self.key: PrivateKey | None = None
        self.answers: dict[str, str] = {}

    def read(self, _account_id: str) -> StoredAccount | None:
        return self.account

    def create(self, account_id: str, sealed_key: str | None, _kms_key: str | None = None) -> bool:
        return self.register(account_id, StoredAccount(sealed_key))

    def register(self, _account_id: str, account: StoredAccount) -> bool:
        self.account = account
        return True

    def close(self, private_key: PrivateKey, _uid: str, _revision: int) -> str:
        self.key = private_key
        return "sealed"

    def open(self, _sealed: str, _uid: str, _revision: int) -> PrivateKey | None:
        return self.key

    def put(self, token: str, answer: str, _expires: datetime) -> None:
        self.answers[token] = answer

    def delete(self, token: str, _answer: str) -> None:
        self.answers.pop(token, None)


@contextmanager
def web_host(answers: dict[str, str], port: int) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answers[self.path.removeprefix(HTTP_PATH)].encode())

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", port), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield
        server.shutdown()


def clock() -> datetime:
    return datetime.now(UTC)


def sleep(span: timedelta) -> None:
    time.sleep(max(span.total_seconds(), 0))


def no_kms(key: str) -> Any:
    """Fail: this process has no account keys in KMS."""
    raise AssertionError(key)


def issue(directory: str, ca_bundle: str, port: str, name: str) -> str:
    """Register an account and order a certificate; return its chain as PEM."""
    stores: Any = Stores()
    http = HTTPClient(Hosts([]), Deadline(clock), clock, sleep, local=True)
    acme = AcmeContext(stores, stores, RegisteredSolvers(SolverContext(stores)), stores, no_kms)
    context = IssuerContext(http, None, None, clock, acme)  # type: ignore[arg-type]
    settings = {"directory": directory, "ca-bundle": Path(ca_bundle).read_text(), "email": "ops@example.com"}
    issuer = Acme(AcmeSettings.model_validate({**settings, "solvers": [{"type": "http-01"}]}), lambda: context)
    document = {
        "name": "web",
        "issuer": "main",
        "attributes": {"alt-names": [name]},
        "destinations": [{"type": "here"}],
    }
    spec = Spec.model_validate(document)
    csr = PrivateKey.generate("EC_prime256v1").sign_csr(spec.attributes)
    request = Request("web", spec, csr, 1, "token", clock())
    with web_host(stores.answers, int(port)):
        answer = issuer.issue(request)
        while not isinstance(answer, Issued):
            sleep(answer.retry_at - clock())
            answer = issuer.issue(replace(request, now=clock(), handle=answer.handle))
    http.close()
    return answer.chain.fullchain_pem
