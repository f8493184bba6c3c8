"""From an outcome in the table to the topic, and off the due index."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from evercert.contracts.events import Outcome
from evercert.contracts.ports import Announcer, RecordStore
from evercert.deadline import Clock
from evercert.errors import EvercertError


@dataclass(frozen=True)
class Report:
    """How one message ended, for one log line; `outcome` is a stable word."""

    outcome: str
    certificate: str
    facts: dict[str, Any] = field(default_factory=dict)


def announce(outcome: Outcome, inventory: RecordStore, announcer: Announcer, clock: Clock) -> str | None:
    """Publishes, then marks as published; the answer says what refused, and the checker comes back for it.

    Dying in between publishes twice, under the same event id.
    """
    try:
        announcer.announce(outcome)
        inventory.published(outcome, clock())
    except EvercertError as error:
        return str(error)
    return None


def announce_late(name: str, key: str, inventory: RecordStore, announcer: Announcer, clock: Clock) -> Report:
    """What an earlier run recorded and could not announce; nothing to do when another run did."""
    outcome = inventory.outcome(name, key)
    if outcome is None:
        return Report("already-announced", name)
    problem = announce(outcome, inventory, announcer, clock)
    if problem is None:
        return Report("announced", name, {"type": outcome.type, "revision": outcome.revision})
    return Report("unannounced", name, {"severity": "warning", "type": outcome.type, "message": problem})
