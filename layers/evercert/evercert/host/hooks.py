"""Run the hooks of the host's file: commands with a time limit, one at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import IO

from evercert.schema import printable

DEFAULT_LIMIT = 30  # seconds, as for the Infisical agent
GRACE = 5  # seconds between SIGTERM and SIGKILL
STEP = 0.5  # seconds between two calls of `beat`
KEPT, CHUNK = 4_096, 65_536  # bytes of output that are kept, and read at once
NO_SHELLS = {"nologin", "false"}  # of system users
LONGEST_VALUE = 4_000


@dataclass(frozen=True)
class Hook:
    """A command of the host's file; `limit` in seconds. `rollback`: its failure restores the previous files."""

    command: str
    limit: int = DEFAULT_LIMIT
    rollback: bool = False


@dataclass(frozen=True)
class HookResult:
    """How a hook ended; `problem` is None after success. `output` is the end of what it printed."""

    problem: str | None
    output: str


class Hooks:
    """Runs hooks by the user's shell, each in a process group of its own that ends with the time limit."""

    def __init__(self, beat: Callable[[], None] = lambda: None) -> None:
        """`beat` is called while a hook runs: it tells systemd that the agent is alive."""
        self._beat = beat

    def run(self, hook: Hook, variables: Mapping[str, str]) -> HookResult:
        """Run a hook to its end, or end it with all processes of its group at the time limit; never raises."""
        clean = {name: printable(value, LONGEST_VALUE) for name, value in variables.items()}
        try:
            process = subprocess.Popen(  # noqa: S603 (the command of the host's own file)
                [_shell(), "-c", hook.command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, **clean},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return HookResult(f"cannot be started: {getattr(error, 'strerror', None) or error}", "")
        output = _Output(process.stdout)
        try:
            ended = self._wait(process, hook.limit)
        finally:
            if process.poll() is None:
                self._end(process)
        text = output.text()
        if process.returncode is None:
            return HookResult(f"timed out after {hook.limit} seconds, and still runs, as another user", text)
        if not ended:
            return HookResult(f"timed out after {hook.limit} seconds, and was ended", text)
        if process.returncode < 0:
            return HookResult(f"was ended by signal {-process.returncode}", text)
        return HookResult(f"failed with exit code {process.returncode}" if process.returncode else None, text)

    def _wait(self, process: subprocess.Popen[bytes], limit: float) -> bool:
        end = monotonic() + limit
        while (left := end - monotonic()) > 0:
            self._beat()
            with suppress(subprocess.TimeoutExpired):
                process.wait(min(STEP, left))
                return True
        return process.poll() is not None

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """End the whole group, the processes that the command started included."""
        with suppress(ProcessLookupError, PermissionError):  # a hook may run as another user, by sudo
            os.killpg(process.pid, signal.SIGTERM)
        self._wait(process, GRACE)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        self._wait(process, GRACE)


class _Output:
    """Reads all that a command prints, and keeps the end; background processes may keep the pipe open."""

    def __init__(self, pipe: IO[bytes] | None) -> None:
        self._chunks: deque[bytes] = deque(maxlen=KEPT // 64)
        self._thread = threading.Thread(target=self._read, args=(pipe,), daemon=True)
        self._thread.start()

    def _read(self, pipe: IO[bytes] | None) -> None:
        if pipe is None:
            return
        with pipe, suppress(OSError, ValueError):
            while chunk := pipe.read1(CHUNK):  # type: ignore[attr-defined]
                self._chunks.append(chunk[-KEPT:])

    def text(self) -> str:
        self._thread.join(STEP)
        return printable(b"".join(self._chunks)[-KEPT:].decode(errors="replace"), KEPT)


def _shell() -> str:
    shell = os.environ.get("SHELL", "")
    return shell if shell and Path(shell).name not in NO_SHELLS else "/bin/sh"
