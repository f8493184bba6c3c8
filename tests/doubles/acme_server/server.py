"""The server: its directory, requests and answers over HTTP on loopback, and controls for tests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPMessage
from typing import Any, Literal, Self

from cryptography import x509

from evercert.acme import base64url, jws
from evercert.acme.problem import MEDIA_TYPE
from tests.doubles.acme_server.accounts import Accounts
from tests.doubles.acme_server.answers import Refusal, problem, reply
from tests.doubles.acme_server.authorizations import Authorizations, Web
from tests.doubles.acme_server.ca import CA
from tests.doubles.acme_server.faults import Faults
from tests.doubles.acme_server.messages import Call, Nonces, Verifier
from tests.doubles.acme_server.orders import Orders
from tests.doubles.acme_server.renewal_info import PATH as RENEWAL_PATH
from tests.doubles.acme_server.renewal_info import Renewals
from tests.doubles.acme_server.resources import Resources
from tests.doubles.infisical.http_server import Answer, Dropped, Serving

DIRECTORY, NEW_NONCE = "/dir", "/n/new~nonce?fresh=%31"
TERMS = "https://ca.example.com/terms/v2"
PROFILES = {"classic": "90 days", "shortlived": "6 days"}


@dataclass
class Seen:
    """A request, and status, nonce and Retry-After of its answer; `payload` and `protected` are empty for a GET or HEAD."""

    kind: str
    method: str
    url: str
    headers: dict[str, str]
    at: datetime
    protected: Mapping[str, Any] = field(default_factory=dict)
    payload: bytes = b""
    status: int | None = None  # None: the connection was dropped
    nonce: str | None = None
    retry_after: str | None = None


class AcmeServer:
    """A server, used as `with AcmeServer(clock) as server:`; `faults` can change while it runs."""

    def __init__(
        self,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        alternates: int = 0,
        external: Mapping[str, bytes] | None = None,
        profiles: Mapping[str, str] = PROFILES,
    ) -> None:
        self._clock = clock
        self.faults = Faults()
        self.seen: list[Seen] = []
        self.nonces = Nonces()
        self._serving = Serving(self._answer)
        self.address = f"http://127.0.0.1:{self._serving.port}"
        self.ca = CA(clock(), alternates)
        self._resources = resources = Resources(self.address)
        self._accounts = Accounts(resources, external)
        self._authorizations = Authorizations(resources, self.faults, clock)
        self._orders = Orders(resources, self._authorizations, self.ca, self.faults, clock, profiles)
        self._verifier = Verifier(self._accounts.known, self.nonces, self.faults)
        self._revoked: set[int] = set()
        self._lock = threading.Lock()
        self._body = self._directory(profiles, external is not None)

    def __enter__(self) -> Self:
        self._serving.start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Stop, and fail the test if the double itself had an error."""
        self._serving.stop()
        for mistake in self._serving.mistakes:
            raise mistake from error

    def _directory(self, profiles: Mapping[str, str], external: bool) -> dict[str, Any]:
        add = self._resources.add
        return {
            "newNonce": f"{self.address}{NEW_NONCE}",
            "newAccount": add("newAccount", "/sign-me%2Fup", self._accounts.register, "jwk"),
            "newOrder": add("newOrder", "/order-plz?via=a%2Fb&x=~", self._orders.place),
            "keyChange": add("keyChange", "/roll~over%2Fkey", self._accounts.change_key),
            "revokeCert": add("revokeCert", "/revoke~cert", self._revoke),
            "renewalInfo": f"{self.address}{RENEWAL_PATH}",
            "meta": {"termsOfService": TERMS, "profiles": dict(profiles), "externalAccountRequired": external},
        }

    # -- state for tests -------------------------------------------------------------------------------------------

    @property
    def directory(self) -> str:
        """The address of the directory."""
        return f"{self.address}{DIRECTORY}"

    @property
    def accounts(self) -> list[Any]:
        """The registered accounts."""
        return self._accounts.known

    @property
    def key_changes(self) -> int:
        """How many changes of account keys took effect."""
        return self._accounts.key_changes

    @property
    def orders(self) -> list[Any]:
        """All orders that were placed, deleted ones included."""
        return self._orders.placed

    @property
    def issued(self) -> list[x509.Certificate]:
        """All issued certificates."""
        return self._orders.issued

    @property
    def renewals(self) -> Renewals:
        """Renewal information and replacements."""
        return self._orders.renewals

    @property
    def revoked(self) -> set[int]:
        """The serial numbers of the revoked certificates."""
        return self._revoked

    def use(self, web: Web) -> None:
        """Validate names with this web and DNS."""
        self._authorizations.web = web

    def requests(self, kind: str) -> list[Seen]:
        """Return the requests to resources of one kind, dropped ones included."""
        return [seen for seen in self.seen if seen.kind == kind]

    def delete_accounts(self) -> None:
        """Delete all accounts, as test CAs do."""
        self._accounts.known.clear()

    def delete_orders(self) -> None:
        """Delete all orders: reading one gives 404."""
        for order in self.orders:
            for url in (order.url, order.finalize, *order.listed):
                self._resources.remove(url)

    def expire_orders(self, authorizations: Literal["gone", "expired", "pending"]) -> None:
        """Let all open orders expire: servers differ in what becomes of their authorizations."""
        for order in self.orders:
            if order.status in ("pending", "ready"):
                order.status = "invalid"
                for entry in order.authorizations:
                    if authorizations == "gone":
                        self._resources.remove(entry.url)
                    elif entry.status == "pending":
                        entry.status = authorizations

    # -- HTTP ----------------------------------------------------------------------------------------------------------

    def _answer(self, method: str, target: str, headers: HTTPMessage, body: bytes) -> Answer:
        with self._lock:
            seen = Seen(self._kind(target), method, f"{self.address}{target}", dict(headers.items()), self._clock())
            with suppress(ValueError):
                message = jws.parse(body)
                seen.protected, seen.payload = message.protected, message.payload
            self.seen.append(seen)
            fault = self.faults.next(seen.kind)
            if fault is None or fault.after:
                answer = self._handled(method, target, dict(headers.items()), body)
            if fault is not None:
                if fault.answer is None:
                    raise Dropped
                answer = fault.answer
            answer = self._with_nonce(method, seen.kind, answer)
            if self.faults.rewrite is not None:
                answer = *answer[:2], self.faults.rewrite(seen.kind, answer[2])
            seen.status, seen.nonce = answer[0], answer[1].get("Replay-Nonce")
            seen.retry_after = answer[1].get("Retry-After")
            return answer

    def _kind(self, target: str) -> str:
        found = self._resources.find(target)
        known = {DIRECTORY: "directory", NEW_NONCE: "newNonce"}
        if target.startswith(f"{RENEWAL_PATH}/"):
            return "renewalInfo"
        return found.kind if found else known.get(target, "unknown")

    def _handled(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        try:
            return self._handle(method, target, headers, body)
        except Refusal as refusal:
            return refusal.answer

    def _handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if not headers.get("User-Agent"):
            raise Refusal("malformed", "a request needs a User-Agent")
        if target == DIRECTORY and method == "GET":
            change = self.faults.directory
            return reply(self._body if change is None else change(dict(self._body)))
        if target == NEW_NONCE and method in ("GET", "HEAD"):
            return (200 if method == "HEAD" else 204), {"Cache-Control": "no-store"}, b""
        if target.startswith(f"{RENEWAL_PATH}/") and method == "GET":
            return self.renewals.answer(target)
        resource = self._resources.find(target)
        if resource is None:
            raise Refusal("malformed", "Page not found", 404)
        if method != "POST":
            raise Refusal("malformed", "Method not allowed", 405)
        call = self._verifier.verify(f"{self.address}{target}", headers, body, resource.signer)
        return resource.handler(call)

    def _with_nonce(self, method: str, kind: str, answer: Answer) -> Answer:
        """Add a nonce where the server itself answers, and the link to the directory (§7.1)."""
        status, headers, body = answer
        own = headers.get("Content-Type") in ("application/json", MEDIA_TYPE, "application/pem-certificate-chain")
        if (method == "POST" and own) or (kind == "newNonce" and "Content-Type" not in headers):
            links = [link for link in (headers.get("Link"), f'<{self.directory}>;rel="index"') if link]
            headers = {**headers, "Replay-Nonce": self.nonces.new(), "Link": "\n".join(links)}
        return status, headers, body

    def _revoke(self, call: Call) -> Answer:
        """Revoke a certificate of any account's (§7.6); the account's own key must sign."""
        wanted = call.payload or {}
        try:
            certificate = x509.load_der_x509_certificate(base64url.decode(wanted["certificate"]))
        except (KeyError, ValueError):
            return problem("malformed", "no certificate")
        if certificate not in self.issued:
            return problem("unauthorized", "the certificate is not of this CA", 403)
        if certificate.serial_number in self._revoked:
            return problem("alreadyRevoked", "Certificate already revoked")
        self._revoked.add(certificate.serial_number)
        return 200, {"Content-Type": "application/json"}, b""
