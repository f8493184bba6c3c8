"""The resources of a directory: what each does with a verified request (RFC 8555 §7)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, quote

from evercert.authority.acme import response_bodies as bodies
from evercert.authority.acme.account_service import AccountRules, AccountService
from evercert.authority.acme.authorization_service import AuthorizationService
from evercert.authority.acme.issuance import OrderIssuance
from evercert.authority.acme.limits import Sender
from evercert.authority.acme.order_service import OrderingClient, OrderService
from evercert.authority.acme.paths import Name, Resource, Urls
from evercert.authority.acme.ports import EabCredentials, Orders
from evercert.authority.acme.problems import Refused, malformed
from evercert.authority.acme.records import Account, Order
from evercert.authority.acme.revocation import AcmeRevocation
from evercert.authority.acme.signed_requests import SignedRequest
from evercert.authority.configuration.profiles import AcmeOptions, Profile
from evercert.authority.http_answers import Answer
from evercert.deadline import Clock

JSON, CHAIN = "application/json", "application/pem-certificate-chain"
POLL_AFTER = timedelta(seconds=1)  # a validation takes less if the host answers
POLL_ISSUER_AFTER, POLL_APPROVAL_AFTER = timedelta(seconds=10), timedelta(seconds=30)
LONGEST_QUERY = 500  # characters


@dataclass(frozen=True)
class Directory:
    """The directory that a request came to."""

    profile: Profile
    options: AcmeOptions
    resource: Resource
    urls: Urls
    query: str = ""
    client: str = ""  # its address

    @property
    def sender(self) -> Sender:
        """Client for the rate limits."""
        return Sender(self.profile.id, self.options.limits, self.client)

    @property
    def url(self) -> str:
        """The URL of the request, as this server gave it to the client (§6.4)."""
        return f"{self.urls.of(self.resource.rest)}{'?' if self.query else ''}{self.query}"

    @property
    def cursor(self) -> str | None:
        """The place where a page of a list begins, or None for the first one."""
        return dict(parse_qsl(self.query[:LONGEST_QUERY])).get("cursor")

    @property
    def rules(self) -> AccountRules:
        """The requirements for its accounts."""
        return AccountRules(
            profile=self.profile.id,
            needs_binding=self.options.eab == "required",
            terms=self.options.terms_of_service,
            new_account_url=self.urls.of("new-account"),
            account_url=self.urls.account(""),
            key_change_url=self.urls.of("key-change"),
            generation=self.profile.generation,
        )


@dataclass(frozen=True)
class Resources:
    """Answers verified requests; raises Refused."""

    accounts: AccountService
    credentials: EabCredentials
    stored_orders: Orders
    orders: OrderService
    authorizations: AuthorizationService
    issuance: OrderIssuance
    revocation: AcmeRevocation
    clock: Clock

    def register(self, directory: Directory, request: SignedRequest) -> Answer:
        """Answer newAccount (§7.3), whose request its own key signs."""
        account, new = self.accounts.register(request, directory.rules, directory.sender)
        headers = {"Location": directory.urls.account(account.id)}
        return _json(bodies.account(account, directory.urls), 201 if new else 200, headers)

    def revoke(self, directory: Directory, request: SignedRequest, account: Account | None) -> Answer:
        """Answer revokeCert (§7.6), whose request an account or the certificate's key signs."""
        self.revocation.revoke(directory.profile, request.members(), account, request.key)
        return Answer(200, JSON, "")

    def handler(self, name: Name | None) -> Callable[[Directory, SignedRequest, Account], Answer] | None:
        """Return what answers a request that an account signed; None for an unknown resource."""
        known: dict[Name, Callable[[Directory, SignedRequest, Account], Answer]] = {
            "new-order": self._new_order,
            "key-change": self._change_key,
            "account": self._account,
            "orders": self._orders,
            "order": self._order,
            "finalize": self._finalize,
            "certificate": self._certificate,
            "authorization": self._authorization,
            "challenge": self._challenge,
            "revoke-cert": self.revoke,
        }
        return None if name is None else known.get(name)

    def _account(self, directory: Directory, request: SignedRequest, account: Account) -> Answer:
        _require_own(directory, account)
        return _json(bodies.account(self.accounts.update(account, request), directory.urls))

    def _change_key(self, directory: Directory, request: SignedRequest, account: Account) -> Answer:
        changed = self.accounts.change_key(account, request, directory.rules)
        headers = {"Location": directory.urls.account(changed.id)}
        return _json(bodies.account(changed, directory.urls), 200, headers)

    def _orders(self, directory: Directory, request: SignedRequest, account: Account) -> Answer:
        request.require_no_payload()
        _require_own(directory, account)
        found, following = self.stored_orders.of_account(account.id, directory.cursor)
        found = [order_id for order_id in found if self._is_listed(order_id)]
        headers = {}
        if following is not None:
            cursor = quote(following, safe="")
            headers["Link"] = _link(f"{directory.urls.account(account.id)}/orders?cursor={cursor}", "next")
        return _json({"orders": [directory.urls.order(order_id) for order_id in found]}, 200, headers)

    def _is_listed(self, order_id: str) -> bool:
        """Return whether the order has not failed (§7.1.2.1)."""
        order = self.stored_orders.of_id(order_id)
        return order is not None and order.status_at(self.clock()) != "invalid"

    def _new_order(self, directory: Directory, request: SignedRequest, account: Account) -> Answer:
        patterns = self._patterns(directory, account)
        who = OrderingClient(account, directory.sender, patterns, directory.resource.application)
        order = self.orders.create(who, directory.profile, request.members())
        return self._shown(directory, order, 201, {"Location": directory.urls.order(order.id)})

    def _patterns(self, directory: Directory, account: Account) -> tuple[str, ...]:
        """Return the patterns of names that the account may order; raise Refused if its credential was revoked.

        Refuses accounts without a credential that registered before the profile required one.
        """
        if account.credential is None:
            if directory.options.eab == "required":
                raise Refused("externalAccountRequired", "register another account with a credential of the operator")
            return ()
        credential = self.credentials.of_id(account.credential)
        if credential is None or credential.revoked:
            raise Refused("unauthorized", "the credential that registered the account was revoked")
        return credential.names

    def _order(self, directory: Directory, request: SignedRequest, account: Account) -> Answer:
        request.require_no_payload()
        order = self.orders.read(account, directory.resource.ids[0])
        return self._shown(directory, self.issuance.proceed(self.authorizations.resend_late(order)))

    def _finalize(self, directory: Directory, request: SignedRequest, account: Account) -> Answer:
        order = self.orders.read(account, directory.resource.ids[0])
        self._patterns(directory, account)
        order = self.issuance.finalize(account, directory.profile, order, request.members())
        return self._shown(directory, order, 200, {"Location": directory.urls.order(order.id)})

    def _certificate(self, directory: Directory, request: SignedRequest, account: Account) -> Answer:
        request.require_no_payload()
        order = self.orders.read(account, directory.resource.ids[0])
        chains, wanted = self.issuance.chains(order), int(directory.resource.ids[1] or 0)
        if wanted >= len(chains):
            raise malformed("the certificate has no such alternate chain", 404)
        url = f"{directory.urls.order(order.id)}/certificate"
        links = [_link(f"{url}{f'/alternates/{n}' * bool(n)}", "alternate") for n in range(len(chains)) if n != wanted]
        return Answer(200, CHAIN, chains[wanted], {"Link": ", ".join(links)} if links else {})

    def _authorization(self, directory: Directory, request: SignedRequest, account: Account) -> Answer:
        members, authorization_id = request.payload or {}, directory.resource.ids[0]
        if not members:
            order, place = self.authorizations.read(account, authorization_id)
        elif members.get("status") == "deactivated":
            order, place = self.authorizations.deactivate(account, authorization_id)
        else:
            raise malformed("an authorization is read with an empty payload, or deactivated")
        found = order.authorizations[place]
        headers = _retry(found.status == "pending" and any(one.status == "processing" for one in found.challenges))
        return _json(bodies.authorization(order, place, directory.urls, self.clock()), 200, headers)

    def _challenge(self, directory: Directory, request: SignedRequest, account: Account) -> Answer:
        authorization_id, kind = directory.resource.ids
        if request.payload is None:
            order, place = self.authorizations.read(account, authorization_id)
        else:
            order, place = self.authorizations.answer(account, authorization_id, kind)
        challenge = order.authorizations[place].challenge(kind)
        if challenge is None:
            raise malformed("the authorization has no such challenge", 404)
        up = _link(directory.urls.authorization(order.id, place), "up")
        headers = {"Link": up, **_retry(challenge.status == "processing")}
        return _json(bodies.challenge(challenge, order, place, directory.urls), 200, headers)

    def _shown(
        self, directory: Directory, order: Order, status: int = 200, headers: dict[str, str] | None = None
    ) -> Answer:
        waiting = order.status_at(self.clock()) == "processing"
        body = bodies.order(order, directory.urls, self.clock())
        pause = POLL_APPROVAL_AFTER if directory.profile.approval is not None else POLL_AFTER
        if directory.profile.issuer is not None:
            pause = max(pause, POLL_ISSUER_AFTER)
        return _json(body, status, {**(headers or {}), **_retry(waiting, pause)})


def _link(url: str, relation: str) -> str:
    """Return a link of a header that has others; clients that split at `;` read the relation only if more follows."""
    return f'<{url}>;rel="{relation}";title="{relation}"'


def _retry(waiting: bool, pause: timedelta = POLL_AFTER) -> dict[str, str]:  # noqa: FBT001 (a condition)
    return {"Retry-After": str(int(pause.total_seconds()))} if waiting else {}


def _require_own(directory: Directory, account: Account) -> None:
    if directory.resource.ids[0] != account.id:
        raise malformed("this is not the URL of the account that signed the request", 404)


def _json(body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, JSON, json.dumps(body), headers or {})
