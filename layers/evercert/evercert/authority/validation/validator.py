"""The validator: one try of one challenge, whose result is stored in its order."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from evercert.authority.acme.ports import Orders, Validations
from evercert.authority.acme.records import Challenge, Order
from evercert.authority.validation.challenges import validate
from evercert.authority.validation.ports import Names, NotValidated, Web
from evercert.deadline import Clock
from evercert.errors import Busy

# After the first try; the last failure makes the challenge invalid.
DELAYS = tuple(timedelta(seconds=seconds) for seconds in (3, 7, 10, 15, 25, 40))
ROUNDS = 10  # of a write that meets the results of other challenges
EARLY = timedelta(seconds=1)
LONGEST_PAUSE = 0.2  # seconds, before the second round; each further one may pause for as much more
Outcome = Literal["valid", "retry", "invalid", "done", "early"]
Pause = Callable[[float], None]


@dataclass(frozen=True)
class Validator:
    """Validates challenges; safe to run twice for one message, and at the same time."""

    orders: Orders
    validations: Validations
    web: Web
    names: Names
    clock: Clock
    pause: Pause = time.sleep

    def run(self, order_id: str, place: int, kind: str, tries: int) -> tuple[Outcome, str]:
        """Make the try after `tries` failed ones; return what came of it, with the reason of a failure.

        Raises Unavailable and Misconfigured: the message comes again. A failed try is stored before the next one is
        sent, so a lost message is sent again when the client asks for the authorization.
        """
        order = self.orders.of_id(order_id)
        challenge = _open(order, place, kind, self.clock())
        if order is None or challenge is None or challenge.tries != tries:  # the message of an earlier try
            return "done", ""
        if challenge.due_at is not None and (wait := challenge.due_at - self.clock()) > EARLY:
            self.validations.send(order, place, kind, wait)
            return "early", ""
        problem = None
        try:
            validate(order.authorizations[place], challenge, self.web, self.names)
        except NotValidated as error:
            problem = error
        return self._store(order_id, place, challenge, problem)

    def _store(self, order_id: str, place: int, tried: Challenge, problem: NotValidated | None) -> tuple[Outcome, str]:
        """Store the result, unless another run has stored one for the same try."""
        for attempt in range(ROUNDS):
            self.pause(random.uniform(0, LONGEST_PAUSE * attempt))  # noqa: S311 (no secret)
            order, now = self.orders.of_id(order_id), self.clock()
            if order is None or not _is_same(_open(order, place, tried.type, now), tried):
                return "done", ""
            changed = _result(tried, problem, now)
            authorization = order.authorizations[place].with_challenge(changed)
            written = order.with_authorization(place, authorization)
            if self.orders.replace(written):
                if changed.status == "processing" and changed.due_at is not None:
                    self.validations.send(written, place, tried.type, changed.due_at - now)
                    return "retry", "" if problem is None else problem.logged
                return ("valid", "") if problem is None else ("invalid", problem.logged)
        raise Busy(f"order {order_id} is changed by other validations; the message comes again")


def _open(order: Order | None, place: int, kind: str, now: datetime) -> Challenge | None:
    """Return the challenge if it waits for a result, else None."""
    if order is None or order.closed is not None or place >= len(order.authorizations):
        return None
    authorization = order.authorizations[place]
    challenge = authorization.challenge(kind)
    if challenge is None or challenge.status != "processing":
        return None
    return challenge if authorization.status_at(now, order.expires_at) == "pending" else None


def _is_same(found: Challenge | None, tried: Challenge) -> bool:
    """Return whether no result of this try is stored; a late message may have been sent again meanwhile."""
    return found is not None and (found.tries, found.thumbprint) == (tried.tries, tried.thumbprint)


def _result(tried: Challenge, problem: NotValidated | None, now: datetime) -> Challenge:
    if problem is None:
        return tried.model_copy(update={"status": "valid", "validated_at": now, "due_at": None, "error": None})
    tries = tried.tries + 1
    failed = {"tries": tries, "resent": 0, "error": problem.problem}
    if tries > len(DELAYS):
        return tried.model_copy(update={**failed, "status": "invalid", "due_at": None})
    return tried.model_copy(update={**failed, "due_at": now + DELAYS[tries - 1]})
