"""Publish stored outcomes to the topic, at least once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from evercert.contracts.events import Outcome
from evercert.contracts.ports import Announcer, RecordStore
from evercert.deadline import Clock
from evercert.errors import EvercertError


@dataclass(frozen=True)
class RunReport:
    """Log line of one processed message; the values of `outcome` are stable."""

    outcome: str
    certificate: str
    details: dict[str, Any] = field(default_factory=dict)


def announce(outcome: Outcome, inventory: RecordStore, announcer: Announcer, clock: Clock) -> str | None:
    """Publish the outcome, then mark it as published; return the error text on failure.

    The checker retries what failed. A crash in between publishes twice, under the same event id.
    """
    try:
        announcer.announce(outcome)
        inventory.published(outcome, clock())
    except EvercertError as error:
        return str(error)
    return None


def announce_stored(name: str, key: str, inventory: RecordStore, announcer: Announcer, clock: Clock) -> RunReport:
    """Publish an outcome that an earlier run stored but did not publish, unless another run did."""
    outcome = inventory.outcome(name, key)
    if outcome is None:
        return RunReport("already-announced", name)
    problem = announce(outcome, inventory, announcer, clock)
    if problem is None:
        return RunReport("announced", name, {"type": outcome.type, "revision": outcome.revision})
    return RunReport("unannounced", name, {"severity": "warning", "type": outcome.type, "message": problem})
