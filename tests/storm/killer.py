"""Carry out the strikes of a plan on the function processes of one emulator."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.storm.plan import KILL, Strike
from tests.storm.processes import Process, function_processes, send

PATIENCE = 2.0  # seconds for which a strike waits for a process that is working
_LOOK = 0.02


@dataclass
class Killer:
    """Kills and freezes function processes; `functions` maps logical ids of the template to names of functions."""

    emulator: int
    functions: Mapping[str, str]
    counts: Counter[str] = field(default_factory=Counter)
    _frozen: list[tuple[float, Process]] = field(default_factory=list)

    def run(self, strikes: Sequence[Strike], began: float, stop: threading.Event) -> None:
        """Strike at the planned moments after `began`; nothing stays frozen."""
        try:
            for strike in strikes:
                while (left := began + strike.at - time.monotonic()) > 0:
                    if stop.wait(min(left, 0.1)):
                        return
                    self._thaw(time.monotonic())
                self._strike(strike, stop)
            while self._frozen and not stop.wait(0.1):
                self._thaw(time.monotonic())
        finally:
            self._thaw(float("inf"))

    def _strike(self, strike: Strike, stop: threading.Event) -> None:
        give_up = time.monotonic() + PATIENCE
        while (victim := self._victim(strike, strike.busy)) is None and time.monotonic() < give_up:
            if stop.wait(_LOOK):
                return
            self._thaw(time.monotonic())
        victim = victim or self._victim(strike, False) or self._any(strike)
        if victim is None:
            self.counts["missed"] += 1
            return
        stop.wait(strike.delay)
        if strike.kind == KILL:
            self.counts["kills"] += send(victim, signal.SIGKILL)
        elif send(victim, signal.SIGSTOP):
            self.counts["freezes"] += 1
            self._frozen.append((time.monotonic() + strike.seconds, victim))
        self.counts[self._logical_id(victim)] += 1

    def _victim(self, strike: Strike, busy: bool) -> Process | None:
        held = {process.pid for _, process in self._frozen}
        name = self.functions[strike.function]
        before = {process.pid: process for process in self._of(name) if process.pid not in held}
        if not busy:
            return _chosen(list(before.values()), strike.dice)
        time.sleep(_LOOK)
        working = [
            process
            for process in self._of(name)
            if process.pid in before and (process.state in "RD" or process.ticks > before[process.pid].ticks)
        ]
        return _chosen(working, strike.dice)

    def _any(self, strike: Strike) -> Process | None:
        """Choose among the processes of all functions, if the planned one has none."""
        held = {process.pid for _, process in self._frozen}
        known = [one for name in self.functions.values() for one in self._of(name) if one.pid not in held]
        return _chosen(known, strike.dice)

    def _logical_id(self, process: Process) -> str:
        return next(key for key, name in self.functions.items() if name == process.function)

    def _of(self, name: str) -> list[Process]:
        return [process for process in function_processes(self.emulator) if process.function == name]

    def _thaw(self, now: float) -> None:
        for entry in [entry for entry in self._frozen if entry[0] <= now]:
            self._frozen.remove(entry)
            send(entry[1], signal.SIGCONT)


def _chosen(candidates: Sequence[Process], dice: float) -> Process | None:
    return candidates[int(dice * len(candidates))] if candidates else None
