"""The checks of `doctor` for the console."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evercert.cli.doctor import all_checks, stack_checks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evercert.cli.connection import Connection
    from evercert.cli.doctor.stack_checks import Check, CheckFunction


@dataclass
class StackDoctor:
    """The checks of one stack. `names` reads what several checks share; `run` uses it."""

    connection: Connection
    _checks: dict[str, CheckFunction] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def names(self) -> Sequence[str]:
        """Prepare the checks, and return their names."""
        found = all_checks.of(self.connection, [])
        with self._lock:
            self._checks = found
        return list(found)

    def run(self, name: str) -> Sequence[Check]:
        """Run one check."""
        with self._lock:
            check = self._checks.get(name)
        return [] if check is None else stack_checks.run(name, check)
