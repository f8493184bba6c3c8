"""Only function processes of the given emulator are found and signalled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.storm.killer import Killer
from tests.storm.plan import FREEZE, KILL, Strike
from tests.storm.processes import Process, function_processes, send, supported

pytestmark = pytest.mark.skipif(not supported(), reason="needs /proc")

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@contextmanager
def child(function: str | None) -> Iterator[subprocess.Popen[bytes]]:
    environment = {} if function is None else {"AWS_LAMBDA_FUNCTION_NAME": function}
    process = subprocess.Popen(SLEEP, env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def found(function: str) -> Process:
    give_up = time.monotonic() + 5
    while time.monotonic() < give_up:
        for process in function_processes(os.getpid()):
            if process.function == function:
                return process
        time.sleep(0.02)
    raise AssertionError(f"no process of {function}")


def test_function_processes_have_a_function() -> None:
    with child("storm-a") as function, child(None) as other:
        assert found("storm-a").pid == function.pid
        assert other.pid not in [process.pid for process in function_processes(os.getpid())]
        assert function_processes(other.pid) == []


def test_send_refuses_a_number_that_is_used_again() -> None:
    with child("storm-a") as function:
        process = found("storm-a")
        former = Process(process.pid, process.started - 1, process.function, 0, "S")
        assert not send(former, signal.SIGKILL)
        assert function.poll() is None
        assert send(process, signal.SIGKILL)
        assert function.wait(5) == -signal.SIGKILL


def test_killer_strikes_only_the_planned_function() -> None:
    with child("storm-a") as victim, child("storm-b") as other:
        assert found("storm-a") and found("storm-b")
        killer = Killer(os.getpid(), {"A": "storm-a"})
        killer.run([Strike(0, KILL, "A", busy=False, dice=0.5)], time.monotonic(), threading.Event())
        assert victim.wait(5) == -signal.SIGKILL
        assert other.poll() is None
        assert killer.counts == {"kills": 1, "A": 1}


def test_killer_strikes_another_function_if_need_be() -> None:
    with child("storm-b") as victim, child("storm-c") as other:
        assert found("storm-b") and found("storm-c")
        killer = Killer(os.getpid(), {"A": "storm-a", "B": "storm-b"})
        killer.run([Strike(0, KILL, "A", busy=False, dice=0.5)], time.monotonic(), threading.Event())
        assert victim.wait(5) == -signal.SIGKILL
        assert other.poll() is None
        assert killer.counts == {"kills": 1, "B": 1}


def test_killer_leaves_no_process_frozen() -> None:
    with child("storm-a"):
        assert found("storm-a")
        strike = Strike(0, FREEZE, "A", busy=False, dice=0.0, seconds=60)
        killer, stop = Killer(os.getpid(), {"A": "storm-a"}), threading.Event()
        running = threading.Thread(target=killer.run, args=([strike], time.monotonic(), stop))
        running.start()
        give_up = time.monotonic() + 5
        while killer.counts["freezes"] == 0 and time.monotonic() < give_up:
            time.sleep(0.02)
        assert killer.counts["freezes"] == 1
        stop.set()
        running.join(5)
        assert found("storm-a").state != "T"
