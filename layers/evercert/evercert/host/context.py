"""Parts that all certificates of a host share."""

from __future__ import annotations

from dataclasses import dataclass

from evercert.host.ports import Clock, HookRunner, Stack
from evercert.host.state import States


@dataclass(frozen=True)
class HostContext:
    """The stack, the stored states, the runner of hooks, and the clock."""

    stack: Stack
    states: States
    hooks: HookRunner
    clock: Clock
