"""Authorizations and challenges of the ACME server (RFC 8555 §7.5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from evercert.authority.acme.paths import authorization_of
from evercert.authority.acme.ports import Orders, Validations
from evercert.authority.acme.problems import Refused, malformed
from evercert.authority.acme.records import Account, Authorization, Challenge, Order
from evercert.deadline import Clock

RESENT_AFTER = timedelta(seconds=15)  # a validation that is late by this much was lost with its message
LONGEST_LATE = timedelta(minutes=10)
MOST_RESENT = 3  # validations of one order with one request
ROUNDS = 5  # of a change that meets other changes
NOT_FOUND = 404
Place = tuple[Order, int]  # an authorization: the place in its order


@dataclass(frozen=True)
class AuthorizationService:
    """Reads and changes authorizations of accounts; raises Refused."""

    orders: Orders
    validations: Validations
    clock: Clock

    def read(self, account: Account, authorization_id: str) -> Place:
        """Return the authorization; have a lost validation sent again."""
        return self._resent(*self._find(account, authorization_id))

    def deactivate(self, account: Account, authorization_id: str) -> Place:
        """Deactivate an authorization (§7.5.2): its order can no longer become ready. Idempotent."""

        def change(order: Order, place: int) -> Order | None:
            found = order.authorizations[place]
            if found.status not in {"pending", "valid"} or order.closed is not None:
                return None
            return order.with_authorization(place, found.model_copy(update={"status": "deactivated"}))

        order, place, _ = self._change(account, authorization_id, change)
        return order, place

    def answer(self, account: Account, authorization_id: str, kind: str) -> Place:
        """Have a challenge validated (§7.5.1), one of an authorization at a time. Idempotent.

        A client may choose another challenge once a try of the first one has failed.
        """

        def change(order: Order, place: int) -> Order | None:
            now, found = self.clock(), order.authorizations[place]
            challenge = found.challenge(kind)
            if challenge is None:
                raise malformed("the authorization has no such challenge", NOT_FOUND)
            if challenge.status != "pending":
                return None
            if found.status_at(now, order.expires_at) != "pending":
                raise malformed(f"the authorization is {found.status_at(now, order.expires_at)}")
            for other in found.challenges:
                if other.status == "processing" and other.tries == 0:
                    raise malformed("another challenge of this authorization is processing; wait for its result")
                if other.status == "processing":  # its next message does nothing; its tries remain counted
                    found = found.with_challenge(other.model_copy(update={"status": "pending", "due_at": None}))
            answered = challenge.model_copy(
                update={"status": "processing", "thumbprint": account.thumbprint, "due_at": now}
            )
            return order.with_authorization(place, found.with_challenge(answered))

        order, place, changed = self._change(account, authorization_id, change)
        if not changed:
            return self._resent(order, place)
        self.validations.send(order, place, kind, timedelta(0))
        return order, place

    def resend_late(self, order: Order) -> Order:
        """Send late validations of an order again, a few with each call, for clients that read only the order."""
        places = [place for place, found in enumerate(order.authorizations) if self._late(order, found) is not None]
        for place in places[:MOST_RESENT]:
            order, _ = self._resent(order, place)
        return order

    def _resent(self, order: Order, place: int) -> Place:
        """Send a late validation again; return the authorization."""
        found = order.authorizations[place]
        late = self._late(order, found)
        if late is None:
            return order, place
        sent = late.model_copy(update={"due_at": self.clock(), "resent": late.resent + 1})
        changed = order.with_authorization(place, found.with_challenge(sent))
        if not self.orders.replace(changed):  # another request sends it, or its result has come
            return order, place
        self.validations.send(changed, place, late.type, timedelta(0))
        return changed, place

    def _late(self, order: Order, found: Authorization) -> Challenge | None:
        """Return the challenge whose try is late, or None; each message that was sent again doubles the tolerance.

        While the validator is behind, more messages would only delay it further.
        """
        now = self.clock()
        if order.closed is not None or found.status_at(now, order.expires_at) != "pending":
            return None
        late = (
            one
            for one in found.challenges
            if one.status == "processing"
            and one.due_at is not None
            and now >= one.due_at + min(RESENT_AFTER * 2**one.resent, LONGEST_LATE)
        )
        return next(late, None)

    def _change(
        self, account: Account, authorization_id: str, change: Callable[[Order, int], Order | None]
    ) -> tuple[Order, int, bool]:
        """Change an order until no other change comes between; `change` returns None if there is nothing to do."""
        for _ in range(ROUNDS):
            order, place = self._find(account, authorization_id)
            changed = change(order, place)
            if changed is None:
                return order, place, False
            if self.orders.replace(changed):
                return changed, place, True
        raise Refused("serverInternal", "the order was changed meanwhile; try again", status=503)

    def _find(self, account: Account, authorization_id: str) -> Place:
        found = authorization_of(authorization_id)
        order = self.orders.of_id(found[0]) if found is not None else None
        if found is None or order is None or order.account != account.id or found[1] >= len(order.authorizations):
            raise malformed("the account has no such authorization", NOT_FOUND)
        return order, found[1]
