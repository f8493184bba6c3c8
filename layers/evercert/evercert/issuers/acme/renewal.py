"""When to renew, by the CA's own suggestion: ACME Renewal Information (RFC 9773)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from evercert.acme import renewal_info
from evercert.contracts.issuer import Advice, RenewalWindow
from evercert.errors import EvercertError
from evercert.http_client.retry import retry_after
from evercert.issuers.acme.errors import ProblemAnswer

if TYPE_CHECKING:
    from evercert.contracts.record import Facts
    from evercert.deadline import Clock
    from evercert.issuers.acme.connection import Connection

USUAL_INTERVAL = timedelta(hours=6)  # without Retry-After, and after a failure
SHORTEST_INTERVAL, LONGEST_INTERVAL = timedelta(minutes=1), timedelta(days=1)  # as §4.3.2 recommends
_ID = re.compile(r"[A-Za-z0-9_-]{1,100}\.[A-Za-z0-9_-]{1,60}")


class RenewalInfo:
    """Reads the renewal windows of one CA."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def read(self, facts: Facts) -> Advice | None:
        """Return the window; None if the CA has no renewal information, or the certificate has expired (§4.3).

        Raises nothing: after a failure, the advice has no window.
        """
        now = self._clock()
        reference = predecessor(facts)
        if reference is None or facts.not_after <= now:
            return None
        try:
            url = self._connection.directory().renewal_info
            if url is None:
                return None
            answer = self._connection.get(f"{url.rstrip('/')}/{reference}")
            window = renewal_info.RenewalWindow.of(answer.json())
        except (EvercertError, ProblemAnswer, ValueError):
            return Advice(now + USUAL_INTERVAL)
        wait = retry_after(answer.headers.get("retry-after"), now) or USUAL_INTERVAL
        return Advice(
            now + min(max(wait, SHORTEST_INTERVAL), LONGEST_INTERVAL),
            RenewalWindow(window.start, window.end, window.explanation),
        )


def predecessor(facts: Facts | None) -> str | None:
    """Return the id of the delivered certificate for `replaces` and renewal information (§4.1), or None."""
    reference = None if facts is None else facts.reference
    return reference if reference is not None and _ID.fullmatch(reference) else None
