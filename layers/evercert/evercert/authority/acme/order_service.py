"""Orders of the ACME server (RFC 8555 §7.4, §7.5): placed, read, authorized."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from evercert.acme import times
from evercert.authority.acme import ordered_names
from evercert.authority.acme.paths import authorization_of
from evercert.authority.acme.ports import Orders, Validations
from evercert.authority.acme.problems import Refused, malformed
from evercert.authority.acme.records import Account, Challenge, Order, new_authorization
from evercert.authority.acme.replacements import Replacements
from evercert.authority.configuration.profiles import AcmeOptions, Profile
from evercert.deadline import Clock
from evercert.pki.identifiers import Identifier
from evercert.schema import printable

LIFETIME = timedelta(days=1)
LATEST_BEGIN = timedelta(days=366)  # of the certificate
TOKEN_BYTES = 32
RESENT_AFTER = timedelta(seconds=15)  # a validation that is late by this much was lost with its message
ROUNDS = 5  # of a change that meets other changes
NOT_FOUND = 404


@dataclass(frozen=True)
class OrderService:
    """Places and changes orders of accounts; raises Refused."""

    orders: Orders
    validations: Validations
    replacements: Replacements
    clock: Clock

    def create(
        self,
        account: Account,
        profile: Profile,
        patterns: tuple[str, ...],
        members: Mapping[str, Any],
        application: str | None,
    ) -> Order:
        """Place an order; `patterns` are the names that the account's credential allows.

        Each call places another order.
        """
        now, options = self.clock(), _options(profile)
        _require_profile(members, profile)
        names = ordered_names.read(members.get("identifiers"))
        ordered_names.require_allowed(names, profile.policy, patterns)
        begin, end = _dates(members, now, profile.policy.validity.span)
        order = Order(
            id=uuid.uuid4().hex,
            account=account.id,
            profile=profile.id,
            application=application,
            created_at=now,
            expires_at=now + LIFETIME,
            authorizations=tuple(new_authorization(name, _challenges(name, options)) for name in names),
            not_before=begin,
            not_after=end,
            named_profile=profile.slug,
            replaces=self.replacements.require_replaceable(account, names, members.get("replaces")),
        )
        if not self.orders.create(order):
            raise Refused("alreadyReplaced", "another order replaces this certificate")
        return order

    def read(self, account: Account, order_id: str) -> Order:
        """Return an order of the account; raise Refused (404) for any other."""
        found = self.orders.of_id(order_id)
        if found is None or found.account != account.id:
            raise malformed("the account has no such order", NOT_FOUND)
        return found

    def authorization(self, account: Account, authorization_id: str) -> tuple[Order, int]:
        """Return the order of an authorization, and its place there; have a lost validation sent again."""
        order, place = self._find(account, authorization_id)
        for challenge in order.authorizations[place].challenges:
            late = challenge.due_at is not None and self.clock() >= challenge.due_at + RESENT_AFTER
            if challenge.status == "processing" and late:
                self.validations.send(order.id, place, challenge.type, timedelta(0))
        return order, place

    def deactivate(self, account: Account, authorization_id: str) -> tuple[Order, int]:
        """Deactivate an authorization (§7.5.2): its order can no longer become ready. Idempotent."""

        def change(order: Order, place: int) -> Order | None:
            found = order.authorizations[place]
            if found.status not in {"pending", "valid"} or order.closed is not None:
                return None
            return order.with_authorization(place, found.model_copy(update={"status": "deactivated"}))

        return self._change(account, authorization_id, change)

    def answer(self, account: Account, authorization_id: str, kind: str) -> tuple[Order, int]:
        """Have a challenge validated (§7.5.1); an answered one stays as it is, and may be sent again."""

        def change(order: Order, place: int) -> Order | None:
            now, found = self.clock(), order.authorizations[place]
            challenge = found.challenge(kind)
            if challenge is None:
                raise malformed("the authorization has no such challenge", NOT_FOUND)
            if challenge.status != "pending":
                return None
            if found.status_at(now, order.expires_at) != "pending":
                raise malformed(f"the authorization is {found.status_at(now, order.expires_at)}")
            answered = challenge.model_copy(
                update={"status": "processing", "thumbprint": account.thumbprint, "due_at": now}
            )
            return order.with_authorization(place, found.with_challenge(answered))

        order, place = self._change(account, authorization_id, change)
        answered = order.authorizations[place].challenge(kind)
        if answered is not None and answered.status == "processing":
            self.validations.send(order.id, place, answered.type, timedelta(0))
        return order, place

    def _change(
        self, account: Account, authorization_id: str, change: Callable[[Order, int], Order | None]
    ) -> tuple[Order, int]:
        """Change an order until no other change comes between; `change` returns None if there is nothing to do."""
        for _ in range(ROUNDS):
            order, place = self._find(account, authorization_id)
            changed = change(order, place)
            if changed is None:
                return order, place
            if self.orders.replace(changed):
                return changed, place
        raise Refused("serverInternal", "the order was changed meanwhile; try again", status=503)

    def _find(self, account: Account, authorization_id: str) -> tuple[Order, int]:
        found = authorization_of(authorization_id)
        order = self.orders.of_id(found[0]) if found is not None else None
        if found is None or order is None or order.account != account.id or found[1] >= len(order.authorizations):
            raise malformed("the account has no such authorization", NOT_FOUND)
        return order, found[1]


def _options(profile: Profile) -> AcmeOptions:
    if profile.acme is None:
        raise malformed("this profile serves no ACME clients", NOT_FOUND)
    return profile.acme


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


def _dates(
    members: Mapping[str, Any], now: datetime, longest: timedelta | None
) -> tuple[datetime | None, datetime | None]:
    """Return the requested notBefore and notAfter; raise Refused if no certificate could have them."""
    found: list[datetime | None] = []
    for name in ("notBefore", "notAfter"):
        try:
            found.append(None if members.get(name) is None else times.parse(members[name]).replace(microsecond=0))
        except ValueError as error:
            raise malformed(f"{name} is {error}") from None
    begin, end = found
    start = begin or now
    if start > now + LATEST_BEGIN:
        raise malformed(f"notBefore must be within {LATEST_BEGIN.days} days")
    if end is not None and (end <= start or end <= now):
        raise malformed("notAfter must be in the future, and after notBefore")
    if end is not None and longest is not None and end - start > longest:
        raise malformed(f"the policy allows certificates of at most {longest.days} days; notAfter is later")
    return begin, end
