"""Consumer check: whether the consumers of a certificate have loaded the delivered revision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from evercert.contracts.consumers import Acknowledgement, ConsumerDirectory, ConsumerList, LateConsumers
from evercert.contracts.record import Facts, Record
from evercert.deadline import Clock
from evercert.errors import ClaimLost, EvercertError, OutOfTime, Unexpected
from evercert.issuance.staleness import Staleness
from evercert.scheduling.schedule import probe_grace
from evercert.timestamps import to_text

SEEN_WITHIN = timedelta(days=7)  # a consumer that was not seen for longer is gone
MOST_NAMED = 20  # in an event


@dataclass(frozen=True)
class ConsumerCheck:
    """Compares acknowledgements with the delivered revision; does nothing in a stack without them."""

    consumers: ConsumerDirectory | None
    clock: Clock

    def run(self, record: Record, facts: Facts, errors: list[EvercertError]) -> Staleness | None:
        """Return what was found; an error of the table is added to `errors`."""
        if self.consumers is None:
            return None if record.behind is None else Staleness({"behind": None})
        try:
            listed = self.consumers.of(record.name)
        except (ClaimLost, OutOfTime):
            raise
        except Exception as error:  # noqa: BLE001 (a missing list must not fail the status check)
            errors.append(error if isinstance(error, EvercertError) else Unexpected.of(error))
            return None
        return _judged(record, facts, listed, self.clock())


def _judged(record: Record, facts: Facts, listed: ConsumerList, now: datetime) -> Staleness | None:
    """Compare with the incident so far; late consumers are announced once for each revision."""
    late = [one for one in listed.known if one.fingerprint_sha256 != facts.fingerprint_sha256]
    late = [one for one in late if one.seen_at >= now - SEEN_WITHIN]
    if not late:
        return None if record.behind is None else Staleness({"behind": None})
    begins = (facts.obtained_at or facts.not_before) + probe_grace(facts)
    if now < begins:
        return Staleness(recheck_at=begins)
    if not record.delivered(facts.revision):
        return None
    if record.behind is not None and record.behind.revision == facts.revision:
        return Staleness(problem="behind")
    behind = LateConsumers(revision=facts.revision, at=now)
    return Staleness({"behind": behind}, _data(late, facts), severity="warning", problem="behind")


def _data(late: Sequence[Acknowledgement], facts: Facts) -> dict[str, Any]:
    named = [
        {
            "consumer": one.consumer,
            "host": one.host,
            "revision": one.revision,
            "loaded_at": to_text(one.loaded_at),
            "seen_at": to_text(one.seen_at),
        }
        for one in late[:MOST_NAMED]
    ]
    text = f"{len(late)} consumer{'s have' if len(late) > 1 else ' has'} not loaded revision {facts.revision}"
    return {
        "consumers": named,
        "consumers_behind": len(late),
        "message": f"{text}, such as {late[0].host or late[0].consumer}; read the log of its agent",
    }
