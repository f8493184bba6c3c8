"""The server double, with controls and inspection for tests."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from http.client import HTTPMessage
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.doubles.infisical import bodies
from tests.doubles.infisical.access_tokens import Tokens
from tests.doubles.infisical.ca import Authority
from tests.doubles.infisical.certificates import Reading
from tests.doubles.infisical.configuration import Estate
from tests.doubles.infisical.errors import Refusal
from tests.doubles.infisical.http_server import Answer, Dropped, Serving, Transport
from tests.doubles.infisical.identity_providers import Cluster, Google, Tenant
from tests.doubles.infisical.issuance import Issuing
from tests.doubles.infisical.logins import AwsLogin, universal
from tests.doubles.infisical.proofs import KubernetesLogin, azure, gcp, ldap
from tests.doubles.infisical.renewal import Renewing
from tests.doubles.infisical.routes import Call, Login, Route, routes
from tests.doubles.infisical.store import Certificate, Request, Store
from tests.doubles.infisical.sts import Sts
from tests.doubles.infisical.switches import Fault, Switches, fits

JSON = {"Content-Type": "application/json; charset=utf-8"}
HUGE = 1_200_000


class Infisical:
    """A server, used as `with Infisical() as server:`; its settings can change while it runs."""

    def __init__(
        self,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        tls: bool = True,
        port: int = 0,
        names: tuple[str, ...] = ("localhost", "127.0.0.1"),
    ) -> None:
        self._clock = clock
        self._transport = Transport(names) if tls else None
        self.switches = Switches()
        self.estate = Estate()
        self.store = Store()
        self.tokens = Tokens(self.now)
        self.sts = Sts()
        self.cluster, self.google = Cluster(self.now), Google(self.now)
        self.tenant = Tenant(self.now)
        self.calls: list[tuple[str, str]] = []  # method and path template, as they arrived
        self.logins: list[str] = []  # the method of each successful login
        self._stopped = threading.Event()
        self._issuing = Issuing(self.estate, self.store, self.switches, self.now)
        self._reading = Reading(self._issuing)
        self._renewing = Renewing(self._issuing, self._reading)
        self._beside = sts, cluster = Serving(self._sts_answer), Serving(self.cluster.answer)
        self.aws = AwsLogin(self.estate, lambda: ("127.0.0.1", sts.port))
        self._kubernetes = KubernetesLogin(self.estate, lambda: ("127.0.0.1", cluster.port))
        self._routes = routes(self._issuing, self.tokens, self._methods())
        self._serving = Serving(self._answer, port=port, tls=self._transport.context if self._transport else None)
        self.authority = Authority(self.now(), site=self.address)

    def _methods(self) -> dict[str, Login]:
        return {
            "universal": lambda body, now: universal(self.estate, body, now),
            "aws": self.aws,
            "kubernetes": self._kubernetes,
            "azure": lambda body, now: azure(self.estate, {self.tenant.id: self.tenant}, body, now),
            "gcp": lambda body, now: gcp(self.estate, self.google, body, now),
            "ldap": lambda body, now: ldap(self.estate, body, now),
        }

    def __enter__(self) -> Self:
        for one in (*self._beside, self._serving):
            one.start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Stop, and fail the test if the double itself had an error."""
        self._stopped.set()
        for one in (self._serving, *self._beside):
            one.stop()
        for one in (self._serving, *self._beside):
            for mistake in one.mistakes:
                raise mistake from error

    def now(self) -> datetime:
        return self._clock() + self.switches.clock_offset

    @property
    def address(self) -> str:
        return f"{'https' if self._transport else 'http'}://127.0.0.1:{self._serving.port}"

    @property
    def ca_bundle(self) -> str | None:
        """The CA of the server's TLS certificate; None without TLS."""
        return self._transport.ca_bundle if self._transport else None

    def _sts_answer(self, method: str, target: str, headers: HTTPMessage, body: bytes) -> Answer:
        status, kind, said = self.sts.answer(method, target, headers, body)
        return status, {"Content-Type": kind}, said

    def _answer(self, method: str, target: str, headers: HTTPMessage, body: bytes) -> Answer:
        url = urlsplit(target)
        route, ids = self._route(method, url.path.removesuffix("/"))
        template = route.template if route else "?"
        self.calls.append((method, template))
        fault = self.switches.next_fault(f"{method} {template}")
        if fault and (said := self._instead(fault)):
            return said
        try:
            call = Call(None, ids, dict(parse_qsl(url.query)), bodies.parse(body, headers.get("Content-Type") or ""))
            answer = self._carried_out(route, call, headers, f"{method}:{url.path}")
        except Refusal as refusal:
            answer = refusal.status, dict(JSON), refusal.body()
        if fault and fault.kind == "drop-after":
            raise Dropped
        return answer

    def _route(self, method: str, path: str) -> tuple[Route | None, dict[str, str]]:
        for route in self._routes:
            ids = route.fits(method, path)
            if ids is not None:
                return route, {key: unquote(value) for key, value in ids.items()}
        return None, {}

    def _carried_out(self, route: Route | None, call: Call, headers: HTTPMessage, asked: str) -> Answer:
        if route is None:
            raise Refusal(404, f"Route {asked} not found", error="Not Found")
        with self.store.lock:
            if route.bearer:
                call.identity = self.tokens.identity(headers.get("Authorization"))
            said = route.handler(call)
            if route.template.endswith("-auth/login"):
                self.logins.append(route.template.split("/")[-2].removesuffix("-auth"))
        if isinstance(said, str):
            return 200, {"Content-Type": "text/plain; charset=utf-8"}, said.encode()
        return 200, {**JSON, "Cache-Control": "no-store"}, json.dumps(said).encode()

    def _instead(self, fault: Fault) -> Answer | None:
        """Return the response of a configured fault, or None if the call proceeds."""
        match fault.kind:
            case "slow":
                self._stopped.wait(fault.seconds)
            case "hang":
                self._stopped.wait(fault.seconds or 60)
                raise Dropped
            case "drop-before":
                raise Dropped
            case "status":
                later = {"Retry-After": fault.retry_after} if fault.retry_after is not None else {}
                return fault.status, {**JSON, **later}, Refusal(fault.status, "a fault that the test wanted").body()
            case "redirect":
                return 302, {"Location": fault.location}, b""
            case "not-json":
                return 200, {"Content-Type": "text/html"}, b"<html>a proxy's greeting</html>"
            case "empty":
                return 200, dict(JSON), b""
            case "huge":
                return 200, dict(JSON), json.dumps({"padding": "x" * HUGE}).encode()
        return None

    # Actions of people in the user interface.

    def approve(self, request_id: str | None = None) -> list[Request]:
        """Approve one request, or all pending ones; an external CA then signs later."""
        return self._each(request_id, "pending_approval", self._approved)

    def _approved(self, request: Request) -> None:
        if request.profile.external:
            request.status = "pending"
        else:
            self._issuing.sign(request)

    def reject(self, request_id: str | None = None, message: str = "rejected by an approver") -> list[Request]:
        return self._each(request_id, "pending_approval", lambda request: _ended(request, "rejected", message))

    def finish(self, request_id: str | None = None, outcome: str = "issue") -> list[Request]:
        """Let the external CA sign its pending requests."""
        return self._each(request_id, "pending", lambda request: self._issuing.sign(request, outcome))

    def fail(self, request_id: str | None = None, message: str = "the CA could not sign") -> list[Request]:
        return self._each(request_id, "pending", lambda request: _ended(request, "failed", message))

    def _each(self, request_id: str | None, status: str, act: Callable[[Request], Any]) -> list[Request]:
        with self.store.lock:
            found = [
                one
                for one in self.store.requests.values()
                if one.id == (request_id or one.id) and one.status.startswith(status)
            ]
            for request in found:
                act(request)
                request.updated = self.now()
        if request_id and not found:
            raise LookupError(f"no request {request_id} is {status}")
        return found

    def revoke(self, certificate_id: str, reason: str = "KEY_COMPROMISE") -> None:
        """Revoke a certificate as in the user interface."""
        with self.store.lock:
            found = self.store.certificate(certificate_id)
            found.revoked, found.reason = self.now(), reason

    def renew_elsewhere(self, certificate_id: str) -> Certificate:
        """Renew as in the user interface, with a key that the server generates."""
        with self.store.lock:
            return self._renewing.elsewhere(certificate_id)

    # Inspection by tests.

    @property
    def issued(self) -> list[Certificate]:
        """Every signed certificate, oldest first, with its revocation time in `revoked`."""
        with self.store.lock:
            return list(self.store.certificates.values())

    def issued_for(self, public_key: bytes) -> list[Certificate]:
        """Return the certificates of a public key (DER SubjectPublicKeyInfo)."""
        return [one for one in self.issued if one.public_key == public_key]

    def count(self, call: str) -> int:
        """Return the calls whose "METHOD template" contains the text; a trailing `$` matches the end."""
        return sum(fits(call, said) for said in map(" ".join, list(self.calls)))


def _ended(request: Request, status: str, message: str) -> None:
    request.status, request.error, request.pending = status, message, None
