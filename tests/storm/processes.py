"""Function processes of one emulator: its children that run a handler. No other process is ever signalled."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_FUNCTION = b"AWS_LAMBDA_FUNCTION_NAME="


@dataclass(frozen=True)
class Process:
    """A function process; `started` identifies it beyond its number, which the system uses again."""

    pid: int
    started: int
    function: str
    ticks: int  # of processor time so far
    state: str  # as in /proc: R is running, D waits for a disk, T is stopped


def supported() -> bool:
    """Return whether this system lists processes in /proc."""
    return (PROC / "self" / "stat").exists()


def function_processes(emulator: int) -> list[Process]:
    """Return the function processes among the descendants of the emulator, oldest first."""
    parents: dict[int, int] = {}
    stats: dict[int, tuple[str, int, int]] = {}
    for folder in PROC.iterdir():
        if folder.name.isdigit() and (stat := _stat(int(folder.name))) is not None:
            pid = int(folder.name)
            parents[pid], stats[pid] = stat[0], stat[1:]
    found = []
    for pid, (state, ticks, started) in stats.items():
        if _descends(pid, emulator, parents) and (function := _function(pid)) is not None:
            found.append(Process(pid, started, function, ticks, state))
    return sorted(found, key=lambda process: (process.started, process.pid))


def send(process: Process, number: signal.Signals) -> bool:
    """Send the signal if the process still is the one that was seen; return whether it was sent."""
    stat = _stat(process.pid)
    if stat is None or stat[3] != process.started or _function(process.pid) != process.function:
        return False
    with suppress(ProcessLookupError):
        os.kill(process.pid, number)
        return True
    return False


def _descends(pid: int, ancestor: int, parents: dict[int, int]) -> bool:
    for _ in range(len(parents)):
        pid = parents.get(pid, 0)
        if pid == ancestor:
            return True
        if pid == 0:
            return False
    return False


def _stat(pid: int) -> tuple[int, str, int, int] | None:
    """Return parent, state, processor time and start of a process that has not ended."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # a program's name may contain spaces
    state, parent, ticks, started = fields[0], int(fields[1]), int(fields[11]) + int(fields[12]), int(fields[19])
    return None if state in "ZX" else (parent, state, ticks, started)


def _function(pid: int) -> str | None:
    try:
        environment = (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return None
    for entry in environment.split(b"\0"):
        if entry.startswith(_FUNCTION):
            return entry.removeprefix(_FUNCTION).decode()
    return None
