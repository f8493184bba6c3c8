"""Orders of the ACME server (RFC 8555 §7.4): placed and read."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from evercert.authority.acme import ordered_dates, ordered_names
from evercert.authority.acme.limits import RateLimits, Sender
from evercert.authority.acme.ordered_dates import Dates
from evercert.authority.acme.ports import Orders
from evercert.authority.acme.problems import Refused, malformed
from evercert.authority.acme.records import Account, Challenge, Order, new_authorization
from evercert.authority.acme.replacements import Replacements
from evercert.authority.ca.definition import CA
from evercert.authority.configuration.profiles import AcmeOptions, Profile
from evercert.deadline import Clock
from evercert.pki.identifiers import Identifier
from evercert.schema import printable

LIFETIME = timedelta(days=1)
TOKEN_BYTES = 32
NOT_FOUND = 404


@dataclass(frozen=True)
class OrderingClient:
    """Account that places an order; `patterns` are the names that its credential allows, none: all."""

    account: Account
    sender: Sender
    patterns: tuple[str, ...] = ()
    application: str | None = None  # id


@dataclass(frozen=True)
class OrderService:
    """Places orders of accounts; raises Refused."""

    orders: Orders
    replacements: Replacements
    limits: RateLimits
    cas: Callable[[Profile], Sequence[CA]]  # those that issue for a profile
    proceed: Callable[[Order], Order]  # completes an order whose request has ended
    clock: Clock

    def create(self, who: OrderingClient, profile: Profile, members: Mapping[str, Any]) -> Order:
        """Place an order; each call places another one."""
        account, now, options = who.account, self.clock(), _options(profile)
        _require_profile(members, profile)
        names = ordered_names.read(members.get("identifiers"))
        ordered_names.require_allowed(names, profile.policy, who.patterns)
        begin, end = self._dates(profile, names, members)
        order = Order(
            id=uuid.uuid4().hex,
            account=account.id,
            profile=profile.id,
            application=who.application,
            created_at=now,
            expires_at=now + LIFETIME,
            authorizations=tuple(new_authorization(name, _challenges(name, options)) for name in names),
            not_before=begin,
            not_after=end,
            named_profile=profile.slug,
            replaces=self.replacements.require_replaceable(account, names, members.get("replaces")),
        )
        self.limits.order(who.sender, account, len(names))
        if not self.orders.create(order) and not (self._is_released(order) and self.orders.create(order)):
            raise Refused("alreadyReplaced", "another order replaces this certificate")
        return order

    def _dates(self, profile: Profile, names: Sequence[Identifier], members: Mapping[str, Any]) -> Dates:
        """Return the dates of an order; raise Refused if no CA of the profile certifies these names or dates.

        The issuer function compares requests with the ceiling of an external issuer, which the front cannot read.
        """
        if profile.issuer is not None:
            ordered_dates.require_none(members)
            return None, None
        cas = self.cas(profile)
        ordered_names.require_certifiable(names, [ca.ceiling for ca in cas if ca.ceiling is not None])
        ends = [ca.current.x509.not_valid_after_utc for ca in cas if ca.installed]
        return ordered_dates.read(members, self.clock(), profile.policy.validity.span, max(ends, default=None))

    def _is_released(self, order: Order) -> bool:
        """Return whether the order that replaces the same certificate fails now: its request may have ended unread."""
        holder = self.orders.replacement_of(order.replaces) if order.replaces is not None else None
        return holder is not None and self.proceed(holder).status_at(order.created_at) == "invalid"

    def read(self, account: Account, order_id: str) -> Order:
        """Return an order of the account; raise Refused (404) for any other."""
        found = self.orders.of_id(order_id)
        if found is None or found.account != account.id:
            raise malformed("the account has no such order", NOT_FOUND)
        return found


def _options(profile: Profile) -> AcmeOptions:
    if profile.acme_enrollment is None:
        raise malformed("this profile serves no ACME clients", NOT_FOUND)
    return profile.acme_enrollment


def _require_profile(members: Mapping[str, Any], profile: Profile) -> None:
    wanted = members.get("profile")
    if wanted is not None and wanted != profile.slug:
        shown = printable(str(wanted), 60)
        raise Refused("invalidProfile", f"unknown profile {shown}: this directory has the profile {profile.slug}")


def _challenges(name: Identifier, options: AcmeOptions) -> tuple[Challenge, ...]:
    """Return new challenges with one token: wildcards by DNS only, addresses by HTTP only (RFC 8738 §7)."""
    if options.ownership == "unchecked":
        return ()
    impossible = {"http-01"} if ordered_names.base_of(name)[1] else {"dns-01"} if name.kind == "ip" else set()
    token = secrets.token_urlsafe(TOKEN_BYTES)
    found = [kind for kind in options.challenges if kind not in impossible]
    if not found:
        (missing,) = {"http-01", "dns-01"} - impossible
        raise Refused(
            "rejectedIdentifier", f"{name.value} needs the challenge {missing}, which this profile does not offer"
        )
    return tuple(Challenge(type=kind, token=token) for kind in found)
