"""Test controls of the server: outcomes of the next requests, server age, network faults."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

OUTCOMES = (
    "issue", "approval", "pending", "validation", "fail",
    "wrong-key", "wrong-name", "expired", "ca", "no-chain", "no-key",
)  # fmt: skip
FAULTS = ("slow", "status", "drop-before", "drop-after", "hang", "redirect", "not-json", "empty", "huge")


def fits(text: str, call: str) -> bool:
    """Whether "METHOD template" contains the text; a trailing `$` matches the end."""
    return call.endswith(text[:-1]) if text.endswith("$") else text in call


@dataclass
class Fault:
    """A fault in calls that match `on`, `times` times (None: always)."""

    kind: str
    on: str = ""
    times: int | None = 1
    seconds: float = 0
    status: int = 503
    retry_after: str | None = None
    location: str = "https://elsewhere.example/"

    def __post_init__(self) -> None:
        if self.kind not in FAULTS:
            raise ValueError(self.kind)


@dataclass
class Switches:
    """All controls; thread-safe."""

    outcome: str = "issue"  # after the scripted outcomes
    search: Literal["yes", "none", "ignores-metadata"] = "yes"
    renew_ignores_csr: bool = False
    refuses_renewals: bool = False
    renewed_status: bool = False
    requires_application: bool = False
    profile_by_id: bool = True
    chain_missing: bool = False
    key_missing: bool = False
    clock_offset: timedelta = timedelta(0)
    _outcomes: deque[str] = field(default_factory=deque)
    _faults: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def then(self, *outcomes: str) -> None:
        """Script the outcomes of the next issuances and renewals."""
        strange = set(outcomes) - set(OUTCOMES)
        if strange:
            raise ValueError(strange)
        with self._lock:
            self._outcomes.extend(outcomes)

    def next_outcome(self) -> str:
        with self._lock:
            return self._outcomes.popleft() if self._outcomes else self.outcome

    def fault(self, kind: str, on: str = "", **more: Any) -> Fault:
        """Add a fault; each call uses the first that matches."""
        made = Fault(kind, on, **more)
        with self._lock:
            self._faults.append(made)
        return made

    def next_fault(self, call: str) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if fits(fault.on, call) and fault.times != 0:
                    if fault.times is not None:
                        fault.times -= 1
                    return fault
        return None

    def calm(self) -> None:
        """Remove all faults and scripted outcomes."""
        with self._lock:
            self._faults.clear()
            self._outcomes.clear()
            self.outcome = "issue"
