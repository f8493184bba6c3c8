"""Parts that all certificates of a host share."""

from __future__ import annotations

from dataclasses import dataclass

from evercert.host.acknowledgement import Acknowledger
from evercert.host.ports import Clock, HookRunner, Stack
from evercert.host.state import States


@dataclass(frozen=True)
class HostContext:
    """The stack, the stored states, the runner of hooks, the clock, and an optional acknowledger."""

    stack: Stack
    states: States
    hooks: HookRunner
    clock: Clock
    acknowledger: Acknowledger | None = None
