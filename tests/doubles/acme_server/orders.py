"""Orders: placed, read, finalized, and their certificates (RFC 8555 §7.4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from cryptography import x509

from tests.doubles.acme_server import csr
from tests.doubles.acme_server.answers import Refusal, reply, subproblem
from tests.doubles.acme_server.authorizations import OPEN, Authorizations
from tests.doubles.acme_server.ca import CA
from tests.doubles.acme_server.faults import Faults
from tests.doubles.acme_server.messages import Call
from tests.doubles.acme_server.renewal_info import Renewals
from tests.doubles.acme_server.resources import Resources
from tests.doubles.acme_server.state import Account, Order, error_body
from tests.doubles.infisical.http_server import Answer

EXPIRY = timedelta(hours=8)
CHAIN = "application/pem-certificate-chain"


class Orders:
    """The orders of the server."""

    def __init__(
        self,
        resources: Resources,
        authorizations: Authorizations,
        ca: CA,
        faults: Faults,
        clock: Callable[[], datetime],
        profiles: Mapping[str, str],
    ) -> None:
        self.placed: list[Order] = []
        self.issued: list[x509.Certificate] = []
        self._full_at: dict[str, datetime] = {}  # by the URL of the account
        self.renewals = Renewals(lambda: self.issued)
        self._resources, self._authorizations, self._ca = resources, authorizations, ca
        self._faults, self._clock, self._profiles = faults, clock, profiles

    def place(self, call: Call) -> Answer:
        """Handle newOrder; every call makes another order."""
        wanted = call.payload or {}
        if unknown := set(wanted) - {"identifiers", "notBefore", "notAfter", "profile", "replaces"}:
            raise Refusal("malformed", f"unknown fields {sorted(unknown)}")
        profile = wanted.get("profile")
        if profile is not None and profile not in self._profiles:
            raise Refusal("invalidProfile", f"requested certificate profile {profile!r} is not known")
        identifiers = wanted.get("identifiers") or []
        self._require_allowed([entry["value"] for entry in identifiers])
        self.renewals.require_replaceable(wanted.get("replaces"), call.sender)
        for open_order in self.placed if self._faults.reuse_orders else ():
            same = open_order.account is call.sender and open_order.identifiers == identifiers
            if same and open_order.status in ("pending", "ready"):
                return reply(open_order.body(), 201, {"Location": open_order.url})
        if "replaces" not in wanted:
            self._count(call.sender)
        order = self._make(call.sender, identifiers, profile)
        self.renewals.replace(wanted.get("replaces"), order)
        self.placed.append(order)
        return reply(order.body(), 201, {"Location": order.url})

    def _count(self, account: Account) -> None:
        """Refuse an order above the limit of the account; the bucket refills evenly, as that of Let's Encrypt does."""
        if self._faults.order_limit is None:
            return
        at_most, per = self._faults.order_limit
        now = self._clock()
        full_at = max(self._full_at.get(account.url, now), now) + per / at_most
        if full_at > now + per:
            raise Refusal("rateLimited", "too many new orders (300) from this account", 429)
        self._full_at[account.url] = full_at

    def _make(self, account: Account, identifiers: list[dict[str, str]], profile: str | None) -> Order:
        faults = self._faults
        order = Order(
            account, identifiers, self._clock() + EXPIRY, profile,
            faults.processing_challenges, faults.late_ready, faults.late_finalize, faults.processing_orders,
        )  # fmt: skip
        order.authorizations = [self._authorizations.add(account, entry) for entry in identifiers]
        order.listed = list(faults.arrange([entry.url for entry in order.authorizations]))
        order.url = self._resources.add("order", "/o~rder/{}%2Fx?for=you", lambda call: self._read(order, call))
        order.finalize = self._resources.add("finalize", "/finalize?order=%7E{}", lambda call: self._end(order, call))
        self._update(order)
        return order

    def _require_allowed(self, names: list[str]) -> None:
        if not names or any("*" in name.removeprefix("*.") for name in names):
            raise Refusal("malformed", "an order needs valid identifiers")
        refused = [(name, *self._faults.refused[name]) for name in names if name in self._faults.refused]
        if len(refused) == 1 and len(names) == 1:
            raise Refusal(refused[0][1], refused[0][2], 403 if refused[0][1] == "caa" else 400)
        if refused:
            inner = [subproblem(*entry) for entry in refused]
            text = f"Cannot issue for {refused[0][0]!r}: {refused[0][2]} (and {len(refused) - 1} more problems)"
            raise Refusal(refused[0][1] if len(refused) == 1 else "malformed", text, subproblems=inner)

    def _read(self, order: Order, call: Call) -> Answer:
        _require_owner(order.account, call)
        call.require_read()
        if any(entry.status == "processing" for owner in order.authorizations for entry in owner.challenges):
            if order.processing_challenges <= 0:
                for authorization in order.authorizations:
                    self._authorizations.validate(authorization)
            order.processing_challenges -= 1
        self._update(order)
        return reply(order.body(), headers=self._later("order", order.status))

    def _update(self, order: Order) -> None:
        """Take the order one state further if nothing delays it."""
        if order.status == "pending":
            states = {authorization.status for authorization in order.authorizations}
            if states - {"pending", "valid"}:
                order.status = "invalid"
            elif states == {"valid"}:
                if order.late_ready <= 0:
                    order.status = "ready"
                order.late_ready -= 1
        elif order.status == "processing":
            if order.processing <= 0:
                self._issue(order)
            order.processing -= 1

    def _end(self, order: Order, call: Call) -> Answer:
        _require_owner(order.account, call)
        der, parsed = csr.parse(call.payload or {})
        if order.status != "ready" or order.late_finalize > 0:
            order.late_finalize -= order.status == "ready"
            raise Refusal("orderNotReady", f"Order's status ({order.status!r}) is not acceptable for finalization", 403)
        csr.check(parsed, {entry["value"] for entry in order.identifiers}, order.account.jwk)
        order.csr, order.status = der, "processing"
        if self._faults.failing_orders is not None:
            order.status, order.error = "invalid", error_body(*self._faults.failing_orders)
        self._update(order)
        where = {} if self._faults.finalize_without_location else {"Location": order.url}
        return reply(order.body(), headers={**where, **self._later("finalize", order.status)})

    def _later(self, kind: str, status: str) -> dict[str, str]:
        wait = self._faults.retry_after.get(kind)
        return {} if wait is None or status not in OPEN else {"Retry-After": wait}

    def _issue(self, order: Order) -> None:
        assert order.csr is not None
        parsed = x509.load_der_x509_csr(order.csr)
        leaf = self._ca.sign(parsed.public_key(), csr.general_names(parsed), self._clock(), order.profile)
        self.issued.append(x509.load_pem_x509_certificate(leaf.encode()))
        self.renewals.issue(self.issued[-1], order.account)
        urls: list[str] = []
        for number in range(len(self._ca.roots)):
            chain = self._ca.chain(leaf, number)
            urls.append(self._add_chain(order.account, chain, urls, number))
        order.certificate, order.status = urls[0], "valid"

    def _add_chain(self, account: Account, chain: list[str], urls: list[str], number: int) -> str:
        """Serve one chain, with links to the others, one header for each."""

        def serve(call: Call) -> Answer:
            _require_owner(account, call)
            call.require_read()
            text = "".join(chain) if self._faults.certificate is None else self._faults.certificate(chain)
            others = [f'<{url}>;rel="alternate"' for position, url in enumerate(urls) if position != number]
            return 200, {"Content-Type": CHAIN, "Link": "\n".join(others)}, text.encode()

        return self._resources.add("certificate", "/cert%2F{}~chain?top=" + str(number), serve)


def _require_owner(account: Account, call: Call) -> None:
    if account is not call.sender:
        raise Refusal("unauthorized", "the order belongs to another account", 403)
