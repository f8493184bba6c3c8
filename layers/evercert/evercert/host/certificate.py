"""One certificate of the host's file: its files and its hooks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from evercert.host.hooks import Hook
from evercert.host.outputs import Output

HookEvent = Literal["on-issuance", "on-renewal", "on-failure"]


@dataclass(frozen=True)
class HostCertificate:
    """One certificate of the host's file; `place` is its file and line, for messages."""

    name: str
    outputs: tuple[Output, ...]
    hooks: Mapping[HookEvent, Hook] = field(default_factory=dict)
    common_name: str | None = None
    place: str = ""


def delay(failures: int) -> timedelta:
    """Return the delay after this number of failed hooks in a row (1 is the first)."""
    return DELAYS[min(max(failures, 1), len(DELAYS)) - 1]


DELAYS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180, 360))
